"""Raft with one line broken, many times over: each must be caught, or our checks prove nothing.

Every class says which rule it breaks.  `SETTINGS` narrow the simulator's search where a mutant
needs something rare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace as changed
from typing import ClassVar

from raft_ports import Early, WholeLog

from comitia.kernel import (
    Compact,
    Log,
    Micros,
    NodeId,
    Out,
    Propose,
    Reconfigure,
    Transfer,
    replace,
)
from comitia.protocols.raft import Configuration, Entry, Raft, Snapshot
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    InstallSnapshot,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
)
from comitia.protocols.raft.progress import Progress
from comitia.protocols.raft.state import CANDIDATE, FOLLOWER, LEADER
from comitia.sim.faults import parse_faults
from comitia.sim.run import Settings

STALE_LEADERS = Settings(
    faults=parse_faults("loss,delay,partition,oneway,bridge,flap,crash"),
    options={
        "pre_vote": False,
        "check_quorum": False,
        "reads": "index",
        "max_append_bytes": 1,
    },
)
"""Leaders come and go, and those that are cut off do not notice."""


class Mutant(Raft):
    """What a mutant may say of itself."""

    SETTINGS: ClassVar[Settings] = Settings()


# Elections.


class VotesTwice(Mutant):
    """Section 3.4: each server votes for at most one candidate in a term."""

    def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None:
        if message.term == self.current_term and self.role == FOLLOWER:
            self.voted_for = None
        super().on_request_vote(src, message, out)


class ForgetsItsVote(Mutant):
    """Figure 3.1: votedFor is on disk before an answer leaves.  In the incumbent Python library it
    is not: two votes in one term across a restart.
    """

    stable = tuple(name for name in Raft.stable if name != "voted_for")


class ForgetsItsTerm(Mutant):
    """Figure 3.1: currentTerm is on disk before an answer leaves."""

    stable = tuple(name for name in Raft.stable if name != "current_term")


class AnswersVotesEarly(Mutant):
    """A vote leaves before it is on disk."""

    def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None:
        super().on_request_vote(src, message, Early(out))


class VotesForAnyLog(Mutant):
    """Section 3.6.1: a voter refuses a candidate whose log is less complete than its own."""

    def is_up_to_date(self, last_log_index: int, last_log_term: int) -> bool:
        return True


class VotesForTheLongerLog(Mutant):
    """Section 3.6.1: the later last term wins, length only decides between equal terms."""

    def is_up_to_date(self, last_log_index: int, last_log_term: int) -> bool:
        return last_log_index >= self.log.last


class PreVotesForAnyLog(Mutant):
    """Section 9.6: a pre-vote is given where the vote would be."""

    def on_request_pre_vote(self, src: NodeId, message: RequestPreVote, out: Out) -> None:
        last = self.log.last
        asked = replace(message, last_log_index=last, last_log_term=self.log[last].term)
        super().on_request_pre_vote(src, asked, out)


class CountsOldPreVotes(Mutant):
    """A pre-vote counts for the term that was asked about only."""

    def on_request_pre_vote_response(
        self, src: NodeId, message: RequestPreVoteResponse, out: Out
    ) -> None:
        if message.vote_granted:
            message = replace(message, term=self.current_term + 1)
        super().on_request_pre_vote_response(src, message, out)


class CountsEveryAnswer(Mutant):
    """A voter that is heard twice is counted twice: quorums of messages, not of members."""

    def count_vote(self, src: NodeId, granted: bool, out: Out) -> None:
        if src in self.votes and granted:
            absent = [n for n in self.configuration.voters if n not in self.votes]
            src = absent[0] if absent else src
        super().count_vote(src, granted, out)


class CountsOldVotes(Mutant):
    """A vote counts in its own term only."""

    SETTINGS: ClassVar[Settings] = Settings(options=STALE_LEADERS.options, liveness=False)

    def on_request_vote_response(self, src: NodeId, message: RequestVoteResponse, out: Out) -> None:
        if self.role == CANDIDATE and message.term <= self.current_term:
            self.count_vote(src, message.vote_granted, out)
        else:
            super().on_request_vote_response(src, message, out)


class ElectsWithHalf(Mutant):
    """A majority is more than half, not half."""

    def count_vote(self, src: NodeId, granted: bool, out: Out) -> None:
        super().count_vote(src, granted, out)
        won = 2 * sum(self.votes.values()) >= len(self.configuration.voters)
        if self.role == CANDIDATE and won:
            self.become_leader(out)


class LeadsWithoutAQuorum(Mutant):
    """Section 6.2: a leader that reaches no quorum for an election timeout steps down."""

    def on_quorum_timeout(self, out: Out) -> None:
        self.restart_quorum_timer(out)


class DeposesOnAnyRequest(Mutant):
    """Section 4.2.3: a request for votes does not even raise the term of who hears a leader.

    In the incumbent library a server with an empty log deposes a healthy leader.
    """

    def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None:
        if message.term > self.current_term:
            self.become_follower(message.term, None, out)
        super().on_request_vote(src, message, out)


# Replication.


class CommitsOlderTerms(Mutant):
    """Section 3.6.2, figure 3.7: only entries of the current term are committed by counting."""

    SETTINGS: ClassVar[Settings] = changed(STALE_LEADERS, nodes=3, steps=4000)

    def advance_commit_index(self, out: Out) -> None:
        index = self.configuration.reached(lambda voter: self.progress[voter].match_index)
        if index > self.commit_index:
            self.commit_to(index, out)


class CountsAnyTermsAnswers(Mutant):
    """An acknowledgement without its term: one of the incumbent library's bugs, it commits."""

    def on_append_entries_response(
        self, src: NodeId, message: AppendEntriesResponse, out: Out
    ) -> None:
        if message.term < self.current_term and message.match_index <= self.log.last:
            message = replace(message, term=self.current_term)
        super().on_append_entries_response(src, message, out)


