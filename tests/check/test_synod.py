"""The checker on a small Paxos: right ones hold, wrong ones fail at their shortest depth."""

from __future__ import annotations

import pytest

from comitia.check import Outcome, World, breadth_first
from comitia.kernel import Model, Network

from .synod import Forgetful, Stubborn, synod


@pytest.mark.parametrize(
    ("model", "states"),
    [
        (synod(), 31_329),
        (synod(network=Network.BAG), 31_329),
        (synod(network=Network.DUPLICATING), 31_329),
        (synod(network=Network.FIFO), 78_253),
        (synod(crashes=1), 181_602),
    ],
    ids=["set", "bag", "duplicating", "fifo", "a crash"],
)
def test_paxos_agrees_whatever_the_network_does(model: Model, states: int) -> None:
    report = breadth_first(World(model, drop_stale=False, subsume=False))
    assert report.outcome == Outcome.HOLDS, report.story
    assert report.states == states


@pytest.mark.parametrize(
    ("model", "depth"),
    [
        (synod(proposer=Stubborn), 19),
        (synod(acceptor=Forgetful, crashes=1), 20),
        (synod(quorum=1), 11),
        (synod(acceptors=2, quorum=1), 11),
    ],
    ids=["ignores what was voted", "forgets its promise", "1 of 3", "1 of 2"],
)
def test_a_wrong_paxos_is_refuted_by_the_shortest_run(model: Model, depth: int) -> None:
    report = breadth_first(World(model))
    assert (report.property, report.depth) == ("Agreement", depth)
    starts = len(model.nodes)
    assert len(report.story) == starts + depth - 1
    assert "delivers 1" in str(report.story.beats[-1])
