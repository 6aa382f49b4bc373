"""Queues, stacks and priority queues: decrease and conquer against the definition."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import UNKNOWN, Operation, PriorityQueue, Queue, Stack, check
from comitia.history.search import Search

from .generate import history
from .oracle import explains, linearizable

MODELS = {"queue": Queue(), "stack": Stack(), "priority": PriorityQueue()}


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=700, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(1, 5),
    length=st.integers(0, 8),
    spoiled=st.booleans(),
    lost=st.sampled_from((0.0, 0.0, 0.3)),
)
def test_containers_agree_with_the_definition(kind: str, **shape: Any) -> None:
    operations = history(kind=kind, unique=True, **shape)
    model = MODELS[kind]
    verdict = check(operations, model)
    assert verdict.ok == linearizable(operations, model)
    for part in verdict.parts:
        if part.ok:
            explains(part.order, operations, model)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(2, 4),
    length=st.integers(8, 30),
    spoiled=st.booleans(),
)
def test_containers_agree_with_the_search_on_longer_histories(kind: str, **shape: Any) -> None:
    operations = history(kind=kind, unique=True, **shape)
    model = MODELS[kind]
    verdict = check(operations, model)
    assert verdict.ok == (Search(operations, model).explain(()) is not None)
    assert verdict.engines == ("items",) or not operations
    for part in verdict.parts:
        if part.ok:
            explains(part.order, operations, model)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=700, deadline=None)
@given(seed=st.integers(0, 2**32), items=st.integers(1, 5))
def test_containers_agree_with_the_definition_whatever_the_intervals(
    kind: str, seed: int, items: int
) -> None:
    """No object served these: calls, returns and outputs are drawn freely."""
    rng = random.Random(seed)
    moments = list(range(4 * items))
    rng.shuffle(moments)
    operations = []
    for n in range(items):
        call, end = sorted(moments[4 * n : 4 * n + 2])
        operations.append(Operation(n, "push", n, None, call, end))
        call, end = sorted(moments[4 * n + 2 : 4 * n + 4])
        output = None if rng.random() < 0.2 else n
        if rng.random() < 0.8:
            operations.append(Operation(items + n, "pop", None, output, call, end))
    model = MODELS[kind]
    verdict = check(operations, model)
    assert verdict.ok == linearizable(operations, model)
    for part in verdict.parts:
        if part.ok:
            explains(part.order, operations, model)
        elif part.contradiction is not None:
            core = part.contradiction.operations
            assert set(core) <= set(operations)
            inserts = [o for o in operations if o.f == "push" and o not in core]
            relaxed = [Operation(o.process, o.f, o.value, UNKNOWN, o.call, None) for o in inserts]
            assert not linearizable([*core, *relaxed], model)


def test_items_that_must_be_out_first_get_the_removals_that_never_returned() -> None:
    put = [Operation(0, "push", n, None, 2 * n, 2 * n + 1) for n in range(4)]
    lost = [Operation(n, "pop", None, UNKNOWN, 20 + n, None) for n in range(1, 3)]
    third = Operation(9, "pop", None, 2, 30, 31)
    assert check([*put, *lost, third], Queue()).engines == ("items",)
    assert check([*put, *lost, third], Queue()).ok
    assert check([*put, lost[0], third], Queue()).ok is False
    late = Operation(9, "pop", None, 2, 5, 21)
    assert check([*put, *lost, late], Queue()).ok is False


@pytest.mark.parametrize("kind", MODELS)
def test_a_long_history_of_many_clients_is_judged_by_items(kind: str) -> None:
    operations = history(5, kind, clients=20, length=4000, unique=True)
    verdict = check(operations, MODELS[kind])
    assert verdict.ok
    assert verdict.engines == ("items",)
    explains(verdict.parts[0].order, operations, MODELS[kind])
