"""Leader election: section 3.4, with the election restriction (3.6.1), PreVote (9.6), and the rule
that nobody votes against a leader that it hears (4.2.3, 6.4.1).

`leader_heard` says that less than an election timeout may have passed since the leader was heard:
it is set when a new round of the leader arrives and at every start, and cleared by the election
timer alone.  A timer measures how fast time passes, so a clock that jumps cannot shorten it, and a
server that forgot in a crash whom it heard waits a whole timeout again.  Leases rest on this.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import NodeId, Out, fired, received, replace
from comitia.protocols.raft.configuration import Tally
from comitia.protocols.raft.messages import (
    Entry,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
)
from comitia.protocols.raft.progress import Progress
from comitia.protocols.raft.state import CANDIDATE, FOLLOWER, LEADER, PRE_CANDIDATE, State


class Election(State):
    """Who leads."""

    def restart_election_timer(self, out: Out) -> None:
        """Random timeouts make split votes rare (section 3.4)."""
        low = self.options.election_timeout_ms
        out.set_timer("election", after=(low, 2 * low))

    def become_follower(self, term: int, leader: NodeId | None, out: Out) -> None:
        assert term >= self.current_term, (term, self.current_term)
        assert leader != self.id
        if term > self.current_term:
            self.current_term = term
            self.voted_for = None
            self.heard_round = 0
        if self.role == LEADER:
            self.step_down(out)
        self.role = FOLLOWER
        self.leader_id = leader
        if leader is not None:
            self.leader_heard = True
        self.votes = Map()
        self.restart_election_timer(out)

    def step_down(self, out: Out) -> None:
        """Drop what only a leader has.  Whoever waits for it learns nothing: that is unknown."""
        out.cancel_timer("heartbeat")
        out.cancel_timer("quorum")
        self.progress, self.peers = Map(), ()
        self.lease_from = None
        self.reconfigure, self.change_pending = None, False
        self.end_transfer("leadership was lost", out)
        self.drop_confirming("leadership was lost", out)

    def hear(self, round: int, out: Out) -> None:
        """The leader began a new round since it was last heard: it was alive then.

        Older rounds do not count: what was under way for long says nothing of the leader now.
        """
        self.heard_round = round
        self.leader_heard = True
        self.restart_election_timer(out)

    # Section 3.4: a timeout without a leader.

    @fired("election")
    def on_election_timeout(self, out: Out) -> None:
        assert self.role != LEADER
        self.leader_heard = False
        self.leader_id = None
        self.refuse_questions("no leader answers", out)
        if not self.may_stand():
            self.restart_election_timer(out)  # learners and removed servers only wait
        elif self.options.pre_vote:
            self.ask_for_pre_votes(out)
        else:
            self.stand(False, out)

    def ask_for_pre_votes(self, out: Out) -> None:
        """Section 9.6: find out whether an election could be won before disturbing anybody."""
        self.role = PRE_CANDIDATE
        self.votes = Map()
        self.restart_election_timer(out)
        ask = RequestPreVote(self.current_term + 1, self.log.last, self.log[self.log.last].term)
        out.broadcast(self.other_voters(), ask)
        self.count_vote(self.id, True, out)  # this vote promises nothing: no disk is needed

    def stand(self, leader_transfer: bool, out: Out) -> None:
        """Become a candidate in a new term, vote for itself, ask the others."""
        self.current_term += 1
        self.voted_for = self.id
        self.role = CANDIDATE
        self.leader_heard, self.heard_round = False, 0
        self.leader_id = None
        self.votes = Map()
        self.restart_election_timer(out)
        last = self.log.last
        ask = RequestVote(self.current_term, last, self.log[last].term, leader_transfer)
        out.broadcast(self.other_voters(), ask)
        # Its own vote counts when it is durable: else a crash could let it vote twice in the term.
        out.send(self.id, RequestVoteResponse(self.current_term, True))

    def other_voters(self) -> tuple[NodeId, ...]:
        voters = {*self.configuration.voters, *self.configuration.outgoing}
        return tuple(sorted(voters - {self.id}))

    # What voters answer.

    def is_up_to_date(self, last_log_index: int, last_log_term: int) -> bool:
        """Section 3.6.1: the candidate's log is at least as complete as this one."""
        last = self.log.last
        return (last_log_term, last_log_index) >= (self.log[last].term, last)

    def hears_a_leader(self) -> bool:
        """Sections 4.2.3 and 6.4.1: a vote now would depose a leader that may be alive."""
        return self.options.check_quorum and (self.leader_heard or self.role == LEADER)

    @received(RequestPreVote)
    def on_request_pre_vote(self, src: NodeId, message: RequestPreVote, out: Out) -> None:
        if message.term <= self.current_term:
            # Tells a server that slept through a term which one it is.
            out.send(src, RequestPreVoteResponse(self.current_term, False))
            return
        granted = not self.hears_a_leader() and self.is_up_to_date(
            message.last_log_index, message.last_log_term
        )
        term = message.term if granted else self.current_term
        out.send(src, RequestPreVoteResponse(term, granted))

    @received(RequestVote)
    def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None:
        if message.term < self.current_term:
            out.send(src, RequestVoteResponse(self.current_term, False))
            return
        if self.hears_a_leader() and not message.leader_transfer:
            return  # not even the term is taken over, or a removed server could depose the leader
        if message.term > self.current_term:
            self.become_follower(message.term, None, out)
        granted = self.voted_for in (None, src) and self.is_up_to_date(
            message.last_log_index, message.last_log_term
        )
        if granted:
            self.voted_for = src  # on disk before the answer leaves
            self.restart_election_timer(out)
        out.send(src, RequestVoteResponse(self.current_term, granted))

    # What candidates make of the answers.

    @received(RequestPreVoteResponse)
    def on_request_pre_vote_response(
        self, src: NodeId, message: RequestPreVoteResponse, out: Out
    ) -> None:
        if self.role != PRE_CANDIDATE:
            return  # an old answer
        if message.vote_granted:
            if message.term == self.current_term + 1:
                self.count_vote(src, True, out)
        elif message.term > self.current_term:
            self.become_follower(message.term, None, out)
        else:
            self.count_vote(src, False, out)

    @received(RequestVoteResponse)
    def on_request_vote_response(self, src: NodeId, message: RequestVoteResponse, out: Out) -> None:
        if self.role != CANDIDATE:
            return  # an old answer
        if message.term > self.current_term:
            self.become_follower(message.term, None, out)
        elif message.term == self.current_term:
            self.count_vote(src, message.vote_granted, out)

    def count_vote(self, src: NodeId, granted: bool, out: Out) -> None:
        """Distinct members are counted, each by its first answer, not messages."""
        if src in self.votes:
            return
        self.votes = self.votes.set(src, granted)
        votes = self.votes
        tally = self.configuration.tally(
            {voter for voter in votes if votes[voter]},
            {voter for voter in votes if not votes[voter]},
        )
        if tally is Tally.WON:
            if self.role == PRE_CANDIDATE:
                self.stand(False, out)
            else:
                self.become_leader(out)
        elif tally is Tally.LOST:
            self.role, self.votes = FOLLOWER, Map()  # until the election timer fires again

    def become_leader(self, out: Out) -> None:
        """Section 3.4, end; a no-op first, so that the commit index can be known (section 6.4)."""
        assert self.role == CANDIDATE
        self.role = LEADER
        self.leader_id = self.id
        self.votes = Map()
        out.cancel_timer("election")
        next_index = self.log.last + 1
        self.term_start = next_index
        self.peers = tuple(n for n in self.configuration.members() if n != self.id)
        self.progress = Map({n: Progress(next_index) for n in (*self.peers, self.id)})
        self.round = self.measured_round = 0
        self.lease_from, self.lease_given_up = None, False
        self.change_pending = True
        self.append(Entry(self.current_term))
        self.begin_round(out)
        self.on_new_leader(out)
        self.restart_heartbeat_timer(out)
        self.restart_quorum_timer(out)

    def restart_heartbeat_timer(self, out: Out) -> None:
        out.set_timer("heartbeat", after=(self.options.heartbeat_ms,) * 2)

    @fired("heartbeat")
    def on_heartbeat_timeout(self, out: Out) -> None:
        assert self.role == LEADER
        self.begin_round(out)
        self.restart_heartbeat_timer(out)

    # Section 6.2: a leader that reaches no quorum steps down; its clients look elsewhere.

    def restart_quorum_timer(self, out: Out) -> None:
        if self.options.check_quorum:
            out.set_timer("quorum", after=(self.options.election_timeout_ms,) * 2)

    @fired("quorum")
    def on_quorum_timeout(self, out: Out) -> None:
        assert self.role == LEADER
        progress = self.progress
        heard = {self.id} | {peer for peer in self.peers if progress[peer].active}
        silent = set(self.peers) - heard
        if self.configuration.tally(heard, silent) is not Tally.WON:
            self.become_follower(self.current_term, None, out)
            return
        for peer in self.peers:
            self.progress = self.progress.set(peer, replace(progress[peer], active=False))
        self.restart_quorum_timer(out)
