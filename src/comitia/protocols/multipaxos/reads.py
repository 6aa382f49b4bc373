"""Reads without a slot: the section on read-only commands, and Paxos Made Live, section 5.2.

A read may be served from a state that holds everything decided before it was asked, if the leader
was still the leader after that.  Either a majority says so when asked in a *round* that began after
the read, or it said so in advance: acceptors that hear the leader promise nothing to others for
`lease_ms`, counted from receipt, so a leader whose round a majority has answered counts from before
it sent that round, and stops `clock_drift_ms` earlier.

A leader is *settled* when it has performed everything that earlier leaders can have had decided:
all that its scouts reported, and the scouts have heard a majority of every configuration in
question.  Before that it serves no read.
"""

from __future__ import annotations

from comitia.kernel import MAX_READS, Micros, NodeId, Out, Read, Record, fired, received
from comitia.protocols.multipaxos.commander import Leader
from comitia.protocols.multipaxos.messages import Configuration, ReadReply, ReadRequest


class Confirming(Record):
    """A question that may be answered once a majority has answered `round`."""

    round: int
    asker: NodeId
    question: Read | ReadRequest


class Reads(Leader):
    """When a read may be served."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.settled = False
        self.lease_round = 0  # the round that will give a lease; 0: none is measured
        self.lease_sent: Micros = 0  # when it began
        self.lease_from: Micros | None = None
        self.lease_given_up = False
        self.confirming: tuple[Confirming, ...] = ()
        self.sequence_sent = 0
        self.asked_of: NodeId | None = None

    # The leader.

    def begin_lease(self, out: Out) -> None:
        """A new ballot, or who has to agree has changed: no lease yet."""
        self.settled = False
        self.lease_given_up = False
        self.forget_lease()

    def forget_lease(self) -> None:
        self.lease_round, self.lease_from = 0, None

    def measure_lease(self, out: Out) -> None:
        """A round begins, from which a lease may be counted."""
        if self.lease_round == 0:
            self.lease_round, self.lease_sent = self.round, out.now

    def confirmed_round(self) -> int:
        """Return the last round that a majority of every configuration has answered."""
        return min(map(self.round_of, self.configurations))

    def round_of(self, configuration: Configuration) -> int:
        return configuration.quorum.reached(lambda voter: self.heard.get(voter, 0))

    def on_round(self, out: Out) -> None:
        """Somebody has answered a later round."""
        if not self.lease_round and not self.confirming:
            return
        confirmed = self.confirmed_round()
        if 0 < self.lease_round <= confirmed:
            self.lease_from, self.lease_round = self.lease_sent, 0
            self.hear(self.id, out)
        if self.confirming and self.settled:
            self.serve_confirmed(confirmed, out)

    def serve_confirmed(self, confirmed: int, out: Out) -> None:
        ready = [c for c in self.confirming if c.round <= confirmed]
        self.confirming = tuple(c for c in self.confirming if c.round > confirmed)
        for each in ready:
            self.serve(each.asker, each.question, out)

    def has_lease(self, out: Out) -> bool:
        if self.options.reads != "lease" or self.lease_from is None or self.lease_given_up:
            return False
        lasts_ms = self.options.lease_ms - self.options.clock_drift_ms
        return 0 <= out.now - self.lease_from < lasts_ms * 1000

    def settle(self, out: Out) -> None:
        """Does this leader know of everything that was decided before its ballot?"""
        self.settled = self.performed >= max(self.ahead, self.pmax_last) and all(
            map(self.has_promised, self.configurations)
        )
        if self.settled and self.confirming:
            self.serve_confirmed(self.confirmed_round(), out)

    def confirm(self, asker: NodeId, question: Read | ReadRequest, out: Out) -> None:
        if self.settled and self.has_lease(out):
            self.serve(asker, question, out)
        else:
            self.confirming += (Confirming(self.round + 1, asker, question),)

    def serve(self, asker: NodeId, question: Read | ReadRequest, out: Out) -> None:
        if isinstance(question, Read):
            out.answer(question, self.performed)
        else:
            out.send(asker, ReadReply(question.lifetime, question.sequence, self.performed))

    def end_of_turn(self, out: Out) -> None:
        """One round for all questions of this turn."""
        if not self.settled:
            self.settle(out)
        if self.confirming and self.confirming[-1].round > self.round:
            self.begin_round(out)
        super().end_of_turn(out)

    def drop_confirming(self, reason: str, out: Out) -> None:
        """Those who asked from elsewhere ask the next leader by themselves."""
        waiting, self.confirming = self.confirming, ()
        for each in waiting:
            if isinstance(each.question, Read):
                out.refuse(each.question, reason)

    @received(ReadRequest)
    def on_read_request(self, src: NodeId, message: ReadRequest, out: Out) -> None:
        repeated = any(c.question == message and c.asker == src for c in self.confirming)
        if self.active and not repeated and len(self.confirming) < MAX_READS:
            self.confirm(src, message, out)

    # Everybody.

    def on_read(self, request: Read, out: Out) -> None:
        if len(self.questions) + len(self.confirming) >= MAX_READS:
            out.refuse(request, "too many reads are waiting")
        elif self.active:
            self.confirm(self.id, request, out)
        else:
            self.put_question(request)

    def ask_leader(self, out: Out) -> None:
        """The end of another member's turn: one question for all its reads, of whoever leads."""
        leader = self.leader
        if leader is None or not self.questions:
            return
        if self.sequence > self.sequence_sent or leader != self.asked_of:
            self.sequence_sent, self.asked_of = self.sequence, leader
            out.send(leader, ReadRequest(self.lifetime, self.sequence))
            out.set_timer("reads", after=(2 * self.options.heartbeat_ms,) * 2)

    @fired("reads")
    def on_reads_timer(self, out: Out) -> None:
        """A question or its answer was lost: ask again at the end of this turn."""
        self.asked_of = None

    def adopted(self, out: Out) -> None:
        super().adopted(out)
        for request in self.take_questions():
            self.confirm(self.id, request, out)

    @received(ReadReply)
    def on_read_reply(self, src: NodeId, message: ReadReply, out: Out) -> None:
        if message.lifetime != self.lifetime:
            return  # asked by the process that ran here before
        self.answer_questions(message.sequence, message.slot, out)
