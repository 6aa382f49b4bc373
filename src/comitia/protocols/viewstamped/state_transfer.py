"""State transfer: section 5.2, without the paper's error.

The paper has a replica that learns of a later view drop what it has not committed and only then ask
for what replaces it.  If a view change comes in between, ops that were committed with its help are
gone.  Here nothing is dropped before the whole log of the later view is at hand; until then the
replica keeps its old log and its old `last_normal_view`, and says so truthfully if it must take
part in yet another view change; in the view it is heading for it acknowledges nothing.

Committed ops, in contrast, are the same in all views and may be taken from anybody at any time, so
they come in as many messages as they need.
"""

from __future__ import annotations

from comitia.kernel import Log, NodeId, Out, fired, received
from comitia.protocols.viewstamped.messages import (
    CommittedState,
    GetState,
    InstallCheckpoint,
    NewState,
    Op,
    PrepareOk,
    View,
)
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING, STATE_TRANSFER, VIEW_CHANGE
from comitia.protocols.viewstamped.view_change import ViewChange


class StateTransfer(ViewChange):
    """Catching up."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.asked = False  # a GETSTATE is under way
        self.turns = 0  # whom to ask next

    def transfer_to(self, view: View, of: NodeId, out: Out) -> None:
        """`view` has started without this replica: get its log."""
        self.leave_normal("this replica lags", out)
        self.status = STATE_TRANSFER
        self.view = view
        out.cancel_timer("resend")
        # If nobody in that view answers, it is over too.
        out.set_timer("view-change", after=self.timeout())
        self.ask_for_state(of, out)

    def ask_for_state(self, of: NodeId, out: Out) -> None:
        if not self.asked:
            self.asked = True
            out.send(of, GetState(self.view, self.commit_number))
            out.set_timer("transfer", after=(self.options.commit_ms, 2 * self.options.commit_ms))

    @fired("transfer")
    def on_transfer_timer(self, out: Out) -> None:
        """No answer: ask somebody else.  In other states the next message shows what is missing."""
        self.asked = False
        if self.status == STATE_TRANSFER and self.others:
            self.turns += 1
            self.ask_for_state(self.others[self.turns % len(self.others)], out)
        elif self.status == VIEW_CHANGE and self.primary_of(self.view) == self.id:
            self.start_view(out)

    @received(GetState)
    def on_get_state(self, src: NodeId, message: GetState, out: Out) -> None:
        """Who is not normal has no log to give, but what is committed is safe to give always."""
        base = message.op_number
        normal = self.status == NORMAL and self.view >= message.view
        if base + 1 < self.log.first:
            out.send_snapshot(src, InstallCheckpoint(self.checkpoint))
        elif base <= self.op_number:
            ops = self.ops_after(base, self.options.max_message_bytes)
            if normal and (base + len(ops) == self.op_number or base >= self.commit_number):
                ops = self.log.slice(base + 1, self.op_number)
                out.send(src, NewState(self.view, base, ops, self.commit_number))
            elif base < self.commit_number:
                committed = ops[: self.commit_number - base]
                out.send(src, CommittedState(self.view, base, committed))

    @received(CommittedState)
    def on_committed_state(self, src: NodeId, message: CommittedState, out: Out) -> None:
        if self.status == RECOVERING and not self.may_take_state(message.view):
            return
        before = self.commit_number
        self.take_committed(message.base, message.ops, out)
        if self.commit_number > before:  # a copy asks nothing: each of its answers would come twice
            self.after_answer(out)
            self.go_on(src, out)

    def go_on(self, src: NodeId, out: Out) -> None:
        """Some of what was missing has come."""
        if self.status != VIEW_CHANGE:
            self.ask_for_state(src, out)
        elif self.primary_of(self.view) == self.id:
            self.start_view(out)

    def after_answer(self, out: Out) -> None:
        self.asked = False
        out.cancel_timer("transfer")

    def take_committed(self, base: int, ops: tuple[Op, ...], out: Out) -> None:
        """Take committed `ops` that follow `base`, keeping whatever this log has behind them.

        Keeping it is safe even if it stems from an older view than they: then every later view
        change hears of a later `last_normal_view` than this replica's and does not choose its log.
        Dropping it would not be: it may be committed with this replica's help.
        """
        end = base + len(ops)
        if base > self.commit_number or end <= self.commit_number:
            return
        behind = self.log.slice(end + 1, self.op_number) if self.op_number > end else ()
        known = self.log.cut_after(self.commit_number)
        self.log = known.append((*ops[self.commit_number - base :], *behind))
        self.execute(end, out)

    @received(NewState)
    def on_new_state(self, src: NodeId, message: NewState, out: Out) -> None:
        """The whole log of a view; now what differs is replaced."""
        if self.status == RECOVERING and not self.may_take_state(message.view):
            return
        # The sender may know less to be committed than this replica does, which is at `base`.
        committed = max(message.commit_number - message.base, 0)
        self.take_committed(message.base, message.ops[:committed], out)
        self.after_answer(out)
        end = message.base + len(message.ops)
        if (
            message.base > self.commit_number  # an answer to a question of another life
            or end < self.commit_number
            or message.view.epoch != self.group.epoch
            or message.view < self.view
        ):
            return
        if message.view > self.view or self.status != NORMAL:
            if self.status == RECOVERING and not self.holds_enough(message.view, end):
                return
            self.follow(message.view, message.base, message.ops, src, out)
        elif end > self.op_number:
            self.log = self.log.append(message.ops[self.op_number - message.base :])
            out.send(self.primary_of(self.view), PrepareOk(self.view, self.op_number))

    @received(InstallCheckpoint)
    def on_install_checkpoint(self, src: NodeId, message: InstallCheckpoint, out: Out) -> None:
        """Section 5.1: committed ops as the machine's state; `take_committed` says what is kept."""
        checkpoint = message.checkpoint
        end = checkpoint.op_number
        if end <= self.commit_number:
            return
        if self.op_number > end and checkpoint.group.epoch == self.group.epoch:
            self.log = self.log.cut_before(end + 1)
        else:
            self.log = Log((), end + 1)
        self.checkpoint = checkpoint
        self.commit_number = self.executed = end
        later = tuple(g for g in self.groups if g.epoch > checkpoint.group.epoch)
        # None, unless a log in memory was lost after a reconfiguration: who decides is not lost.
        assert all(g.since > end for g in later), "an epoch began behind what is committed"
        out.install(end)
        new_epoch = checkpoint.group.epoch > self.group.epoch
        self.groups = (checkpoint.group, *later)
        if new_epoch:
            self.begin_epoch(out)
        self.after_answer(out)
        self.go_on(src, out)

    # Brought by the sections on recovery and reconfiguration.

    def may_take_state(self, view: View) -> bool:
        raise NotImplementedError

    def holds_enough(self, view: View, op_number: int) -> bool:
        raise NotImplementedError

    def begin_epoch(self, out: Out) -> None:
        raise NotImplementedError
