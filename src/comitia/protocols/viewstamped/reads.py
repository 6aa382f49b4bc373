"""Reads that are not run through the log: section 6.3, "fast reads at the primary".

A read may be served from a state that holds everything committed before the read was asked, if the
primary was still primary after that.  Either f backups say so after the question (`reads="index"`),
or they promised earlier: a replica that hears the primary joins no view change for a timeout
(`loyal`), so a primary that f backups answered has a lease from the moment it *sent* that round.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import MAX_READS, Micros, NodeId, Out, Read, fired, received
from comitia.protocols.viewstamped.messages import (
    CommitOk,
    ReadReply,
    ReadRequest,
)
from comitia.protocols.viewstamped.recovery import RecoveryProtocol

Waiting = tuple[int, int, NodeId, Read | ReadRequest]
"""(round that must be confirmed, op-number to execute, who asks, what)."""

ROUNDS = 16  # rounds under way that may still start a lease


class Reads(RecoveryProtocol):
    """Linearizable reads without a log entry."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.round = 0
        self.rounds: tuple[tuple[int, Micros], ...] = ()  # (round, when it was sent)
        self.confirmed: Map[NodeId, int] = Map()
        self.lease_from: Micros | None = None
        self.waiting: tuple[Waiting, ...] = ()
        self.view_start = 0  # ops up to here may have been committed by earlier primaries
        self.round_due = False  # a read waits for a round that has not begun
        self.question_due = False

    def begin_as_primary(self, out: Out) -> None:
        self.rounds, self.confirmed, self.lease_from = (), Map(), None
        self.view_start = self.op_number
        super().begin_as_primary(out)
        self.tell_commit(out)  # start earning a lease

    def on_turn(self, out: Out) -> None:
        """One PREPARE, one round for reads and one question, for all that came in this turn."""
        self.prepare(out)
        if self.round_due and self.is_primary:
            self.tell_commit(out)
        if self.question_due:
            self.send_question(out)

    def next_round(self, out: Out) -> int:
        self.round += 1
        self.round_due = False
        self.rounds = (*self.rounds[1 - ROUNDS :], (self.round, out.now))
        return self.round

    @received(CommitOk)
    def on_commit_ok(self, src: NodeId, message: CommitOk, out: Out) -> None:
        if not self.is_primary or message.view != self.view:
            return
        if message.round > self.confirmed.get(src, 0):
            self.confirmed = self.confirmed.set(src, message.round)
            reached = self.quorum.reached(lambda n: self.confirmed.get(n, 0))
            sent = [when for number, when in self.rounds if number == reached]
            if sent:
                self.lease_from = sent[0]
                self.rounds = tuple(r for r in self.rounds if r[0] > reached)
                self.hear(out)
            self.answer_waiting(reached, out)
        self.note_prepared(src, message.op_number, out)

    def has_lease(self, out: Out) -> bool:
        if self.options.reads != "lease" or self.lease_from is None:
            return False
        lasts_ms = self.options.view_change_timeout_ms - self.options.clock_drift_ms
        return 0 <= out.now - self.lease_from < lasts_ms * 1000

    def on_read(self, request: Read, out: Out) -> None:
        if self.is_full:
            out.refuse(request, "too many reads are waiting")
        elif self.is_primary:
            self.ask_primary(self.id, request, out)
        elif self.leader is None:
            out.refuse(request, "there is no primary at the moment")
        else:
            self.put_question(request)
            self.question_due = True

    @property
    def is_full(self) -> bool:
        return len(self.questions) + len(self.waiting) >= MAX_READS

    def ask_primary(self, who: NodeId, question: Read | ReadRequest, out: Out) -> None:
        op_number = max(self.commit_number, self.view_start)
        if self.has_lease(out):
            self.reply_read(who, question, op_number, out)
        else:
            self.round_due = True
            self.waiting += ((self.round + 1, op_number, who, question),)

    def answer_waiting(self, reached: int, out: Out) -> None:
        waiting, self.waiting = self.waiting, ()
        for item in waiting:
            number, op_number, who, question = item
            if number <= reached:
                self.reply_read(who, question, op_number, out)
            else:
                self.waiting += (item,)

    def reply_read(
        self, who: NodeId, question: Read | ReadRequest, op_number: int, out: Out
    ) -> None:
        if isinstance(question, Read):
            out.answer(question, op_number)
        else:
            out.send(who, ReadReply(question.lifetime, question.sequence, op_number))

    @received(ReadRequest)
    def on_read_request(self, src: NodeId, message: ReadRequest, out: Out) -> None:
        if self.is_primary and message.view == self.view and not self.is_full:
            self.ask_primary(src, message, out)

    @received(ReadReply)
    def on_read_reply(self, src: NodeId, message: ReadReply, out: Out) -> None:
        if message.lifetime != self.lifetime:
            return
        self.answer_questions(message.sequence, message.op_number, out)

    @fired("question")
    def send_question(self, out: Out) -> None:
        """The last question stands for all before it; it or its answer may be lost.

        It is repeated by time, never because of a COMMIT: where a question begins a round, and a
        round is a COMMIT, each would call for the other without end.
        """
        self.question_due = False
        if self.questions and self.leader is not None:
            out.send(self.leader, ReadRequest(self.view, self.lifetime, self.sequence))
            out.set_timer("question", after=(self.options.commit_ms, 2 * self.options.commit_ms))

    def drop_reads(self, reason: str, out: Out) -> None:
        for _, _, _, question in self.waiting:
            if isinstance(question, Read):
                out.refuse(question, reason)
        self.waiting = ()
        self.refuse_questions(reason, out)
        out.cancel_timer("question")
