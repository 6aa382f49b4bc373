"""A ZAB server: its phases put together, and what starts it."""

from __future__ import annotations

from typing import ClassVar

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
from comitia.protocols.zab import messages as m
from comitia.protocols.zab.compaction import Compaction
from comitia.protocols.zab.state import LEADING


class ZabServer(Compaction):
    """One server of the ensemble."""

    def on_start(self, out: Out) -> None:
        """Everything volatile follows from what is on disk; then phase 0."""
        self.incarnation += 1
        self.committed = self.snapshot.slot
        self.configuration = self.snapshot.configuration
        self.adopt_configurations(self.snapshot.slot)
        self.hear(out)
        if self.accepted_epoch == 0:  # nobody was ever promised anything
            self.loyal = False
        self.look(out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        getattr(self, self.HANDLERS[type(message)])(src, message, out)

    def on_request(self, request: Request, out: Out) -> None:
        if route := self.REQUESTS.get(type(request)):
            getattr(self, route)(request, out)
        else:
            super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        getattr(self, f"on_{timer}_timer")(out)

    def on_turn(self, out: Out) -> None:
        if self.role == LEADING and self.discovered:
            self.begin_wanted_round(out)
            self.replicate(out)

    REQUESTS: ClassVar[dict[type[Request], str]] = {
        Propose: "on_propose",
        Read: "on_read",
        Compact: "on_compact",
        Reconfigure: "on_reconfigure",
        Transfer: "on_transfer",
    }
    HANDLERS: ClassVar[dict[type[Message], str]] = {
        m.Notification: "on_notification",
        m.CEpoch: "on_cepoch",
        m.NewEpoch: "on_new_epoch",
        m.AckE: "on_ack_e",
        m.SyncPoint: "on_sync_point",
        m.Trunc: "on_trunc",
        m.Diff: "on_diff",
        m.Snap: "on_snap",
        m.Got: "on_got",
        m.NewLeader: "on_new_leader",
        m.AckLd: "on_ack_ld",
        m.CommitLd: "on_commit",
        m.Proposal: "on_proposal",
        m.Ack: "on_ack",
        m.Commit: "on_commit",
        m.Ping: "on_ping",
        m.Designate: "on_designate",
        m.Sync: "on_sync",
        m.Synced: "on_synced",
    }
