"""Sequential consistency and session guarantees."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import (
    IMPOSSIBLE,
    UNKNOWN,
    HistoryError,
    Model,
    Operation,
    Register,
    check,
    sequential,
    sessions,
)

from .generate import history


def sequentially_consistent(operations: list[Operation], model: Model) -> bool:
    """The definition, by trying every order."""
    returned = [o for o in operations if o.end is not None]
    lost = [o for o in operations if o.end is None]
    for n in range(len(lost) + 1):
        for extra in permutations(lost, n):
            chosen = [*returned, *extra]
            if any(_explains(order, model) for order in permutations(chosen)):
                return True
    return False


def _explains(order: tuple[Operation, ...], model: Model) -> bool:
    latest: dict[Any, int] = {}
    states: dict[Any, Any] = {}
    for o in order:
        if latest.get(o.process, -1) > o.call and o.end is not None:
            return False
        latest[o.process] = max(o.call, latest.get(o.process, -1))
        state = states.get(o.key, model.initial(o.key))
        states[o.key] = model.step(state, model.input(o), o.output)
        if states[o.key] is IMPOSSIBLE:
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(1, 3),
    length=st.integers(0, 5),
    spoiled=st.booleans(),
    lost=st.sampled_from((0.0, 0.3)),
)
def test_sequential_consistency_agrees_with_its_definition(**shape: Any) -> None:
    operations = history(kind="register", **shape)
    verdict = sequential(operations, Register())
    assert verdict.ok == sequentially_consistent(operations, Register())
    if verdict.ok:
        assert _explains(verdict.parts[0].order, Register())
    if check(operations, Register()).ok:
        assert verdict.ok, "linearizable is stronger"


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 6), spoiled=st.booleans())
def test_a_process_that_goes_on_after_an_unknown_outcome_is_held_to_what_it_saw(
    **shape: Any,
) -> None:
    found = history(kind="register", clients=1, lost=0.4, **shape)
    operations = [Operation(0, o.f, o.value, o.output, o.call, o.end) for o in found]
    assert sequential(operations, Register()).ok == sequentially_consistent(operations, Register())


def test_what_never_returned_may_take_effect_after_what_its_process_did_next() -> None:
    lost = Operation(1, "write", 1, UNKNOWN, 0, None)
    early, late = Operation(1, "read", None, None, 2, 3), Operation(1, "read", None, 1, 4, 5)
    assert sequential([lost, early, late], Register())
    assert sequential([lost, Operation(1, "read", None, 9, 2, 3)], Register()).ok is False
    before = Operation(1, "write", 2, None, -3, -2)
    gone = [before, lost, Operation(1, "read", None, 1, 2, 3), Operation(2, "read", None, 2, 9, 10)]
    assert sequential(gone, Register()), "the other may be behind"
    assert sequential([*gone, Operation(2, "read", None, 1, 11, 12)], Register())
    assert sequential([*gone, Operation(1, "read", None, 2, 11, 12)], Register()).ok is False


def test_sequential_consistency_out_of_time_is_unknown() -> None:
    writes = [Operation(n, "write", n, None, 0, 100) for n in range(9)]
    wrong = Operation(99, "read", None, 77, 0, 100)
    verdict = sequential([*writes, wrong], Register(), expired=lambda: True)
    assert verdict.ok is None
    assert "unknown: out of time" in str(verdict)


def test_a_stale_read_is_sequentially_consistent_and_not_linearizable() -> None:
    operations = [
        Operation(1, "write", 1, None, 0, 1),
        Operation(2, "read", None, None, 2, 3),
    ]
    assert sequential(operations, Register())
    assert not check(operations, Register())


def test_sequential_consistency_looks_at_all_keys_together() -> None:
    operations = [
        Operation(1, "write", 1, None, 0, 1, "x"),
        Operation(1, "read", None, None, 2, 3, "y"),
        Operation(2, "write", 1, None, 0, 1, "y"),
        Operation(2, "read", None, None, 2, 3, "x"),
    ]
    assert sequential(operations, Register()).ok is False


def told(operations: list[Operation]) -> set[str]:
    return {part.engine for part in sessions(operations).parts if part.ok is False}


W = "write"
R = "read"


@pytest.mark.parametrize(
    ("operations", "broken"),
    [
        ([(1, W, 1), (2, R, 1), (2, R, None)], {"monotonic reads"}),
        ([(1, W, 1), (2, W, 2), (3, R, 1), (3, R, 2), (4, R, 2), (4, R, 1)], {"monotonic reads"}),
        ([(1, W, 1), (1, R, None)], {"read your writes"}),
        ([(1, W, 1), (2, W, 2), (1, R, 2), (2, R, 1)], {"read your writes"}),
        ([(1, W, 1), (1, W, 2), (1, R, 1)], {"read your writes"}),
        ([(1, W, 1), (2, W, 2), (1, R, 2), (1, W, 3), (2, R, 3), (1, R, 3)], set()),
        ([(1, W, 1), (2, R, 1), (2, W, 2), (3, R, 2), (3, R, 1)], {"writes follow reads"}),
        ([(1, W, 1), (1, W, 2), (2, R, 2), (2, R, 1)], {"monotonic writes"}),
        ([(1, W, 1), (1, W, 2), (2, R, 1), (2, R, 2), (2, R, 2)], set()),
        ([(1, R, 2), (1, W, 1), (2, R, 1), (2, W, 2)], {"writes follow reads"}),
    ],
)
def test_each_session_guarantee_is_missed_where_it_is_broken(
    operations: list[tuple[int, str, Any]], broken: set[str]
) -> None:
    made = [
        Operation(p, f, v if f == W else None, v if f == R else None, 2 * n, 2 * n + 1)
        for n, (p, f, v) in enumerate(operations)
    ]
    assert told(made) == broken


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), clients=st.integers(1, 5), length=st.integers(0, 40))
def test_a_linearizable_register_gives_every_session_guarantee(**shape: Any) -> None:
    operations = history(kind="register", unique=True, lost=0.2, **shape)
    assert sessions(operations).ok


def test_session_guarantees_need_distinct_values_and_say_so() -> None:
    twice = [Operation(p, "write", 1, None, p, p + 1) for p in (1, 2)]
    with pytest.raises(HistoryError, match="written twice"):
        sessions(twice)
    strange = Operation(1, "read", None, 9, 1, 2)
    assert sessions([strange]).ok is False
    assert sessions([Operation(1, "read", None, UNKNOWN, 1, None)]).ok
