"""Recovery: section 4.3, for a replica that keeps its log in memory only.

The paper lets such a replica keep nothing on disk at all.  That is known to be wrong (Michael,
Ports, Sharma, Szekeres, "Recovering Shared Objects Without Stable Storage", 2017): it may have
promised, by a DOVIEWCHANGE, to leave a view, forget that, and recover into that very view.  So here
the view is on disk, and a replica recovers only into a view that is not older.  (The nonce is
`lifetime`, which is on disk too.)
"""

from __future__ import annotations

from typing import ClassVar

from immutables import Map

from comitia.kernel import NodeId, Out, received
from comitia.protocols.viewstamped.messages import Op, Recovery, RecoveryResponse, View
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING
from comitia.protocols.viewstamped.state_transfer import StateTransfer


class RecoveryProtocol(StateTransfer):
    """Getting a lost log back from the others."""

    keeps_log: ClassVar[bool] = True

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.responses: Map[NodeId, RecoveryResponse] = Map()
        self.recover_into: View | None = None
        self.recover_until = 0

    def recover(self, out: Out) -> None:
        """Step 1.  Until this ends the replica answers nobody and joins no view change."""
        self.status = RECOVERING
        self.send_recovery(out)

    def send_recovery(self, out: Out) -> None:
        again = 2 * self.options.commit_ms
        out.set_timer("resend", after=(again, again))
        if self.recover_into is not None:
            self.ask_for_state(self.primary_of(self.recover_into), out)
        self.responses = Map()
        out.broadcast(self.others, Recovery(self.view, self.lifetime))

    @received(Recovery)
    def on_recovery(self, src: NodeId, message: Recovery, out: Out) -> None:
        """Step 2: only a normal replica answers."""
        if self.is_primary and message.view > self.view:
            # It promised to leave this view and cannot come back: let there be a later one.
            self.start_view_change(message.view, self.view, out)
        elif self.status == NORMAL:
            op_number = self.op_number if self.is_primary else -1
            out.send(src, RecoveryResponse(self.view, message.nonce, op_number))

    @received(RecoveryResponse)
    def on_recovery_response(self, src: NodeId, message: RecoveryResponse, out: Out) -> None:
        """Step 3: f + 1 answers, among them the primary's of the latest view in them."""
        if self.status != RECOVERING or message.nonce != self.lifetime:
            return
        self.responses = self.responses.set(src, message)
        if not self.quorum.is_write_quorum(frozenset(self.responses.keys())):
            return
        latest = max(response.view for response in self.responses.values())
        primary = self.responses.get(self.primary_of(latest))
        if primary and primary.view == latest and primary.op_number >= 0 and latest >= self.view:
            self.recover_into, self.recover_until = latest, primary.op_number
            self.view = latest
            self.asked = False
            self.ask_for_state(self.primary_of(latest), out)

    def follow(self, view: View, base: int, ops: tuple[Op, ...], src: NodeId, out: Out) -> None:
        super().follow(view, base, ops, src, out)
        self.recover_into = None

    def may_take_state(self, view: View) -> bool:
        """In a later epoch this replica promised nothing; what is committed leads there."""
        if self.recover_into is not None:
            return view >= self.recover_into
        return view.epoch > self.group.epoch

    def holds_enough(self, view: View, op_number: int) -> bool:
        """Does the log of `view` up to `op_number` hold all that this replica may have promised?

        In the primary's view: all that the primary had when it answered, since what this replica
        acknowledged came from there.  A later view was formed by others and holds all they need.
        """
        assert self.recover_into is not None
        return view > self.recover_into or op_number >= self.recover_until
