"""One replica: what starts it, and which section handles what."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, NodeId, Out, Propose, fired
from comitia.protocols.viewstamped import messages as m
from comitia.protocols.viewstamped.reconfiguration import Reconfiguration
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING, STATE_TRANSFER, VIEW_CHANGE


class ViewstampedReplica(Reconfiguration):
    """Viewstamped Replication Revisited, with everything on disk."""

    def on_start(self, out: Out) -> None:
        self.lifetime += 1
        self.commit_number = self.executed = self.checkpoint.op_number
        if self.keeps_log:
            # A group begins when its RECONFIGURATION is committed: that much is known to be.
            self.execute(max(self.commit_number, self.group.since), out)
        elif self.group.epoch:  # the groups in between come back with the log
            self.groups = (self.checkpoint.group, self.group)
        if not self.is_member:
            self.status = NORMAL if self.view == self.last_normal_view else STATE_TRANSFER
            if self.group.epoch:
                out.set_timer("hand-on", after=self.timeout())
            return
        self.hear(out)  # whom this replica heard before it crashed it has forgotten: be loyal
        if self.lifetime > 1 and not self.keeps_log:
            self.recover(out)
        elif self.view != self.last_normal_view:
            self.start_view_change(self.view, None, out)
            self.loyal = False
        elif self.primary_of(self.view) != self.id:
            self.status = NORMAL
        elif self.lifetime == 1:
            self.begin_as_primary(out)
        else:  # its PREPAREs may have gone further than its disk: never again in this view
            self.start_view_change(self.next_view(), self.view, out)

    def leave_normal(self, reason: str, out: Out) -> None:
        """Drop what only this view's primary or a normal replica may have."""
        self.drop_reads(reason, out)
        self.end_reconfigure(reason, out)
        for op in self.proposed:
            if op.value:
                out.refuse(Propose(op.value), reason)
        self.proposed = ()
        self.asked = False
        out.cancel_timer("commit")

    @fired("resend")
    def on_resend_timer(self, out: Out) -> None:
        if self.status == VIEW_CHANGE:
            self.send_view_change(out)
        elif self.status == RECOVERING:
            self.send_recovery(out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        view: m.View | None = getattr(message, "view", None)
        if view is not None and not isinstance(message, self.ANY_EPOCH):
            if view.epoch > self.group.epoch:  # section 7.1: only state transfer leads there
                self.ask_for_state(src, out)
                return
            if view.epoch < self.group.epoch:
                out.send(src, m.StartEpoch(self.group))
                return
        if self.status == RECOVERING and not isinstance(message, self.WHILE_RECOVERING):
            return
        if view is None or not isinstance(message, self.NEWS) or self.follows(src, view, out):
            super().on_message(src, message, out)

    def follows(self, src: NodeId, view: m.View, out: Out) -> bool:
        """Section 4.1: a replica handles only what is of its own view; if behind, it catches up."""
        if view == self.view and self.status == NORMAL:
            return True
        if view > self.view or (view == self.view and self.status == VIEW_CHANGE):
            self.transfer_to(view, src, out)
        elif view == self.view:
            assert self.status == STATE_TRANSFER, self.status
            self.ask_for_state(src, out)
        return False

    NEWS: ClassVar[tuple[type[Message], ...]] = (m.Prepare, m.Commit)
    ANY_EPOCH: ClassVar[tuple[type[Message], ...]] = (m.GetState, m.NewState, m.CommittedState)
    WHILE_RECOVERING: ClassVar[tuple[type[Message], ...]] = (
        m.RecoveryResponse,
        m.NewState,
        m.CommittedState,
        m.InstallCheckpoint,
        m.StartEpoch,  # in an epoch that is over nobody answers
    )


class InMemoryReplica(ViewstampedReplica):
    """Keeps the log in memory and only the view on disk; a restart recovers from the others.

    A crash of more than f replicas at once loses the log, as the paper says.
    """

    stable: ClassVar[tuple[str, ...]] = ("lifetime", "view", "groups")
    keeps_log: ClassVar[bool] = False
