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
from comitia.protocols.raft.models import elections, figure_8, replication

DUPLICATED = replace(replication(terms=1), network=Network.DUPLICATING)


def explore(model: Model) -> Report:
    return breadth_first(space_of(model, PROTOCOL.promises))


def with_mutant(model: Model, mutant: type[Mutant]) -> Model:
    servers = {id: partial(mutant, *server.args) for id, server in model.nodes.items()}
    return replace(model, nodes=servers, sometimes={})


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


@pytest.mark.parametrize(
    ("mutant", "model", "property", "depth"),
    [
        (raft_mutants.VotesForAnyLog, replication(), "LeaderCompleteness", 12),
        (raft_mutants.CommitsWithOneLess, replication(), "CommittedOnAMajority", 6),
        (raft_mutants.TruncatesOnDuplicates, DUPLICATED, "CommittedNeverLost", 12),
        (raft_mutants.CommitsOlderTerms, figure_8(), "LeaderCompleteness", 14),
        (raft_mutants.VotesForTheLongerLog, figure_8(), "LeaderCompleteness", 7),
        (raft_mutants.FollowsOldLeaders, figure_8(), "CommittedNeverLost", 5),
        (raft_mutants.KeepsConflicts, figure_8(), "CommittedOnAMajority", 11),
        (raft_mutants.SkipsTheConsistencyCheck, figure_8(), "LogMatching", 7),
        (raft_mutants.AcknowledgesItsWholeLog, figure_8(), "n2 works", 13),
        (raft_mutants.CommitsBeyondTheProof, figure_8(), "CommittedNeverLost", 10),
        (raft_mutants.AcknowledgesEarly, replication(crashes=1), "CommittedOnAMajority", 8),
        (raft_mutants.CountsOldVotes, elections(terms=2, crashes=0), "ElectionSafety", 10),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_shortest_story_of_a_mutant_is_found(
    mutant: type[Mutant], model: Model, property: str, depth: int
) -> None:
    report = explore(with_mutant(model, mutant))
    assert (report.property, report.depth) == (property, depth)
    assert len(report.story) == len(model.nodes) + len(model.prologue) + depth - 1
