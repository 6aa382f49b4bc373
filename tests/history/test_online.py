"""Checking while a history grows: the same answers, in bounded memory."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import MODELS, Event, Online, Operation, Register
from comitia.history.search import Search

from .generate import Objects, events, history

KINDS = {"register": "register", "queue": "queue", "counter": "counter", "set": "set"}


def as_events(operations: list[Operation]) -> list[Event]:
    moments: list[tuple[int, Event]] = []
    for n, o in enumerate(operations):
        moments.append((o.call, Event("invoke", n, o.f, o.value, o.key)))
        if o.end is not None:
            moments.append((o.end, Event("ok", n, o.f, o.output, o.key)))
        else:
            moments.append((o.call + 1, Event("info", n, o.f, o.value, o.key)))
    return [event for _, event in sorted(moments, key=lambda m: m[0])]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clients=st.integers(1, 4),
    length=st.integers(0, 12),
    spoiled=st.booleans(),
    lost=st.sampled_from((0.0, 0.3)),
)
def test_the_answer_is_that_of_the_whole_history(kind: str, **shape: Any) -> None:
    model = MODELS[KINDS[kind]]()
    operations = history(kind=kind, **shape)
    online = Online(model)
    for event in as_events(operations):
        online.feed(event)
    expected = Search(operations, model).explain(model.initial(None)) is not None
    assert (online.finish().ok in (True,)) == expected


def test_a_violation_is_told_as_soon_as_the_object_is_quiescent() -> None:
    online = Online(Register())
    assert online.feed(Event("invoke", 1, "write", 1)) is None
    assert online.feed(Event("ok", 1, "write")) is None
    assert online.feed(Event("invoke", 1, "read")) is None
    found = online.feed(Event("ok", 1, "read", 2))
    assert found is not None
    assert [o.output for o in found.operations] == [2]
    assert online.finish().ok is False


def test_memory_does_not_grow_with_the_history() -> None:
    objects = Objects(4)
    rng = random.Random(3)
    online = Online(Register())
    peak = 0
    for _ in range(300):
        for event in events(rng, 4, 10, objects.draw_register, objects.register):
            assert online.feed(event) is None
            peak = max(peak, online.kept)
    assert online.finish().ok
    assert peak < 60


def test_out_of_time_an_object_is_unknown_and_the_others_are_still_judged() -> None:
    online = Online(MODELS["stack"](), expired=lambda: True)
    for n in range(12):
        online.feed(Event("invoke", n, "push", n % 6, "hard"))
    for n in range(12):
        online.feed(Event("ok", n, "push", None, "hard"))
    online.feed(Event("invoke", 99, "pop", None, "easy"))
    assert online.feed(Event("ok", 99, "pop", 77, "easy")) is not None
    for n in range(100):
        for key in ("hard", "easy"):
            assert online.feed(Event("invoke", 1, "push", n, key)) is None
            assert online.feed(Event("ok", 1, "push", None, key)) is None
    assert online.kept < 20, "what is decided or given up is forgotten"
    verdict = online.finish()
    assert {part.key: part.ok for part in verdict.parts} == {"hard": None, "easy": False}
    assert {part.key: part.operations for part in verdict.parts} == {"hard": 112, "easy": 101}


def test_memory_is_bounded_though_outcomes_stay_unknown_that_took_effect() -> None:
    online, peak = Online(Register()), 0
    for n in range(300):
        for event in (
            Event("invoke", 1, "write", n),
            Event("info", 1, "write", n),
            Event("invoke", 2, "read"),
            Event("ok", 2, "read", n),
        ):
            assert online.feed(event) is None
        peak = max(peak, online.kept)
    assert online.finish().ok
    assert peak < 10
