"""Logs whose items are all different: the answer, and why not, in the log's own words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import AppendLog, Operation, check

from .generate import history
from .oracle import linearizable
from .test_registers import SHAPES, _relaxed


def append(value: int, call: int, end: int | None) -> Operation:
    return Operation(value, "append", value, None, call, end)


def read(items: tuple[int, ...], call: int, end: int) -> Operation:
    return Operation(call, "read", None, items, call, end)


@pytest.mark.parametrize(
    ("operations", "why"),
    [
        (
            [append(1, 0, 1), append(2, 2, 3), read((2, 1), 4, 5)],
            "append(1) returned before append(2) was called, yet read() -> [2, 1] shows 2 before 1",
        ),
        (
            [append(1, 0, 1), append(2, 2, 5), read((2,), 1, 4)],
            "append(1) returned before append(2) was called, yet read() -> [2] shows 2 and not 1",
        ),
        (
            [append(1, 0, 1), read((), 2, 3)],
            "append(1) returned before read() -> [] was called, which does not show 1",
        ),
        ([read((1,), 0, 1), append(1, 2, 3)], "1 was read before append(1) was called"),
        (
            [append(1, 0, 9), read((1,), 1, 2), read((), 3, 4)],
            "the later read shows less than the one before it",
        ),
        (
            [append(1, 0, 9), append(2, 0, 9), read((1,), 1, 2), read((2, 1), 3, 4)],
            "neither list is the beginning of the other",
        ),
        ([append(1, 0, 1), read((1, 1), 2, 3)], "1 was appended once and shows twice"),
        ([read((4,), 2, 3)], "nobody appended 4"),
    ],
)
def test_the_reason_names_items_and_not_places(operations: list[Operation], why: str) -> None:
    found = check(operations, AppendLog()).broken
    assert found is not None
    assert found.contradiction is not None
    assert found.contradiction.why == why
    assert not linearizable(list(found.contradiction.operations), AppendLog())


@settings(max_examples=300, deadline=None)
@given(length=st.integers(0, 8), unique=st.just(True), **SHAPES)
def test_what_is_called_a_contradiction_is_one_whatever_the_others_did(**shape: Any) -> None:
    operations = history(kind="log", **shape)
    verdict = check(operations, AppendLog())
    assert verdict.ok == linearizable(operations, AppendLog())
    if verdict.broken is not None and verdict.broken.contradiction is not None:
        core = verdict.broken.contradiction.operations
        rest = [o if o in core else _relaxed(o) for o in operations]
        assert not linearizable(rest, AppendLog())
