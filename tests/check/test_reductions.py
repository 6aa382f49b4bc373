"""What makes a search smaller must not change what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from comitia.check import World, breadth_first, with_sleep_sets
from comitia.check.symmetry import NotSymmetric
from comitia.kernel import Network, Symmetry

from .registers import one_copy, replicated
from .synod import Forgetful, Stubborn, synod

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"crashes": 1},
    {"proposer": Stubborn},
    {"quorum": 1},
    {"crashes": 1, "acceptor": Forgetful},
    {"network": Network.DUPLICATING},
    {"network": Network.FIFO},
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_every_reduction_gives_the_same_verdict_at_the_same_depth(
    configuration: dict[str, Any],
) -> None:
    model = synod(symmetric=True, **configuration)
    full = breadth_first(World(model, drop_stale=False, symmetric=False))
    for drop_stale in (False, True):
        for symmetric in (False, True):
            report = breadth_first(World(model, drop_stale=drop_stale, symmetric=symmetric))
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
    assert breadth_first(World(synod(crashes=1))).passes == 2


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
    full = breadth_first(World(model, drop_stale=drop_stale))
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
