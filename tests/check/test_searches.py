"""Depth first, at random, limits, reachability and liveness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from comitia.check import (
    Limits,
    Outcome,
    Space,
    System,
    SystemSpace,
    World,
    breadth_first,
    depth_first,
    on_all_cores,
    random_walks,
)
from comitia.kernel import Model, Node, Out

from .registers import Get, PutOk, one_copy
from .specifications import two_phase
from .synod import Stubborn, synod


def test_depth_first_sees_the_same_states_as_breadth_first() -> None:
    report = depth_first(SystemSpace(two_phase(3)))
    assert (report.states, report.generated) == (288, 1146)
    assert depth_first(World(one_copy(2, 1), drop_stale=False)).states == 93


def test_depth_first_finds_what_is_broken_though_not_the_shortest_run() -> None:
    report = depth_first(World(synod(proposer=Stubborn)))
    assert report.property == "Agreement"
    assert "delivers 1" in str(report.story.beats[-1])


def test_random_walks_find_what_is_broken_and_the_seed_finds_it_again() -> None:
    first, again = (
        random_walks(World(synod(proposer=Stubborn)), Limits(states=500_000), seed=7)
        for _ in range(2)
    )
    assert first.property == "Agreement"
    assert str(first.story) == str(again.story)


@pytest.mark.parametrize(
    ("limits", "cut"),
    [
        (Limits(states=1), "1 states"),
        (Limits(seconds=0), "0 s"),
        (Limits(depth=5), "depth 5"),
        (Limits(memory_mib=1), "1 MiB of memory"),
    ],
)
def test_a_limit_ends_a_search_and_is_named(limits: Limits, cut: str) -> None:
    report = breadth_first(World(synod()), limits)
    assert (report.outcome, report.cut) == (Outcome.CUT, cut)


def test_an_interrupted_search_still_tells_how_far_it_came() -> None:
    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    report = breadth_first(World(synod()), on_progress=interrupt)
    assert (report.outcome, report.cut, report.states) == (Outcome.CUT, "interrupted", 1)


def test_a_model_that_never_does_what_it_must_sometimes_do_fails() -> None:
    model = replace(synod(), sometimes={"pigs fly": lambda up: False})
    report = breadth_first(World(model))
    assert (report.outcome, report.property) == (Outcome.BROKEN, "sometimes pigs fly")


def lamp(*steps: tuple[str, str, str]) -> System:
    def following(state: str) -> Iterator[tuple[str, str]]:
        return ((label, after) for label, before, after in steps if before == state)

    return System(["off"], following, eventually={"on": lambda state: state == "on"})


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        (lamp(("switch", "off", "on")), ""),
        (lamp(), "a fair run ends without it"),
        # Waiting for ever is unfair: the switch could be pressed all the time.
        (lamp(("wait", "off", "off"), ("switch", "off", "on")), ""),
        # Here it cannot be pressed all the time, so nothing forces anybody to press it.
        (
            lamp(("go", "off", "away"), ("come", "away", "off"), ("switch", "off", "on")),
            "a fair run goes round from step 0 on without it",
        ),
    ],
    ids=["pressed", "no switch", "wait", "go and come"],
)
def test_what_happens_eventually_happens_in_every_fair_run(system: System, reason: str) -> None:
    assert breadth_first(SystemSpace(system)).reason == reason


class Pinger(Node):
    """Waits for an echo, and does not ask twice."""

    def __init__(self, id: int, again: bool) -> None:
        super().__init__(id)
        self.again, self.heard = again, False

    def on_start(self, out: Out) -> None:
        if self.id == 1:
            out.send(2, Get(1))
            if self.again:
                out.set_timer("again", after=(10, 20))

    def on_timer(self, timer: str, out: Out) -> None:
        self.on_start(out)

    def on_message(self, src: int, message: object, out: Out) -> None:
        if self.id == 2:
            out.send(1, PutOk(1))
        else:
            self.heard = True
            out.cancel_timer("again")


def test_a_lost_message_is_lost_unless_somebody_sends_it_again() -> None:
    def ping(again: bool, lossy: bool) -> Model:
        return Model(
            {id: partial(Pinger, id, again) for id in (1, 2)},
            lossy=lossy,
            eventually={"heard": lambda up: up[1].heard},
        )

    assert breadth_first(World(ping(False, False))).outcome == Outcome.HOLDS
    report = breadth_first(World(ping(False, True)))
    assert report.reason == "a fair run ends without it"
    assert "never gets" in str(report.story)


class Ledger(Node):
    """Its count says how many entries there are."""

    stable = ("entries", "count", "color")
    entries: tuple[int, ...]

    def __init__(self, id: int) -> None:
        super().__init__(id)
        self.entries, self.count, self.color = (), 0, "red"

    def on_start(self, out: Out) -> None:
        assert self.count == len(self.entries), "half of a step is on the disk"
        out.set_timer("write", after=(10, 20))

    def on_timer(self, timer: str, out: Out) -> None:
        self.entries, self.count = (*self.entries, 1), self.count + 1
        self.on_start(out)


class Apart(Ledger):
    apart = (("color",), ("count",))


def test_a_crash_may_fall_between_what_is_written_apart() -> None:
    def model(ledger: type[Ledger]) -> Model:
        return Model({1: partial(ledger, 1)}, within=lambda node: node.count <= 2, crashes=1)

    assert breadth_first(World(model(Ledger))).outcome == Outcome.HOLDS
    report = breadth_first(World(model(Apart)))
    assert (report.property, report.depth) == ("n1 works", 2)
    assert "crashes when the disk has only color, count, and starts again" in str(report.story)


@pytest.mark.parametrize(
    "space",
    [
        lambda: SystemSpace(two_phase(5)),
        lambda: World(synod(crashes=1)),
        lambda: World(synod(crashes=1, symmetric=True)),
        lambda: World(synod(proposer=Stubborn)),
    ],
    ids=["system", "stale messages", "symmetry", "broken"],
)
def test_many_cores_make_the_same_search_as_one(
    space: Callable[[], Space], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.check.parallel.WORTH_A_FORK", 500)
    one, many = breadth_first(space()), on_all_cores(space(), jobs=3)
    for field in ("outcome", "states", "generated", "depth", "property", "reason"):
        assert getattr(one, field) == getattr(many, field), field
    assert str(one.story) == str(many.story)
