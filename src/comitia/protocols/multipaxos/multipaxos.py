"""One member: its roles put together, and what happens when."""

from __future__ import annotations

from comitia.kernel import NodeId, Out
from comitia.protocols.multipaxos.membership import Membership


class MultiPaxos(Membership):
    """An acceptor, a replica and a leader in one process (PMMC, the section on colocation)."""

    @property
    def leader(self) -> NodeId | None:
        if self.active:
            return self.id
        return self.lease_holder if self.lease_holder != self.id else None

    def on_start(self, out: Out) -> None:
        self.lifetime += 1
        self.wake_replica(out)
        self.wake_acceptor(out)

    def on_turn(self, out: Out) -> None:
        if self.active:
            self.end_of_turn(out)
        else:
            self.ask_leader(out)
