"""One member: its roles put together, and what happens when."""

from __future__ import annotations

from typing import Final

from comitia.kernel import (
    Compact,
    Message,
    NodeId,
    Out,
    Propose,
    Read,
    Reconfigure,
    Request,
    Timer,
    Transfer,
)
from comitia.protocols.multipaxos import messages as m
from comitia.protocols.multipaxos.membership import Membership

ROUTES: Final[dict[type, str]] = {
    m.P1a: "on_p1a",
    m.P1b: "on_p1b",
    m.Preempted: "on_preempted",
    m.P2a: "on_p2a",
    m.P2b: "on_p2b",
    m.Decision: "on_decision",
    m.Heard: "on_heard",
    m.CatchUp: "on_catch_up",
    m.Decisions: "on_decisions",
    m.InstallSnapshot: "on_install_snapshot",
    m.TakeOver: "on_take_over",
    m.Inherit: "on_inherit",
    m.Inherited: "on_inherited",
    m.ReadRequest: "on_read_request",
    m.ReadReply: "on_read_reply",
    Propose: "on_propose",
    Read: "on_read",
    Compact: "on_compact",
    Reconfigure: "on_reconfigure",
    Transfer: "on_transfer",
}


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

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        getattr(self, ROUTES[type(message)])(src, message, out)

    def on_request(self, request: Request, out: Out) -> None:
        if route := ROUTES.get(type(request)):
            getattr(self, route)(request, out)
        else:
            super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        getattr(self, f"on_{timer}_timer")(out)

    def on_turn(self, out: Out) -> None:
        if self.active:
            self.end_of_turn(out)
        else:
            self.ask_leader(out)
