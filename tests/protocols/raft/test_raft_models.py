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

from comitia.check import Limits, breadth_first, on_all_cores, space_of
from comitia.check.prologue import NoSuchStep
from comitia.check.recorder import Recorder
from comitia.check.report import Report
from comitia.kernel import Model, Network, NodeId, Out, Propose, Reconfigure
from comitia.kernel import replace as replace_record
from comitia.kernel.model import Line
from comitia.protocols.raft import PROTOCOL, Raft
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    RequestVote,
    RequestVoteResponse,
)
from comitia.protocols.raft.models import (
    COMMITS,
    FIRST,
    OPTIONS,
    elections,
    elects,
    figure_8,
    members,
    reads,
    replication,
    snapshots,
)

DUPLICATED = replace(replication(terms=1), network=Network.DUPLICATING)


VALUE = Propose(b"0")
AN_OLD_ANSWER = replace(
    replication(servers=5, terms=3),
    clients=(((1, VALUE),),),
    prologue=(
        (1, "election"),
        (3, RequestVote),
        (4, RequestVote),
        (1, RequestVoteResponse, 1),
        (1, RequestVoteResponse, 3),
        (1, RequestVoteResponse, 4),
        (1, VALUE),
        (3, AppendEntries),
        (1, AppendEntriesResponse, 3),
        (3, AppendEntries),  # its answer, about index 2, comes late
        (2, RequestVote),
        (2, "election"),
        (4, RequestVote, 2),
        (5, RequestVote, 2),
        (2, RequestVoteResponse, 2),
        (2, RequestVoteResponse, 4),
        (2, RequestVoteResponse, 5),
        (1, AppendEntries),  # n1 replaces what it had by the entry of n2
        (1, "election"),
        (3, RequestVote, 1),
        (4, RequestVote, 1),
        (1, RequestVoteResponse, 1),
        (1, RequestVoteResponse, 3),
        (1, RequestVoteResponse, 4),  # n1 leads term 3 and has another entry at index 2
    ),
)
"""Five servers: with three, what two have acknowledged in one term is never replaced."""

LESS, LEAST = Reconfigure(1, frozenset({1, 2})), Reconfigure(2, frozenset({1}))
TWO_CHANGES = replace(
    replication(),
    clients=(((1, LESS),), ((1, LEAST),)),
    prologue=(*FIRST, *COMMITS, (1, LESS), (1, LEAST)),
)

COMES, GOES = Reconfigure(1, frozenset({1, 2, 3, 4, 5})), Reconfigure(2, frozenset({2, 3, 4}))
EARLY_CHANGES = replace(
    replication(terms=3),
    nodes={id: partial(Raft, id, (1, 2, 3, 4), OPTIONS) for id in range(1, 6)},
    clients=(((1, COMES),), ((2, GOES),)),
    prologue=(
        (1, "election"),
        (3, RequestVote),
        (4, RequestVote),
        (1, RequestVoteResponse, 1),
        (1, RequestVoteResponse, 3),
        (1, RequestVoteResponse, 4),
        (1, COMES),  # n1 leads term 1 and alone knows that n5 counts
        (2, RequestVote),
        (2, "election"),
        (3, RequestVote, 2),
        (4, RequestVote, 2),
        (2, RequestVoteResponse, 2),
        (2, RequestVoteResponse, 3),
        (2, RequestVoteResponse, 4),
        (2, GOES),  # n2 leads term 2, in which n1 does not count
        (1, RequestVote, 2),
        (1, "election"),
        (4, RequestVote, 1),
        (5, RequestVote, 1),
        (1, RequestVoteResponse, 1),
        (1, RequestVoteResponse, 4),
    ),
)
"""The bug of single-server changes that Ongaro reported in 2015: 4 servers, then 5, or 3."""


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


def test_when_timers_are_slow_enough_somebody_leads_in_the_end() -> None:
    for model in (elects(), elects(terms=2), elects(servers=4)):
        report = explore(model)
        assert report.outcome == "holds", report.story


def test_where_votes_are_lost_or_not_given_nobody_need_lead() -> None:
    for model in (elects(lossy=True), with_mutant(elects(), Silent)):
        report = explore(model)
        assert report.property == "eventually somebody leads"
        assert report.reason == "a fair run ends without it"


def test_timers_that_are_faster_than_messages_elect_nobody() -> None:
    # With PreVote no term tells one attempt from the next: the run goes round for ever.
    options = replace_record(OPTIONS, pre_vote=True)
    hasty = {id: partial(Raft, id, (1, 2), options) for id in (1, 2)}
    model = replace(elects(), nodes=hasty, within=lambda s: s.current_term <= 1 and s.round <= 1)
    report = explore(model)
    assert report.property == "eventually somebody leads"
    assert report.reason.startswith("a fair run goes round from step ")
    assert "-- from here on, for ever --" in str(report.story)


