"""Read-only queries: section 6.4, by rounds of heartbeats, and 6.4.1, by leases.

A read may be served when the machine has applied `read_index`, provided that its leader was still
the leader after the read was asked.  `read_index` is the commit index, or this term's no-op when
that is not committed yet: everything that was ever acknowledged stands before it in the log.

**Lease.**  A round of heartbeats began at `t` on the leader's clock.  Each follower of the quorum
that answered heard it after `t`, and votes for nobody until its election timer, restarted then,
fires: not within `election_timeout_ms` (see `election.py`).  So no other leader can be elected
before `t + election_timeout_ms`, and this one answers alone until `clock_drift_ms` before that.

What is assumed of `out.now`: while one member counts an election timeout, another's clock differs
by at most `clock_drift_ms`; it goes on while the process is paused or the machine sleeps; and it
does not go back (CLOCK_BOOTTIME, where the system has it).  A forward jump only ends the lease.  A
jump back to before the lease began ends it too; one within the lease cannot be noticed: that is the
assumption.  Timers may fire late, not early by more than the drift.  With `reads="index"` nothing
at all is assumed of clocks.
"""

from __future__ import annotations

from comitia.kernel import MAX_READS, Micros, NodeId, Out, Read, fired, received
from comitia.protocols.raft.messages import ReadIndex, ReadIndexResponse
from comitia.protocols.raft.state import LEADER, Asked, Confirming, State


class Reads(State):
    """When a read may be served."""

    def on_read(self, request: Read, out: Out) -> None:
        if self.is_full():
            out.refuse(request, "too many reads are waiting")
        elif self.role == LEADER:
            self.confirm(request, out)
        else:
            self.put_question(request)

    def is_full(self) -> bool:
        return len(self.questions) + len(self.confirming) >= MAX_READS

    # The leader.

    def confirm(self, question: Read | Asked, out: Out) -> None:
        """Answer `question` at once under a lease, else when a quorum has answered a new round."""
        read_index = max(self.commit_index, self.term_start)
        if self.has_lease(out.now):
            self.serve(question, read_index, out)
        else:
            # A round that begins from now on confirms it: one for all questions of this turn
            # begins at its end.
            self.confirming = (
                *self.confirming,
                Confirming(self.round + 1, read_index, question),
            )

    def begin_wanted_round(self, out: Out) -> None:
        """The end of a leader's turn: ask for what the questions of this turn wait for."""
        if self.confirming and self.confirming[-1].round > self.round:
            self.begin_round(out)

    def confirmed_round(self) -> int:
        """Return the latest round that a quorum has answered, the leader with them."""
        progress, own, latest = self.progress, self.id, self.round
        return self.configuration.reached(
            lambda voter: latest if voter == own else progress[voter].round
        )

    def on_round(self, out: Out) -> None:
        waiting = self.confirming
        if not waiting and (self.measured_round == 0 or self.options.reads != "lease"):
            return
        confirmed = self.confirmed_round()
        if 0 < self.measured_round <= confirmed:
            self.lease_from, self.measured_round = self.measured_at, 0
        if waiting and waiting[0].round <= confirmed:
            self.confirming = tuple(c for c in waiting if c.round > confirmed)
            for served in waiting[: len(waiting) - len(self.confirming)]:
                self.serve(served.question, served.read_index, out)

    def serve(self, question: Read | Asked, read_index: int, out: Out) -> None:
        if isinstance(question, Read):
            out.answer(question, read_index)
        else:
            answer = ReadIndexResponse(question.incarnation, question.sequence, read_index)
            out.send(question.src, answer)

    def drop_confirming(self, reason: str, out: Out) -> None:
        """Local readers are told; members ask the next leader by themselves."""
        waiting, self.confirming = self.confirming, ()
        for dropped in waiting:
            if isinstance(dropped.question, Read):
                out.refuse(dropped.question, reason)

    @received(ReadIndex)
    def on_read_index(self, src: NodeId, message: ReadIndex, out: Out) -> None:
        # One that finds no room is asked again later.
        if self.role == LEADER and message.term == self.current_term and not self.is_full():
            self.confirm(Asked(src, message.incarnation, message.sequence), out)

    # Leases.

    def measure_lease(self, out: Out) -> None:
        """A round begins: if none is being measured, this one is, from before it is sent."""
        if self.options.reads == "lease" and self.measured_round == 0:
            self.measured_round, self.measured_at = self.round, out.now

    def has_lease(self, now: Micros) -> bool:
        """May this leader answer reads alone at `now`, on its own clock?"""
        if self.lease_from is None or self.lease_given_up:
            return False
        length_ms = self.options.election_timeout_ms - self.options.clock_drift_ms
        return 0 <= now - self.lease_from < length_ms * 1000

    # The others.

    def ask(self, out: Out) -> None:
        """The end of a turn: one question for all reads of the turn."""
        if self.sequence > self.sequence_sent and self.leader_id is not None:
            self.sequence_sent = self.sequence
            question = ReadIndex(self.current_term, self.incarnation, self.sequence)
            out.send(self.leader_id, question)
            out.set_timer("ask", after=(2 * self.options.heartbeat_ms,) * 2)

    @fired("ask")
    def on_ask_timeout(self, out: Out) -> None:
        """A question or its answer may be lost: this turn repeats what is not answered."""
        if self.questions:
            self.sequence_sent = self.questions[0][0] - 1

    def on_new_leader(self, out: Out) -> None:
        if self.role == LEADER:
            for read in self.take_questions():
                self.confirm(read, out)
        else:
            self.on_ask_timeout(out)

    @received(ReadIndexResponse)
    def on_read_index_response(self, src: NodeId, message: ReadIndexResponse, out: Out) -> None:
        if message.incarnation != self.incarnation:
            return
        self.answer_questions(message.sequence, message.read_index, out)
