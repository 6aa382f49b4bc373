"""The proposer, who is also the distinguished learner of its ballots (sections 2.2 and 2.3)."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import ZERO, Ballot, Message, Node, NodeId, Out, Request, Timer
from comitia.protocols.paxos.messages import (
    Accept,
    Accepted,
    Chosen,
    Decide,
    Prepare,
    Promise,
    Rejected,
    Value,
)
from comitia.quorums import QuorumSystem

Report = tuple[NodeId, Ballot, Value | None]


class Proposer(Node):
    """Gets one value chosen: its own wish, or the one that may have been chosen before."""

    stable: ClassVar[tuple[str, ...]] = ("n",)  # section 2.5: a number tried is never tried again
    n: Ballot

    def __init__(
        self, id: NodeId, system: QuorumSystem, retry_ms: tuple[int, int] = (100, 200)
    ) -> None:
        super().__init__(id)
        self.system, self.retry_ms = system, retry_ms
        self.n = ZERO
        self.asked: tuple[Decide, ...] = ()  # who waits for the choice
        self.wish: Value | None = None
        self.seen = ZERO  # the highest ballot heard of: the next one tried exceeds it
        # 0 outside a ballot.  After a restart late answers to ballot `n` must count for nothing:
        # its first life may have sent a value with `n` already.
        self.phase = 0
        self.promises: frozenset[Report] = frozenset()
        self.v: Value | None = None  # the value of ballot `n`, once phase 1 is over
        self.votes: frozenset[NodeId] = frozenset()
        self.chosen: Value | None = None

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Decide() if self.chosen is not None:
                out.answer(request, self.chosen)
            case Decide(value=value):
                self.asked = (*self.asked, request)
                self.wish = value if self.wish is None else self.wish
                if self.phase == 0:
                    self.prepare(out)
            case _:
                super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if self.chosen is None:
            self.prepare(out)

    def prepare(self, out: Out) -> None:
        """Phase 1(a), with a ballot greater than any tried or heard of."""
        self.n, self.phase = max(self.n, self.seen).next(self.id), 1
        self.promises, self.v, self.votes = frozenset(), None, frozenset()
        out.broadcast(self.system, Prepare(self.n))
        out.set_timer("retry", after=self.retry_ms)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Chosen(v):
                self.learn(v, out)
            case Promise(n, vbal, val) if n == self.n and self.phase == 1:
                self.promises |= {(src, vbal, val)}
                if self.system.is_read_quorum({acceptor for acceptor, _, _ in self.promises}):
                    self.accept(out)
            case Accepted(n) if n == self.n and self.phase == 2 and self.v is not None:
                self.votes |= {src}  # a set: a repeated answer counts once
                if self.system.is_write_quorum(self.votes):
                    out.broadcast([m for m in self.system if m != self.id], Chosen(self.v))
                    self.learn(self.v, out)
            case Rejected(n, max_bal) if n == self.n:
                self.seen = max(self.seen, max_bal)

    def accept(self, out: Out) -> None:
        """Phase 2(a): the value of the highest-numbered vote reported, or the own wish if none.

        That value may have been chosen: every quorum that chose it meets this one.  Another one
        than the highest may have been overtaken by it.
        """
        _, vbal, val = max(self.promises, key=lambda report: report[1])
        self.v = self.wish if vbal == ZERO else val
        self.promises, self.phase = frozenset(), 2
        if self.v is not None:  # a learner may find that there is nothing to be learnt yet
            out.broadcast(self.system, Accept(self.n, self.v))

    def learn(self, v: Value, out: Out) -> None:
        """`v` is chosen, by a write quorum that was counted here or elsewhere."""
        if self.chosen is None:
            self.chosen = v
            self.promises, self.votes, self.phase = frozenset(), frozenset(), 0
            out.cancel_timer("retry")
            out.deliver(1, v)
            asked, self.asked = self.asked, ()
            for request in asked:
                out.answer(request, v)
