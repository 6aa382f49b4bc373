"""Paxos Commit (Gray and Lamport, "Consensus on Transaction Commit", 2006).

One instance of Paxos for each resource manager decides whether that one is prepared; ballot 0 is
the manager's own.  Any leader can finish the others, so nobody waits for a dead one.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import ZERO, Ballot, Message, Node, NodeId, Out, Request, Table, Timer
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    PREPARED,
    Abort,
    Begin,
    Commit,
    Inquire,
    Phase1a,
    Phase1b,
    Phase2a,
    Phase2b,
    Prepare,
)
from comitia.protocols.commit.two_phase import ResourceManager
from comitia.quorums import QuorumSystem

Vote = tuple[NodeId, Ballot, str]


class Participant(ResourceManager):
    """A resource manager: proposes its own state in ballot 0 of its own instance."""

    def __init__(self, id: NodeId, leader: NodeId, system: QuorumSystem, willing: bool = True):
        super().__init__(id, leader, willing)
        self.system = system

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare() if self.state in ("working", PREPARED):
                # Even a refusal waits for the decision, which it makes certain.
                self.state = PREPARED if self.willing else ABORTED
                out.broadcast(self.system, Phase2a(self.id, ZERO, self.state))
            case _:
                super().on_message(src, message, out)


class Acceptor(Node):
    """Votes in every instance; one promise covers them all."""

    stable: ClassVar[tuple[str, ...]] = ("bal", "votes")
    bal: Ballot
    votes: Table[NodeId, Vote]

    def __init__(self, id: NodeId, leaders: tuple[NodeId, ...]) -> None:
        super().__init__(id)
        self.leaders = leaders
        self.bal = ZERO
        self.votes = Table()

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Phase1a(bal) if bal > self.bal:
                self.bal = bal
                out.send(src, Phase1b(bal, tuple(vote for _, vote in self.votes.items())))
            case Phase2a(ins, bal, val) if bal >= self.bal:
                self.bal = bal
                self.votes = self.votes.set(ins, (ins, bal, val))
                out.broadcast(self.leaders, Phase2b(ins, bal, val))


class Leader(Node):
    """Learns every instance; takes over in a ballot of its own when that takes too long."""

    stable: ClassVar[tuple[str, ...]] = ("bal",)
    bal: Ballot

    def __init__(
        self,
        id: NodeId,
        managers: tuple[NodeId, ...],
        system: QuorumSystem,
        patience_ms: tuple[int, int] = (1000, 2000),
    ) -> None:
        super().__init__(id)
        self.managers, self.system, self.patience_ms = managers, system, patience_ms
        self.bal = ZERO
        self.phase = 0
        self.reports: frozenset[tuple[NodeId, tuple[Vote, ...]]] = frozenset()
        self.heard: frozenset[tuple[NodeId, Vote]] = frozenset()
        self.outcome = ""
        self.asked: Request | None = None

    def on_start(self, out: Out) -> None:
        out.set_timer("patience", after=self.patience_ms)

    def on_request(self, request: Request, out: Out) -> None:
        if isinstance(request, Begin):
            self.asked = request
            out.broadcast(self.managers, Prepare())
        else:
            super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if not self.outcome:
            self.bal, self.phase, self.reports = self.bal.next(self.id), 1, frozenset()
            out.broadcast(self.system, Phase1a(self.bal))
            out.set_timer("patience", after=self.patience_ms)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Phase1b(bal, votes) if bal == self.bal and self.phase == 1:
                self.reports |= {(src, votes)}
                if self.system.is_read_quorum({node for node, _ in self.reports}):
                    self.phase = 2
                    for ins in self.managers:
                        out.broadcast(self.system, Phase2a(ins, bal, self.pick(ins)))
            case Phase2b(ins, bal, val) if not self.outcome:
                self.heard |= {(src, (ins, bal, val))}
                self.learn(out)
            case Inquire() if self.outcome:
                out.send(src, Commit() if self.outcome == COMMITTED else Abort())

    def pick(self, ins: NodeId) -> str:
        """The value that instance `ins` may have chosen; aborted when it has chosen none."""
        votes = [vote for _, votes in self.reports for vote in votes if vote[0] == ins]
        return max(votes, key=lambda vote: vote[1])[2] if votes else ABORTED

    def learn(self, out: Out) -> None:
        """The transaction commits when every instance has chosen prepared."""
        chosen = {
            vote[0]: vote[2]
            for _, vote in self.heard
            if self.system.is_write_quorum({node for node, other in self.heard if other == vote})
        }
        if ABORTED in chosen.values():
            self.decide(ABORTED, out)
        elif len(chosen) == len(self.managers):
            self.decide(COMMITTED, out)

    def decide(self, outcome: str, out: Out) -> None:
        """Known for good: any other leader learns the same."""
        self.outcome, self.heard, self.reports = outcome, frozenset(), frozenset()
        out.cancel_timer("patience")
        out.broadcast(self.managers, Commit() if outcome == COMMITTED else Abort())
        if self.asked is not None:
            out.answer(self.asked, outcome)
            self.asked = None
