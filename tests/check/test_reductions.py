"""What makes a search smaller must not change what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from comitia.check import World, breadth_first, with_sleep_sets
from comitia.check.dead import NotDead
from comitia.check.symmetry import NotSymmetric
from comitia.kernel import Network, Out, Symmetry

from .registers import one_copy, replicated
from .synod import Forgetful, Proposer, Stubborn, synod

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"crashes": 1},
    {"proposer": Stubborn},
    {"quorum": 1},
    {"crashes": 1, "acceptor": Forgetful},
    {"network": Network.DUPLICATING},
    {"network": Network.FIFO},
]


class Counting(Proposer):
    """Knows how often it has started, and does not care."""

    stable: ClassVar = ("n", "starts")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.starts = 0

    def on_start(self, out: Out) -> None:
        super().on_start(out)
        self.starts += 1


def settled(proposer: Proposer) -> dict[str, Any]:
    """What was promised is dead once a value is proposed, what was voted once it is chosen."""
    dead: dict[str, Any] = {"promises": frozenset()} if proposer.v else {}
    return dead | ({"votes": frozenset()} if proposer.done else {})


DEAD = {Proposer: settled, Stubborn: settled}


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_every_reduction_gives_the_same_verdict_at_the_same_depth(
    configuration: dict[str, Any],
) -> None:
    model = synod(symmetric=True, **configuration)
    full = breadth_first(World(model, drop_stale=False, symmetric=False, subsume=False))
    settled = replace(model, dead=DEAD)
    for drop_stale, symmetric, subsume, what in [
        (True, False, False, model),
        (False, True, False, model),
        (False, False, True, settled),
        (True, True, True, settled),
    ]:
        world = World(what, drop_stale=drop_stale, symmetric=symmetric, subsume=subsume)
        report = breadth_first(world)
        assert (report.outcome, report.property) == (full.outcome, full.property)
        assert report.states <= full.states
        if full.property:
            assert report.depth == full.depth
            assert len(report.story) == len(full.story)


def test_symmetry_of_3_acceptors_leaves_a_sixth_of_the_states() -> None:
    assert breadth_first(World(synod(symmetric=True), drop_stale=False)).states == 5_489


def test_stale_messages_are_more_than_half_of_the_states() -> None:
    assert breadth_first(World(synod())).states == 12_807


def test_a_message_dropped_too_early_is_noticed_and_the_search_made_again() -> None:
    # A proposer that forgot in a crash what it had counted heeds the answers it ignored before.
    assert breadth_first(World(synod(crashes=1))).passes > 1


def test_a_crash_that_changes_nothing_leads_to_no_new_state() -> None:
    full = breadth_first(World(synod(crashes=1), drop_stale=False, subsume=False))
    report = breadth_first(World(synod(crashes=1), drop_stale=False))
    assert (full.states, report.states) == (181_602, 150_273)


def test_an_attribute_that_is_still_read_is_not_taken_for_dead() -> None:
    votes = {Proposer: lambda proposer: {"votes": frozenset()}}
    with pytest.raises(NotDead, match="n4 still reads one of votes on deliver"):
        breadth_first(World(replace(synod(), dead=votes)))


def test_a_counter_of_crashes_may_be_dead() -> None:
    model = synod(acceptors=1, proposers=1, crashes=2, proposer=Counting)
    dead = replace(model, dead={Counting: lambda proposer: {"starts": 0}})
    counted, not_counted = breadth_first(World(model)), breadth_first(World(dead))
    assert not_counted.states < counted.states
    assert not_counted.states == breadth_first(World(synod(1, 1, crashes=2))).states


def test_a_symmetry_whose_ids_are_not_renamed_is_refused() -> None:
    model = replace(synod(), symmetry=Symmetry(frozenset({1, 2, 3})))
    with pytest.raises(NotSymmetric, match="n1 as n2"):
        World(model)


def test_the_registers_lose_no_state_that_matters() -> None:
    assert breadth_first(World(one_copy(2, 1))).states == 93
    assert breadth_first(World(replicated(2, 2))).states == 544


@pytest.mark.parametrize("drop_stale", [False, True])
@pytest.mark.parametrize(
    "configuration", [c for c in CONFIGURATIONS if c.get("acceptor") is not Forgetful], ids=str
)
def test_sleep_sets_see_every_state_with_fewer_steps(
    configuration: dict[str, Any], drop_stale: bool
) -> None:
    model = synod(**configuration)
    full = breadth_first(World(model, drop_stale=drop_stale, subsume=False))
    report = with_sleep_sets(World(model, drop_stale=drop_stale))
    assert (report.outcome, report.property) == (full.outcome, full.property)
    assert report.depth == full.depth
    assert 2 * report.generated < full.generated
    if not full.property:
        assert report.states == full.states


def test_sleep_sets_see_every_state_of_the_registers() -> None:
    assert with_sleep_sets(World(one_copy(2, 1))).states == 93
    assert with_sleep_sets(World(replicated(2, 2))).states == 544


def test_sleep_sets_refuse_symmetry() -> None:
    with pytest.raises(ValueError, match="symmetric=False"):
        with_sleep_sets(World(synod(symmetric=True)))
