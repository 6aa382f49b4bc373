"""The acceptor (Paxos Made Simple, section 2.2)."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import ZERO, Ballot, Message, Node, NodeId, Out
from comitia.protocols.paxos.messages import Accept, Accepted, Prepare, Promise, Rejected, Value


class Acceptor(Node):
    """Remembers the highest ballot it answered and the highest it accepted."""

    # Section 2.5: an acceptor records its answer before it sends it.  Forgotten, a restart lets
    # it accept below a promise, and two values are chosen.
    stable: ClassVar[tuple[str, ...]] = ("max_bal", "max_vbal", "max_val")
    max_bal: Ballot
    max_vbal: Ballot
    max_val: Value | None

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.max_bal = ZERO
        self.max_vbal = ZERO
        self.max_val = None

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare(n) if n > self.max_bal:  # Phase 1(b)
                self.max_bal = n
                out.send(src, Promise(n, self.max_vbal, self.max_val))
            case Accept(n, v) if n >= self.max_bal:  # Phase 2(b): unless it promised a greater
                assert n > self.max_vbal or v == self.max_val, "two values in one ballot"
                # Accepting promises, too: or an older ballot, prepared elsewhere, could be
                # accepted after this one and be reported as the latest vote.
                self.max_bal = self.max_vbal = n
                self.max_val = v
                out.send(src, Accepted(n))
            case Prepare(n) | Accept(n) if n < self.max_bal:
                out.send(src, Rejected(n, self.max_bal))
