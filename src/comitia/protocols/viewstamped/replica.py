"""One replica: what starts it, and which section handles what."""

from __future__ import annotations

from typing import Any, ClassVar

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
from comitia.protocols.viewstamped import messages as m
from comitia.protocols.viewstamped.reconfiguration import Reconfiguration
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING, STATE_TRANSFER, VIEW_CHANGE


class ViewstampedReplica(Reconfiguration):
    """Viewstamped Replication Revisited, with everything on disk."""

    def on_start(self, out: Out) -> None:
        self.lifetime += 1
        self.commit_number = self.executed = self.checkpoint.op_number
        # A group begins when its RECONFIGURATION is committed: that much is known to be.
        self.execute(max(self.commit_number, self.group.since), out)
        if not self.is_member:
            self.status = NORMAL if self.view == self.last_normal_view else STATE_TRANSFER
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

    def on_timer(self, timer: Timer, out: Out) -> None:
        match timer:
            case "silence":
                self.on_silence(out)
            case "view-change":
                self.on_view_change_timer(out)
            case "commit":
                self.on_commit_timer(out)
            case "transfer":
                self.on_transfer_timer(out)
            case "question":
                self.send_question(out)
            case "warm-up":
                self.on_warm_up_timer(out)
            case "resend" if self.status == VIEW_CHANGE:
                self.send_view_change(out)
            case "resend" if self.status == RECOVERING:
                self.send_recovery(out)

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Propose():
                self.on_propose(request, out)
            case Read():
                self.on_read(request, out)
            case Compact():
                self.on_compact(request, out)
            case Transfer():
                self.on_transfer(request, out)
            case Reconfigure():
                self.on_reconfigure(request, out)
            case _:
                super().on_request(request, out)

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
        if isinstance(message, m.Prepare | m.Commit):
            assert view is not None
            self.on_news_of_primary(src, view, message, out)
        else:
            getattr(self, self.HANDLERS[type(message)])(src, message, out)

    def on_news_of_primary(
        self, src: NodeId, view: m.View, message: m.Prepare | m.Commit, out: Out
    ) -> None:
        """Section 4.1: a replica handles only what is of its own view; if behind, it catches up."""
        if view < self.view:
            return
        if view > self.view or self.status == VIEW_CHANGE:
            self.transfer_to(view, src, out)
        elif self.status == STATE_TRANSFER:
            self.ask_for_state(src, out)
        elif isinstance(message, m.Prepare):
            self.on_prepare(src, message, out)
        else:
            assert self.status == NORMAL, self.status
            self.on_commit(src, message, out)

    ANY_EPOCH: ClassVar[tuple[type[Message], ...]] = (m.GetState, m.NewState, m.CommittedState)
    WHILE_RECOVERING: ClassVar[tuple[type[Message], ...]] = (
        m.RecoveryResponse,
        m.NewState,
        m.CommittedState,
        m.InstallCheckpoint,
    )
    HANDLERS: ClassVar[dict[type[Any], str]] = {
        m.PrepareOk: "on_prepare_ok",
        m.CommitOk: "on_commit_ok",
        m.AskToLeave: "on_ask_to_leave",
        m.AgreeToLeave: "on_agree_to_leave",
        m.StartViewChange: "on_start_view_change",
        m.DoViewChange: "on_do_view_change",
        m.StartView: "on_start_view",
        m.Recovery: "on_recovery",
        m.RecoveryResponse: "on_recovery_response",
        m.GetState: "on_get_state",
        m.NewState: "on_new_state",
        m.CommittedState: "on_committed_state",
        m.InstallCheckpoint: "on_install_checkpoint",
        m.ReadRequest: "on_read_request",
        m.ReadReply: "on_read_reply",
        m.StartEpoch: "on_start_epoch",
        m.EpochStarted: "on_epoch_started",
    }


class InMemoryReplica(ViewstampedReplica):
    """Keeps the log in memory and only the view on disk; a restart recovers from the others.

    A crash of more than f replicas at once loses the log, as the paper says.
    """

    stable: ClassVar[tuple[str, ...]] = ("lifetime", "view", "groups")
    keeps_log: ClassVar[bool] = False
