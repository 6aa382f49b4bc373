"""Linearizable reads without a transaction.

ZooKeeper's reads are local and may be old; its `sync` goes through the leader's queue.  Here a read
asks the leader what must be applied (`Sync`), and the leader answers when it is certain that it led
after the question: by a round of pings that a quorum answers, or by a lease.

**Lease.**  A round began at `t` on the leader's clock.  Each follower of the quorum that answered
heard it after `t` and accepts no other leader's epoch for `timeout_ms` after that (`loyal`); so
nobody else can be established before `t + timeout_ms`, and this leader answers alone until
`clock_drift_ms` before that.  Assumed of clocks: while one member counts a timeout, another's
differs by at most `clock_drift_ms`; they go on while a process is paused; they do not go back.
With `reads="index"` nothing is assumed.
"""

from __future__ import annotations

from typing import Final

from comitia.kernel import MAX_READS, NodeId, Out, Read, fired, received, replace
from comitia.protocols.zab.broadcast import Broadcast
from comitia.protocols.zab.messages import Sync, Synced
from comitia.protocols.zab.state import LEADING, Waiting

ROUNDS: Final = 16
"""Rounds under way that may still start a lease."""


class Reads(Broadcast):
    """When a read may be served."""

    def begin_round(self, out: Out) -> None:
        """Ping everybody who has acknowledged the leader.

        Early: a ping says nothing of this server's disk.
        """
        self.ping_round += 1
        self.rounds = (*self.rounds[1 - ROUNDS :], (self.ping_round, out.now))
        for peer, learner in self.peers():
            if learner.acked >= 0:
                if learner.complained:
                    learner = replace(learner, complained=False)
                    self.learners = self.learners.set(peer, learner)
                out.send_early(peer, self.ping_of(learner))
        self.on_round(out)  # alone in the ensemble, the leader is a quorum

    def answered_by(self, voter: NodeId) -> int:
        if voter == self.id:
            return self.ping_round
        learner = self.learners.get(voter)
        return 0 if learner is None else learner.round

    def on_round(self, out: Out) -> None:
        if not self.rounds and not self.waiting:
            return
        reached = self.configuration.reached(self.answered_by)
        if self.rounds and self.rounds[0][0] <= reached:
            self.lease_from = max(when for number, when in self.rounds if number <= reached)
            self.rounds = tuple(item for item in self.rounds if item[0] > reached)
        if self.waiting and self.waiting[0].round <= reached:
            waiting, self.waiting = self.waiting, ()
            self.waiting = tuple(w for w in waiting if w.round > reached)
            for item in waiting[: len(waiting) - len(self.waiting)]:
                self.serve(item.who, item.question, item.slot, out)

    def has_lease(self, out: Out) -> bool:
        if self.options.reads != "lease" or self.lease_from is None or self.transfer is not None:
            return False
        lasts_ms = self.options.timeout_ms - self.options.clock_drift_ms
        return 0 <= out.now - self.lease_from < lasts_ms * 1000

    def on_read(self, request: Read, out: Out) -> None:
        leader = self.leader
        if leader is None:
            out.refuse(request, "there is no leader at the moment")
        elif len(self.questions) + len(self.waiting) >= MAX_READS:
            out.refuse(request, "too many reads are waiting")
        elif leader == self.id:
            self.confirm(self.id, request, out)
        else:
            self.put_question(request)
            self.ask(leader, out)

    def confirm(self, who: NodeId, question: Read | Sync, out: Out) -> None:
        """An established leader knows what is committed: the history it began with is."""
        slot = self.committed
        if self.has_lease(out):
            self.serve(who, question, slot, out)
        else:
            # The round that begins at the end of this turn is for all questions of the turn.
            self.waiting = (*self.waiting, Waiting(self.ping_round + 1, slot, who, question))

    def begin_wanted_round(self, out: Out) -> None:
        """The end of a leader's turn: ask for what the questions of this turn wait for."""
        if self.waiting and self.waiting[-1].round > self.ping_round:
            self.begin_round(out)

    def serve(self, who: NodeId, question: Read | Sync, slot: int, out: Out) -> None:
        if isinstance(question, Read):
            out.answer(question, slot)
        else:
            out.send(who, Synced(question.incarnation, question.sequence, slot))

    @received(Sync)
    def on_sync(self, src: NodeId, message: Sync, out: Out) -> None:
        ready = self.role == LEADING and self.established and len(self.waiting) < MAX_READS
        if ready and src in self.configuration.members():
            self.confirm(src, message, out)

    @received(Synced)
    def on_synced(self, src: NodeId, message: Synced, out: Out) -> None:
        if message.incarnation != self.incarnation:
            return
        self.answer_questions(message.sequence, message.slot, out)

    def ask(self, leader: NodeId, out: Out) -> None:
        """One question for all reads that wait here."""
        out.send(leader, Sync(self.incarnation, self.sequence))
        out.set_timer("ask", after=(2 * self.options.ping_ms,) * 2)

    @fired("ask")
    def on_ask_timer(self, out: Out) -> None:
        """The question or its answer may be lost."""
        if self.questions and self.leader is not None:
            self.ask(self.leader, out)

    def drop_reads(self, reason: str, out: Out) -> None:
        for item in self.waiting:
            if isinstance(item.question, Read):
                out.refuse(item.question, reason)
        self.waiting = ()
        self.refuse_questions(reason, out)
