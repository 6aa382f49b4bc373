"""A search that begins in the middle of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comitia.check import World, breadth_first
from comitia.check.prologue import NoSuchStep
from comitia.kernel import Fate, Model
from comitia.kernel.model import Line

from .synod import Accept, Forgetful, Prepare, Promised, Stubborn, synod

PROMISED: tuple[Line, ...] = (
    (4, "propose"),
    (1, Prepare),
    (2, Prepare),
    (4, Promised, 1),
    (4, Promised, 2),
)


def after(model: Model, *lines: Line) -> Model:
    return replace(model, prologue=lines)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_shortest_run_is_shorter_by_what_is_told(symmetric: bool) -> None:
    model = synod(proposer=Stubborn, symmetric=symmetric)
    whole = breadth_first(World(model))
    rest = breadth_first(World(after(model, *PROMISED)))
    assert (rest.property, rest.depth) == ("Agreement", whole.depth - len(PROMISED))
    assert len(rest.story) == len(whole.story)
    assert "n4 timer propose fires" in str(rest.story.beats[5])


def test_what_may_follow_is_a_part_of_what_can_be_reached() -> None:
    whole, rest = (
        World(model, drop_stale=False)
        for model in (synod(), after(synod(), *PROMISED, (1, Accept)))
    )
    assert 1_000 < breadth_first(rest).states < breadth_first(whole).states


def test_a_crash_that_is_told_does_not_count() -> None:
    lines: tuple[Line, ...] = (
        *PROMISED,
        (5, "propose"),
        (1, Prepare, 5),
        (2, Prepare, 5),
        (5, Promised, 1),
        (5, Promised, 2),
        (1, Fate.CRASH),
        (2, Fate.CRASH),
    )
    forgotten = breadth_first(World(after(synod(acceptor=Forgetful), *lines)))
    assert forgotten.property == "Agreement"
    assert breadth_first(World(after(synod(), *lines))).outcome == "holds"


def test_a_message_that_seemed_stale_may_be_told() -> None:
    # The lower ballot is ignored until n1 has forgotten the higher one.
    lines: tuple[Line, ...] = (
        (4, "propose"),
        (5, "propose"),
        (1, Prepare, 5),
        (1, Fate.CRASH),
        (1, Prepare, 4),
    )
    assert len(World(after(synod(acceptor=Forgetful), *lines)).initial()) == 1
    with pytest.raises(NoSuchStep, match="line 5: no way to tell n1 Prepare from n4"):
        World(after(synod(), *lines)).initial()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ((4, "propose"), "line 6: no way to tell n4 propose; it may be told"),
        ((3, Prepare, 5), r"no way to tell n3 Prepare from n5; it may be told Prepare\(n=Ballot"),
    ],
)
def test_a_line_that_is_no_step_is_refused(line: Line, says: str) -> None:
    with pytest.raises(NoSuchStep, match=says):
        World(after(synod(), *PROMISED, line)).initial()


def test_a_line_that_leaves_a_choice_is_refused() -> None:
    both = after(synod(), (4, "propose"), (5, "propose"), (1, Prepare))
    with pytest.raises(NoSuchStep, match="several ways to tell n1 Prepare"):
        World(both).initial()
