"""The general search against the definition, for every model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import MODELS, UNKNOWN, Operation, Register, Stack, check
from comitia.history.search import Search

from .generate import history
from .oracle import explains, linearizable

KINDS = {
    "register": "register",
    "store": "store",
    "log": "log",
    "set": "set",
    "queue": "queue",
    "stack": "stack",
    "priority": "priority-queue",
    "counter": "counter",
    "lock": "lock",
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(1, 4),
    length=st.integers(0, 7),
    spoiled=st.booleans(),
    lost=st.sampled_from((0.0, 0.4)),
)
def test_the_search_agrees_with_the_definition(
    kind: str, seed: int, clients: int, length: int, spoiled: bool, lost: float
) -> None:
    model = MODELS[KINDS[kind]]()
    operations = history(seed, kind, clients=clients, length=length, spoiled=spoiled, lost=lost)
    order = Search(operations, model).explain(model.initial(None))
    assert (order is not None) == linearizable(operations, model)
    if order is not None:
        explains(order, operations, model)
    if not spoiled:
        assert order is not None, "a correct object served it"


def test_an_operation_that_never_returned_may_take_effect_much_later() -> None:
    operations = [
        Operation(1, "write", 1, UNKNOWN, 0, None),
        Operation(2, "read", None, None, 1, 2),
        Operation(2, "read", None, 1, 3, 4),
    ]
    assert check(operations, Register())


def test_an_operation_that_never_returned_does_not_take_effect_twice() -> None:
    operations = [
        Operation(1, "write", 1, UNKNOWN, 0, None),
        Operation(2, "read", None, 1, 1, 2),
        Operation(2, "write", 2, None, 3, 4),
        Operation(2, "read", None, 1, 5, 6),
    ]
    assert check(operations, Register()).ok is False


def test_a_search_out_of_time_gives_up_and_says_nothing() -> None:
    puts = [Operation(n, "push", n % 15, None, n, 1000 + n) for n in range(30)]
    wrong = Operation(99, "pop", None, 99, 2000, 2001)
    verdict = check([*puts, wrong], Stack(), expired=lambda: True)
    assert verdict.ok is None
    assert not verdict


def test_operations_that_touch_at_one_moment_overlap() -> None:
    write = Operation(1, "write", 1, None, 0, 5)
    assert check([write, Operation(2, "read", None, None, 5, 6)], Register())
    assert check([write, Operation(2, "read", None, None, 6, 7)], Register()).ok is False