class AcknowledgesItsWholeLog(Mutant):
    """An acknowledgement names what the message proved equal, not the end of the log."""

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        super().on_append_entries(src, message, WholeLog(out, self.log.last))


class TruncatesOnDuplicates(Mutant):
    """Section 3.5, step 3: only a conflicting entry removes what follows.  The incumbent library
    removes acknowledged entries when an AppendEntries arrives twice.
    """

    def take(self, prev: int, entries: tuple[Entry, ...]) -> None:
        if self.log.first <= prev < self.log.last:
            self.log = self.log.cut_after(prev)
        super().take(prev, entries)


class KeepsConflicts(Mutant):
    """Section 3.5, step 3: a conflicting entry, and all that follow it, are removed."""

    def take(self, prev: int, entries: tuple[Entry, ...]) -> None:
        if prev + len(entries) > self.log.last or prev == self.log.last:
            super().take(prev, entries)


class CommitsBeyondTheProof(Mutant):
    """Section 3.5, step 5: commitIndex = min(leaderCommit, index of last new entry)."""

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        super().on_append_entries(src, message, out)
        index = min(message.leader_commit, self.log.last)
        if message.term == self.current_term and index > self.commit_index:
            self.commit_to(index, out)


class SkipsTheConsistencyCheck(Mutant):
    """Section 3.5: a follower that does not have prevLogIndex and prevLogTerm refuses."""

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        prev = message.prev_log_index
        if self.log.first <= prev <= self.log.last:
            message = replace(message, prev_log_term=self.log[prev].term)
        super().on_append_entries(src, message, out)


class FollowsOldLeaders(Mutant):
    """Section 3.3: an AppendEntries of an older term is refused."""

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        if message.term < self.current_term and self.role == FOLLOWER:
            message = replace(message, term=self.current_term)
        super().on_append_entries(src, message, out)


class CountsItselfEarly(Mutant):
    """Section 10.2.1: the leader counts its own copy when it is on its own disk, not before."""

    def append(self, entry: Entry) -> None:
        super().append(entry)
        own = self.progress[self.id]
        self.progress = self.progress.set(self.id, replace(own, match_index=self.log.last))


class AcknowledgesEarly(Mutant):
    """A follower's acknowledgement leaves before the entries are on its disk."""

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        super().on_append_entries(src, message, Early(out))


class RefusesWhatItAppended(Mutant):
    """What a leader has appended and not committed when it is deposed may be committed by others:
    it is unknown what becomes of it.
    """

    def step_down(self, out: Out) -> None:
        for entry in self.log.slice(self.commit_index + 1, self.log.last):
            if entry.value:
                out.refuse(Propose(entry.value), "leadership was lost")
        super().step_down(out)


