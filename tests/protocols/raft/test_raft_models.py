"""Every order of events in small worlds of Raft, and mutants that only such a search finds fast.

What a crash between two answers breaks (a vote forgotten, a vote that leaves before the disk) takes
the simulator thousands of seeds; here it takes a second, and the story is the shortest there is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import raft_mutants
from raft_mutants import Mutant

from comitia.check import breadth_first, space_of
from comitia.check.report import Report
from comitia.kernel import Model, Network
from comitia.protocols.raft import PROTOCOL
from comitia.protocols.raft.models import OPTIONS, elections, replication

DUPLICATING = replace(elections(crashes=0), network=Network.DUPLICATING)


def explore(model: Model) -> Report:
    return breadth_first(space_of(model, PROTOCOL.promises))


def with_mutant(model: Model, mutant: type[Mutant]) -> Model:
    voters = tuple(model.nodes)
    return replace(model, nodes={id: partial(mutant, id, voters, OPTIONS) for id in voters})


def test_elections_keep_every_promise_in_every_order_with_a_crash() -> None:
    report = explore(elections())
    assert report.outcome == "holds", report.story
    assert report.states > 10_000


def test_replication_keeps_every_promise_in_every_order() -> None:
    report = explore(replication(terms=1))
    assert report.outcome == "holds", report.story
    assert report.states > 1_000


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_later_leader_keeps_what_an_earlier_one_committed_in_every_order() -> None:
    report = explore(replication())
    assert report.outcome == "holds", report.story
    assert report.states > 100_000


@pytest.mark.parametrize(
    ("mutant", "model"),
    [
        (raft_mutants.ForgetsItsVote, elections()),
        (raft_mutants.ForgetsItsTerm, elections()),
        (raft_mutants.AnswersVotesEarly, elections()),
        (raft_mutants.VotesTwice, elections(crashes=0)),
        (
            raft_mutants.CountsEveryAnswer,
            replace(elections(crashes=0), network=Network.DUPLICATING),
        ),
        (raft_mutants.ElectsWithHalf, elections(servers=2, crashes=0)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_mutant_is_caught_by_exhaustive_search(mutant: type[Mutant], model: Model) -> None:
    report = explore(with_mutant(model, mutant))
    assert report.outcome == "broken"
    assert report.property in ("ElectionSafety", "MonotoneTermsAndCommits")
