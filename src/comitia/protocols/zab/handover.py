"""Handing over leadership without a timeout.

Not of the papers; ZooKeeper's reconfiguration has a leader that leaves designate its successor.  An
oracle may say whatever it likes (section 2 of DSN 2011), so it may say what the leader says: its
followers skip phase 0 and follow whom it names into phase 1.
"""

from __future__ import annotations

from comitia.kernel import NodeId, Out, Transfer, fired, received
from comitia.protocols.zab.messages import Designate
from comitia.protocols.zab.reconfiguration import Reconfiguration
from comitia.protocols.zab.state import LEADING


class HandOver(Reconfiguration):
    """Naming the next leader."""

    def on_transfer(self, request: Transfer, out: Out) -> None:
        if self.role != LEADING or not self.established:
            out.refuse(request, "this server is not the leader")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over")
        elif request.to == self.id:
            out.answer(request, None)
        elif request.to not in self.configuration.voters:
            out.refuse(request, f"n{request.to} is not a voter")
        else:
            # Nothing is proposed meanwhile, so that the heir can catch up.
            self.transfer = request
            out.set_timer("transfer", after=(self.options.timeout_ms,) * 2)
            self.on_caught_up(request.to, out)

    def on_caught_up(self, peer: NodeId, out: Out) -> None:
        """As soon as the heir has everything it is told to lead."""
        request = self.transfer
        if request is not None and peer == request.to and self.acked_by(peer) == self.history.last:
            self.transfer = None
            out.cancel_timer("transfer")
            out.answer(request, None)
            self.designate(peer, out)

    @fired("transfer")
    def on_transfer_timer(self, out: Out) -> None:
        self.end_transfer("the heir did not catch up in time", out)

    def end_transfer(self, reason: str, out: Out) -> None:
        if self.transfer is not None:
            out.refuse(self.transfer, reason)
            self.transfer = None
            out.cancel_timer("transfer")

    def designate(self, heir: NodeId, out: Out) -> None:
        """Tell everybody, and follow.  The followers are not loyal any more, so there is no lease
        any more either, in this epoch."""
        for peer, _ in self.peers():
            out.send(peer, Designate(self.epoch, heir, self.round))
        if heir == self.id:
            self.lead(out)
        else:
            self.follow(heir, out)

    def renew_epoch(self, out: Out) -> None:
        """A member has accepted a later epoch: only in one that is later still can it take part."""
        self.designate(self.id, out)

    @received(Designate)
    def on_designate(self, src: NodeId, message: Designate, out: Out) -> None:
        if not self.is_from_leader(src, message.epoch):
            return
        self.loyal, self.round = False, message.round
        if message.leader == self.id:
            self.lead(out)
        else:
            self.follow(message.leader, out)
