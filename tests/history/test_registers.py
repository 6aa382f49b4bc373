"""The register engines against the definition and against the general search."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import UNKNOWN, Contradiction, Operation, Register, Set, check
from comitia.history.beam import Beam, decide
from comitia.history.moves import Moves, member, register
from comitia.history.search import Search
from comitia.history.sweep import Sweep
from comitia.history.verdict import GaveUp
from comitia.history.window import contradicts
from comitia.history.zones import zones

from .generate import history
from .oracle import explains, linearizable

SHAPES: dict[str, Any] = {
    "seed": st.integers(0, 2**32),
    "clients": st.integers(1, 5),
    "spoiled": st.booleans(),
    "lost": st.sampled_from((0.0, 0.4)),
}


def moves(operations: list[Operation]) -> Moves:
    found = register(operations, None)
    assert found is not None
    return found


@settings(max_examples=1500, deadline=None)
@given(length=st.integers(0, 7), values=st.integers(1, 4), **SHAPES)
def test_the_sweep_agrees_with_the_definition(**shape: Any) -> None:
    operations = history(kind="register", **shape)
    answer = Sweep(moves(operations)).run()
    assert isinstance(answer, list) == linearizable(operations, Register())
    if isinstance(answer, list):
        explains(answer, operations, Register())


@settings(max_examples=500, deadline=None)
@given(length=st.integers(8, 40), values=st.integers(1, 6), **SHAPES)
def test_the_sweep_agrees_with_the_search_on_longer_histories(**shape: Any) -> None:
    operations = history(kind="register", **shape)
    answer = Sweep(moves(operations)).run()
    assert isinstance(answer, list) == bool(
        Search(operations, Register()).explain(None) is not None
    )
    if isinstance(answer, list):
        explains(answer, operations, Register())


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(6, 40),
    length=st.integers(20, 60),
    values=st.integers(2, 6),
)
def test_many_clients_served_by_a_correct_register_are_never_called_wrong(**shape: Any) -> None:
    operations = history(kind="register", **shape)
    operations = [o for o in operations if o.output is not False]
    try:
        answer = Sweep(moves(operations), most_steps=3000).run()
    except GaveUp:
        return
    assert isinstance(answer, list)
    explains(answer, operations, Register())


def test_a_value_is_written_again_to_hide_another_write_before_it() -> None:
    """`write(1)` has room only between the two 0s, or just before `write(3)` writes 3 anew."""
    agree = [
        Operation(0, "write", 0, None, 33, 39),
        Operation(1, "cas", (0, 3), True, 42, 46),
        Operation(2, "write", 3, None, 53, 65),
        Operation(3, "cas", (3, 0), True, 54, 59),
        Operation(4, "write", 1, None, 56, 60),
        Operation(5, "cas", (0, 2), True, 61, 64),
    ]
    still_needed = [
        Operation(0, "write", 0, None, 148, 160),
        Operation(1, "cas", (0, 1), True, 155, 179),
        Operation(2, "cas", (1, 3), True, 163, 180),
        Operation(3, "write", 1, None, 165, 182),
        Operation(4, "read", None, 1, 167, 219),
        Operation(5, "write", 4, None, 173, 181),
        Operation(6, "cas", (3, 2), True, 186, 196),
    ]
    for operations in (agree, still_needed):
        answer = Sweep(moves(operations)).run()
        assert isinstance(answer, list)
        explains(answer, operations, Register())


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(4, 30),
    values=st.integers(1, 6),
    moment=st.integers(0, 60),
    events=st.integers(1, 40),
    **SHAPES,
)
def test_a_window_of_what_can_be_explained_can_be_explained(
    moment: int, events: int, **shape: Any
) -> None:
    operations = history(kind="register", **shape)
    found = moves(operations)
    if contradicts(found, (moment, moment), events):
        assert not isinstance(Sweep(found).run(), list)


@pytest.mark.parametrize("values", [2, 5, 20, 100])
def test_a_long_history_of_many_clients_is_judged_with_few_configurations(values: int) -> None:
    operations = history(3, "register", clients=80, length=1500, values=values)
    operations = [o for o in operations if o.output is not False]
    answer = decide(moves(operations))
    assert isinstance(answer, list)
    explains(answer, operations, Register())


@pytest.mark.parametrize("values", [20, 100])
def test_a_stale_read_far_into_a_long_history_is_found_and_explained(values: int) -> None:
    operations = history(4, "register", clients=20, length=1500, values=values)
    operations = [o for o in operations if o.output is not False]
    reads = [i for i, o in enumerate(operations) if o.f == "read" and o.end is not None]
    at = reads[-len(reads) // 4]
    stale = operations[at]
    wrong = next(v for v in range(values) if not _written_near(operations, stale, v))
    operations[at] = Operation(stale.process, "read", None, wrong, stale.call, stale.end)
    part = check(operations, Register()).parts[0]
    assert part.ok is False
    assert part.contradiction is not None
    assert operations[at] in part.contradiction.operations
    assert len(part.contradiction.operations) < 8


def _written_near(operations: list[Operation], read: Operation, value: int) -> bool:
    assert read.end is not None
    return any(
        value in ((o.value, o.value[1]) if o.f == "cas" else (o.value,))
        for o in operations
        if o.f != "read" and o.call < read.end and (o.end is None or o.end > read.call - 90)
    )


@settings(max_examples=1500, deadline=None)
@given(length=st.integers(0, 8), **SHAPES)
def test_zones_agree_with_the_definition(**shape: Any) -> None:
    operations = history(kind="register", unique=True, **shape)
    operations = [o for o in operations if o.output is not False]
    answer = zones(moves(operations))
    assert answer is not None
    assert isinstance(answer, list) == linearizable(operations, Register())
    if isinstance(answer, list):
        explains(answer, operations, Register())


@settings(max_examples=500, deadline=None)
@given(length=st.integers(8, 60), **SHAPES)
def test_zones_agree_with_the_sweep_on_longer_histories(**shape: Any) -> None:
    operations = history(kind="register", unique=True, **shape)
    operations = [o for o in operations if o.output is not False]
    answer = zones(moves(operations))
    assert isinstance(answer, list) == isinstance(Sweep(moves(operations)).run(), list)
    if isinstance(answer, list):
        explains(answer, operations, Register())


@settings(max_examples=500, deadline=None)
@given(length=st.integers(0, 8), **SHAPES)
def test_what_zones_call_a_contradiction_is_one_by_itself(**shape: Any) -> None:
    operations = history(kind="register", unique=True, **{**shape, "spoiled": True})
    operations = [o for o in operations if o.output is not False]
    answer = zones(moves(operations))
    if isinstance(answer, Contradiction):
        relaxed = [o if o in answer.operations else _relaxed(o) for o in operations]
        assert not linearizable(relaxed, Register())


@settings(max_examples=300, deadline=None)
@given(length=st.integers(0, 30), values=st.integers(1, 6), **SHAPES)
def test_a_narrow_beam_agrees_with_the_sweep(**shape: Any) -> None:
    operations = history(kind="register", **shape)
    found = moves(operations)
    answer = Beam(found).follow()
    if answer is not None:
        assert isinstance(answer, list) == isinstance(Sweep(found).run(), list)
    if isinstance(answer, list):
        explains(answer, operations, Register())


@settings(max_examples=300, deadline=None)
@given(length=st.integers(1, 8), values=st.integers(1, 4), unique=st.booleans(), **SHAPES)
def test_the_smallest_contradiction_is_one_and_none_of_it_can_go(**shape: Any) -> None:
    operations = history(kind="register", **{**shape, "spoiled": True})
    found = check(operations, Register()).parts
    for part in found:
        if part.contradiction is None:
            continue
        core = part.contradiction.operations
        operations = [o for o in operations if o in core or not Register().observes(o)]
        assert not linearizable([o if o in core else _relaxed(o) for o in operations], Register())
        for spared in core:
            fewer = [o if o in core and o is not spared else _relaxed(o) for o in operations]
            assert linearizable(fewer, Register())


def _relaxed(o: Operation) -> Operation:
    return Operation(o.process, o.f, o.value, UNKNOWN, o.call, None) if o.end is not None else o


@settings(max_examples=300, deadline=None)
@given(length=st.integers(0, 9), values=st.integers(1, 3), **SHAPES)
def test_members_of_a_set_are_registers(**shape: Any) -> None:
    operations = history(kind="set", **shape)
    answers = []
    for value in {o.value for o in operations}:
        found = member([o for o in operations if o.value == value])
        assert found is not None
        answers.append(isinstance(Sweep(found).run(), list))
    assert all(answers) == linearizable(operations, Set())


@pytest.mark.parametrize("engine", ["zones", "sweep"])
def test_thirty_writes_that_never_returned_cost_next_to_nothing(engine: str) -> None:
    lost = [Operation(n, "write", n, UNKNOWN, n, None) for n in range(1, 31)]
    reads = [
        Operation(99, "read", None, n, 100 + 2 * i, 101 + 2 * i)
        for i, n in enumerate((3, 7, 7, 1, 30, 12))
    ]
    again = Operation(99, "read", None, 3, 200, 201)
    for operations, expected in ((lost + reads, True), ([*lost, *reads, again], False)):
        found = moves(operations)
        answer = zones(found) if engine == "zones" else Sweep(found).run()
        assert isinstance(answer, list) == expected