class Silent(Mutant):
    """Gives its vote and tells nobody."""

    def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None:
        super().on_request_vote(src, message, Recorder(self.id, frozenset(), 0, 0))


@pytest.mark.slow
def test_a_snapshot_replaces_another_history_in_every_order() -> None:
    report = explore(snapshots())
    assert report.outcome == "holds", report.story
    assert report.states > 50_000


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("crashes", [0, 1])
def test_a_later_leader_keeps_what_an_earlier_one_committed_in_every_order(crashes: int) -> None:
    report = on_all_cores(space_of(replication(crashes=crashes), PROTOCOL.promises))
    assert report.outcome == "holds", report.story
    assert report.states > (10_000_000 if crashes else 600_000)


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
        (raft_mutants.CountsAnyTermsAnswers, AN_OLD_ANSWER, "CommittedOnAMajority", 5),
        (raft_mutants.ServesReadsUnconfirmed, reads(), "ReadsAreCurrent", 7),
        (raft_mutants.ConfirmsByOlderRounds, reads(), "ReadsAreCurrent", 7),
        (raft_mutants.ReadsBelowItsNoOp, reads(), "ReadsAreCurrent", 4),
        (raft_mutants.KeepsAConflictingLog, snapshots(), "CommittedNeverLost", 6),
        (raft_mutants.ChangesAtOnce, members(), "ElectableCompleteness", 6),
        (raft_mutants.DecidesJointlyByOneMajority, members(), "ElectableCompleteness", 6),
        (raft_mutants.ChangesTwiceAtOnce, TWO_CHANGES, "ElectableCompleteness", 2),
        (raft_mutants.ChangesBeforeItsFirstCommit, EARLY_CHANGES, "ElectableCompleteness", 4),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_shortest_story_of_a_mutant_is_found(
    mutant: type[Mutant], model: Model, property: str, depth: int
) -> None:
    report = explore(with_mutant(model, mutant))
    assert (report.property, report.depth) == (property, depth)
    assert len(report.story) == len(model.nodes) + len(model.prologue) + depth - 1


# Controls: where mutants die, Raft itself lives.


def cut_before(model: Model, step: Line) -> Model:
    """`model` from the moment on at which `step` is not made yet."""
    return replace(model, prologue=model.prologue[: model.prologue.index(step)])


@pytest.mark.parametrize(
    "model",
    [
        elections(crashes=0),
        replace(elections(crashes=0), network=Network.DUPLICATING),
        elections(servers=2, crashes=0),
    ],
    ids=["lost", "repeated", "two servers"],
)
def test_nothing_breaks_in_the_elections_in_which_mutants_die(model: Model) -> None:
    report = explore(replace(model, sometimes={}))
    assert report.outcome == "holds", report.story


@pytest.mark.parametrize(
    ("model", "depth"),
    [
        pytest.param(replication(), 12, id="replication"),
        pytest.param(DUPLICATED, 12, id="duplicated"),
        pytest.param(replication(crashes=1), 8, id="a crash"),
        pytest.param(figure_8(), 14, id="figure_8"),
        pytest.param(elections(terms=2, crashes=0), 10, id="elections"),
        pytest.param(AN_OLD_ANSWER, 5, id="an old answer"),
        pytest.param(reads(), 7, id="reads"),
        pytest.param(snapshots(), 6, id="snapshots"),
        pytest.param(members(), 6, id="members"),
        pytest.param(cut_before(TWO_CHANGES, (1, LEAST)), 3, id="two changes"),
        pytest.param(cut_before(EARLY_CHANGES, (1, COMES)), 9, id="early changes"),
    ],
)
def test_nothing_breaks_as_deep_as_the_last_mutant_dies(model: Model, depth: int) -> None:
    space = space_of(replace(model, sometimes={}), PROTOCOL.promises)
    report = breadth_first(space, Limits(depth=depth + 1))
    assert report.outcome == "cut", report.story
    assert report.depth == depth + 1


@pytest.mark.parametrize("model", [TWO_CHANGES, EARLY_CHANGES], ids=["two", "early"])
def test_raft_refuses_the_changes_with_which_the_stories_of_two_mutants_begin(model: Model) -> None:
    with pytest.raises(NoSuchStep):
        explore(model)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_two_leaders_at_once_answer_reads_as_they_must_in_every_order() -> None:
    report = explore(reads())
    assert report.outcome == "holds", report.story
    assert report.states == 1_194_511  # docs/raft.md says so
