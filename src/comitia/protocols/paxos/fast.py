"""Fast Paxos: in a fast round acceptors vote for what proposers send them, past the coordinator.

Two message delays from a proposal to a choice, where Paxos needs three, at the price of bigger
quorums and of collisions: acceptors that saw different proposals first.  A member is proposer,
coordinator of its own rounds, acceptor and learner.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, Node, NodeId, Out, Request, Timer
from comitia.protocols.paxos.messages import (
    NO_ROUND,
    Chosen,
    Decide,
    Phase1a,
    Phase1b,
    Phase2a,
    Phase2b,
    Proposal,
    Round,
    Value,
)
from comitia.protocols.paxos.picking import (
    Vote,
    chosen,
    fast_majority,
    favourite,
    hopeless,
    pick,
)
from comitia.quorums import Majority, QuorumSystem


class FastPaxos(Node):
    """A member; the first of the voters begins with a fast round."""

    stable: ClassVar[tuple[str, ...]] = ("rnd", "vrnd", "vval", "crnd")
    rnd: Round
    vrnd: Round
    vval: Value | None
    crnd: Round

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        system: QuorumSystem | None = None,
        fast: QuorumSystem | None = None,
        retry_ms: tuple[int, int] = (200, 400),
    ) -> None:
        """`system` has the quorums of classic rounds, the write quorums of `fast` those of fast
        rounds: two of them and any read quorum of `system` must have a member in common.

        By default majorities and, as fast quorums, the fewest votes that satisfy this.
        """
        super().__init__(id)
        self.system = Majority(voters) if system is None else system
        self.fast = fast_majority(voters) if fast is None else fast
        self.first, self.retry_ms = min(voters), retry_ms
        self.rnd = self.vrnd = self.crnd = NO_ROUND
        self.vval = None
        self.open = False  # `Any` was received for `rnd`, which is fast
        self.heard: Value | None = None  # the first proposal that arrived
        self.asked: tuple[Decide, ...] = ()  # who waits for the choice
        self.wish: Value | None = None
        self.phase = 0  # of the coordinator's round `crnd`; 0 after a restart: see Proposer
        self.reports: frozenset[Vote] = frozenset()  # answers to phase 1 of `crnd`
        self.votes: frozenset[Vote] = frozenset()  # all votes heard of, as a learner
        self.chosen: Value | None = None

    def on_start(self, out: Out) -> None:
        if self.vval is not None:
            out.set_timer("retry", after=self.retry_ms)
        elif self.id == self.first and self.crnd == NO_ROUND:
            self.begin(Round(1, self.id, False), out)

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Decide() if self.chosen is not None:
                out.answer(request, self.chosen)
            case Decide(value=value):
                self.asked = (*self.asked, request)
                if value is not None and self.wish is None:
                    self.wish = value
                    out.broadcast(self.system, Proposal(value))
                out.set_timer("retry", after=self.retry_ms)
            case _:
                super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if self.chosen is None:
            count = max(self.crnd, self.rnd).count + 1
            self.begin(Round(count, self.id, True), out)
            out.set_timer("retry", after=self.retry_ms)

    def begin(self, rnd: Round, out: Out) -> None:
        """Phase 1a."""
        assert rnd > self.crnd and rnd.coordinator == self.id, "a round begun twice"
        self.crnd, self.phase, self.reports = rnd, 1, frozenset()
        out.broadcast(self.system, Phase1a(rnd))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Chosen(v):
                self.learn(v, out)
            case Phase1a() | Phase2a() if self.chosen is not None and src != self.id:
                out.send(src, Chosen(self.chosen))
            case Phase1b(rnd, vrnd, vval) if rnd == self.crnd and self.phase == 1:
                self.reports |= {(src, vrnd, vval)}
                if self.system.is_read_quorum({acceptor for acceptor, _, _ in self.reports}):
                    self.propose(self.reports, out)
            case Phase2b(rnd, vval) if self.chosen is None:
                self.votes |= {(src, rnd, vval)}
                self.count(rnd, out)
            case _:
                self.vote(src, message, out)

    def vote(self, src: NodeId, message: Message, out: Out) -> None:
        """The acceptor."""
        match message:
            case Phase1a(rnd) if rnd > self.rnd:
                self.rnd, self.open = rnd, False
                out.send(src, Phase1b(rnd, self.vrnd, self.vval))
            case Phase2a(rnd, None) if rnd >= self.rnd and self.vrnd < rnd:
                assert rnd.fast, "Any in a classic round"
                self.rnd, self.open = rnd, True
                if self.heard is not None:
                    self.cast(self.heard, out)
            case Phase2a(rnd, v) if v is not None and rnd >= self.rnd and self.vrnd < rnd:
                self.rnd = rnd
                self.cast(v, out)
            case Proposal(v):
                self.heard = v if self.heard is None else self.heard
                # At most one vote a round: the first proposal to arrive after `Any`.
                if self.open and self.vrnd < self.rnd:
                    self.cast(v, out)

    def cast(self, v: Value, out: Out) -> None:
        """Phase 2b; every learner and the round's coordinator hear of it."""
        self.vrnd, self.vval, self.open = self.rnd, v, False
        out.broadcast(self.system, Phase2b(self.rnd, v))
        out.set_timer("retry", after=self.retry_ms)

    def propose(self, reports: frozenset[Vote], out: Out) -> None:
        """Phase 2a of `crnd`: what may have been chosen before, or else what is wished."""
        v = pick(reports, self.fast)
        if v is None and self.crnd.classic:  # free
            v = favourite(reports) or self.wish or self.heard
        if v is not None or self.crnd.fast:
            self.phase = 2
            out.broadcast(self.system, Phase2a(self.crnd, v))

    def count(self, rnd: Round, out: Out) -> None:
        """The learner; and the coordinator, who sees a collision in its fast round."""
        cast = frozenset(vote for vote in self.votes if vote[1] == rnd)
        v = chosen(cast, self.fast if rnd.fast else self.system)
        if v is not None:
            self.learn(v, out)
        elif rnd == self.crnd and rnd.fast and self.phase == 2 and self.collided(cast):
            # Coordinated recovery: these votes are the answers to phase 1 of the classic round
            # next to this one, for no acceptor can vote in any round between.
            self.crnd = Round(rnd.count, self.id, True)
            self.propose(cast, out)

    def collided(self, cast: frozenset[Vote]) -> bool:
        """Can nothing be chosen in fast round `crnd`, and have enough acceptors said so?"""
        heard = {acceptor for acceptor, _, _ in cast}
        return self.system.is_read_quorum(heard) and hopeless(self.crnd, cast, self.fast)

    def learn(self, v: Value, out: Out) -> None:
        """`v` is chosen."""
        if self.chosen is None:
            self.chosen = v
            self.reports, self.votes, self.phase = frozenset(), frozenset(), 0
            out.cancel_timer("retry")
            out.deliver(1, v)
            asked, self.asked = self.asked, ()
            for request in asked:
                out.answer(request, v)