class CommitsWithOneLess(Mutant):
    """An entry is committed on a majority, not on one server less."""

    def advance_commit_index(self, out: Out) -> None:
        voters = self.configuration.voters
        indexes = sorted(self.progress[voter].match_index for voter in voters)
        index = indexes[len(voters) // 2 + (len(voters) > 2)]
        if index > self.commit_index and self.log[index].term == self.current_term:
            self.commit_to(index, out)


# Snapshots.


class AnswersSnapshotsUnseen(Mutant):
    """The incumbent library answers success, and moves its commit index, for a snapshot of which
    only a part has arrived.
    """

    SETTINGS: ClassVar[Settings] = Settings(options={"trailing_entries": 0})

    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        prev, term = message.prev_log_index, message.prev_log_term
        if prev > self.log.last and not message.entries and message.term == self.current_term:
            self.log = Log((Entry(term),), first=prev)
            self.commit_index = prev
        super().on_append_entries(src, message, out)


class KeepsAConflictingLog(Mutant):
    """Figure 5.3, step 7: a log that does not hold the snapshot's last entry is discarded."""

    SETTINGS: ClassVar[Settings] = Settings(options={"trailing_entries": 0})

    def on_install_snapshot(self, src: NodeId, message: InstallSnapshot, out: Out) -> None:
        index = message.last_included_index
        if self.commit_index < index <= self.log.last:
            message = replace(message, last_included_term=self.log[index].term)
        super().on_install_snapshot(src, message, out)


class DropsItsLogForAnySnapshot(Mutant):
    """Figure 5.3, step 6: entries that follow the snapshot's last may be acknowledged."""

    SETTINGS: ClassVar[Settings] = Settings(options={"trailing_entries": 0})

    def on_install_snapshot(self, src: NodeId, message: InstallSnapshot, out: Out) -> None:
        index = message.last_included_index
        if self.commit_index < index <= self.log.last and message.term == self.current_term:
            self.log = self.log.cut_after(max(index - 1, self.commit_index))
        super().on_install_snapshot(src, message, out)


class AcknowledgesSnapshotsEarly(Mutant):
    """Figure 5.3: who acknowledges a snapshot keeps it."""

    def on_install_snapshot(self, src: NodeId, message: InstallSnapshot, out: Out) -> None:
        super().on_install_snapshot(src, message, Early(out))


class CompactsTheConfigurationAway(Mutant):
    """Section 5: a snapshot holds the configuration as of its last entry."""

    SETTINGS: ClassVar[Settings] = Settings(options={"trailing_entries": 0})

    def on_compact(self, request: Compact, out: Out) -> None:
        first = Configuration(tuple(range(1, 4)))
        super().on_compact(request, out)
        self.snapshot = Snapshot(self.snapshot.index, self.snapshot.term, first)


# Membership.


class ChangesAtOnce(Mutant):
    """Section 4.3: several voters change through a joint configuration only."""

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        idle = self.configuration_index <= self.commit_index and self.role == LEADER
        if idle and request.voters and self.commit_index >= self.term_start:
            target = Configuration(
                tuple(sorted(request.voters)), (), tuple(sorted(request.learners))
            )
            self.append(Entry(self.current_term, configuration=target))


class DecidesJointlyByOneMajority(Mutant):
    """Section 4.3: a joint decision needs the majority of both."""

    def use_configurations(self, configurations: tuple[tuple[int, Configuration], ...]) -> None:
        super().use_configurations(configurations)
        if self.configuration.joint:
            self.configuration = replace(self.configuration, outgoing=(self.configuration.voters))


class ChangesTwiceAtOnce(Mutant):
    """Section 4.1: no change begins before the last one is committed."""

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        if self.role == LEADER and request.voters and not self.configuration.joint:
            target = self.configuration.enter(request.voters, request.learners)
            self.append(Entry(self.current_term, configuration=target))


class ChangesBeforeItsFirstCommit(Mutant):
    """No reconfiguration before the first commit of the term (the bug of single-server changes that
    Ongaro reported in 2015).
    """

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        start, self.term_start = self.term_start, min(self.term_start, self.commit_index)
        super().on_reconfigure(request, out)
        self.term_start = start


def on_so_many(server: Raft, members: Iterable[NodeId]) -> int:
    """Up to where as many of `members` as are a majority of the voters have the log."""
    indexes = sorted((server.progress[member].match_index for member in members), reverse=True)
    return indexes[len(server.configuration.voters) // 2]


class CountsLearnersCopies(Mutant):
    """Section 4.2.1: learners receive the log and are no part of any majority."""

    def advance_commit_index(self, out: Out) -> None:
        index = on_so_many(self, self.configuration.members())
        if index > self.commit_index and self.log[index].term == self.current_term:
            self.commit_to(index, out)


class CountsLearnersVotes(Mutant):
    """Section 4.2.1: learners do not vote."""

    def count_vote(self, src: NodeId, granted: bool, out: Out) -> None:
        if src in self.configuration.learners:
            src = next(n for n in self.configuration.voters if n not in self.votes)
        super().count_vote(src, granted, out)


class CountsItselfWhenRemoved(Mutant):
    """Section 4.2.2: a leader that removes itself is no part of the majority that commits that."""

    def advance_commit_index(self, out: Out) -> None:
        index = on_so_many(self, {self.id, *self.configuration.voters})
        if index > self.commit_index and self.log[index].term == self.current_term:
            self.commit_to(index, out)


class HeedsTheRemoved(Mutant):
    """Section 4.2.3: not even the higher term of a removed server may disturb."""

    def answering(
        self, src: NodeId, message: AppendEntriesResponse | AppendEntriesConflict, out: Out
    ) -> Progress | None:
        if self.role == LEADER and message.term > self.current_term:
            self.become_follower(message.term, None, out)
        return super().answering(src, message, out)


class KeepsARemovedConfiguration(Mutant):
    """Section 4.1: a configuration goes when its entry is removed from the log."""

    def take(self, prev: int, entries: tuple[Entry, ...]) -> None:
        before = self.configuration
        super().take(prev, entries)
        if not any(entry.configuration for entry in entries):
            self.configuration = before


# Reads.


class ServesReadsUnconfirmed(Mutant):
    """Section 6.4, step 3: a leader first makes sure that it has not been superseded."""

    SETTINGS: ClassVar[Settings] = STALE_LEADERS

    def has_lease(self, now: Micros) -> bool:
        return True


class ConfirmsByOlderRounds(Mutant):
    """Section 6.4: answers to a round that began before the read confirm nothing."""

    SETTINGS: ClassVar[Settings] = STALE_LEADERS

    def confirmed_round(self) -> int:
        return super().confirmed_round() + 1


class ReadsBelowItsNoOp(Mutant):
    """Section 6.4, step 1: a new leader does not know the commit index before its no-op commits."""

    def begin_round(self, out: Out) -> None:
        self.term_start = 0
        super().begin_round(out)


class CountsLeasesFromAnswers(Mutant):
    """Section 6.4.1: a lease counts from before its round was sent, not from its answers."""

    def on_round(self, out: Out) -> None:
        self.measured_at = out.now
        super().on_round(out)


class LeasesWithoutEnd(Mutant):
    """Section 6.4.1: a lease ends; a paused leader must notice."""

    def has_lease(self, now: Micros) -> bool:
        return self.lease_from is not None


class VotesAgainstTheLeaderItHears(Mutant):
    """Sections 4.2.3 and 6.4.1: leases rest on followers that refuse votes meanwhile."""

    def hears_a_leader(self) -> bool:
        return False


class VotesAtOnceAfterARestart(Mutant):
    """A server that restarts may have promised a leader an election timeout just before."""

    def on_start(self, out: Out) -> None:
        super().on_start(out)
        self.leader_heard = False


class KeepsItsLeaseInATransfer(Mutant):
    """Section 6.4.1: voters do not protect a leader that ordered an election: no lease then."""

    def on_match(self, peer: NodeId, out: Out) -> None:
        super().on_match(peer, out)
        self.lease_given_up = False

    def on_transfer(self, request: Transfer, out: Out) -> None:
        super().on_transfer(request, out)
        self.lease_given_up = False


class BelievesOldAnswers(Mutant):
    """An answer from before a restart must not serve a read of after it."""

    def on_start(self, out: Out) -> None:
        super().on_start(out)
        self.incarnation = 1
