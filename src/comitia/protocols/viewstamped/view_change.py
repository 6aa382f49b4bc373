"""View changes: section 4.2, with the economy of section 5.3 (only the log's end is sent).

A DOVIEWCHANGE carries the log after its sender's commit-number.  A new primary that lacks committed
ops fetches those first: what is committed is the same in every log that can be chosen.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import NodeId, Out, Transfer, fired, received
from comitia.protocols.viewstamped.messages import (
    AgreeToLeave,
    AskToLeave,
    DoViewChange,
    Op,
    PrepareOk,
    StartView,
    StartViewChange,
    View,
)
from comitia.protocols.viewstamped.normal import NormalOperation
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING, VIEW_CHANGE


class ViewChange(NormalOperation):
    """Replacing the primary."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.agreed: frozenset[NodeId] = frozenset()
        self.starters: frozenset[NodeId] = frozenset()
        self.given_up: View | None = None
        self.received: Map[NodeId, DoViewChange] = Map()

    @fired("view-change")
    def on_view_change_timer(self, out: Out) -> None:
        """Nothing is heard of the primary, or the view change itself does not end.

        Ask before step 1: a replica that is cut off must not run through view after view alone,
        since it could not come back into the view in which the others live on.
        """
        if not self.is_member or self.status == RECOVERING:
            return
        out.set_timer("view-change", after=self.timeout())
        self.agreed = frozenset()
        out.broadcast(self.others, AskToLeave(self.view, self.status != VIEW_CHANGE))
        self.on_agree_to_leave(self.id, AgreeToLeave(self.view), out)

    @received(AskToLeave)
    def on_ask_to_leave(self, src: NodeId, message: AskToLeave, out: Out) -> None:
        """Loyalty is to the primary of this replica's view, not to one that came after it.

        A view that has started ends all before it: the primary of an older one, though heard, will
        commit nothing more, and a replica that waited for it could keep a quorum from the others.
        """
        if not self.loyal or (message.started and message.view > self.view):
            out.send(src, AgreeToLeave(message.view))

    @received(AgreeToLeave)
    def on_agree_to_leave(self, src: NodeId, message: AgreeToLeave, out: Out) -> None:
        if message.view != self.view or self.loyal:
            return
        self.agreed |= {src}
        if self.quorum.is_write_quorum(self.agreed):
            self.agreed = frozenset()
            self.start_view_change(self.next_view(), None, out)

    def next_view(self) -> View:
        return View(self.view.epoch, self.view.number + 1)

    def start_view_change(self, view: View, given_up: View | None, out: Out) -> None:
        """Advance to `view` and tell the others; never back, whatever happens: `view` is stable."""
        assert view >= self.view, (view, self.view)
        self.leave_normal("the primary is being replaced", out)
        self.status = VIEW_CHANGE
        self.loyal = False
        self.view = view
        self.given_up = given_up
        self.starters = frozenset({self.id})
        self.received = Map()
        out.cancel_timer("silence")
        out.set_timer("view-change", after=self.timeout())
        self.send_view_change(out)

    def send_view_change(self, out: Out) -> None:
        """Say, and repeat until the view has started, what this replica has to say."""
        assert self.status == VIEW_CHANGE
        again = 2 * self.options.commit_ms
        out.set_timer("resend", after=(again, again))
        out.broadcast(self.others, StartViewChange(self.view, self.given_up))
        if self.quorum.is_write_quorum(self.starters):
            self.do_view_change(out)

    @received(StartViewChange)
    def on_start_view_change(self, src: NodeId, message: StartViewChange, out: Out) -> None:
        """Steps 1 and 2."""
        if message.view > self.view:
            # A view change of others must not depose a primary that is alive: see `loyal`.
            if self.loyal and message.given_up != self.view and not self.is_primary:
                return
            # A primary has nobody to protect but itself, and `src` cannot come back to this view.
            given_up = self.view if self.is_primary else message.given_up
            self.start_view_change(message.view, given_up, out)
        if message.view < self.view:
            return
        if self.status == NORMAL and self.is_primary:
            self.send_start_view(src, self.commit_number, out)  # it missed that the view started
        elif self.status == VIEW_CHANGE:
            enough = self.quorum.is_write_quorum(self.starters)
            self.starters |= {src}
            if not enough and self.quorum.is_write_quorum(self.starters):
                self.do_view_change(out)

    def do_view_change(self, out: Out) -> None:
        """Step 2: f others (and this replica) have left the old view."""
        ops = self.log.slice(self.commit_number + 1, self.op_number)
        message = DoViewChange(self.view, self.last_normal_view, self.commit_number, ops)
        out.send(self.primary_of(self.view), message)

    @received(DoViewChange)
    def on_do_view_change(self, src: NodeId, message: DoViewChange, out: Out) -> None:
        """Step 3.  Its sender counted a quorum that left the old view, so loyalty is pointless."""
        if message.view > self.view:
            self.start_view_change(message.view, None, out)
        if message.view < self.view or self.primary_of(self.view) != self.id:
            return
        if self.status == NORMAL:
            self.send_start_view(src, min(message.base, self.commit_number), out)
        elif self.status == VIEW_CHANGE:
            self.received = self.received.set(src, message)
            self.start_view(out)

    def start_view(self, out: Out) -> None:
        """Step 3: the log of the latest normal view, of those the longest; then step 4."""
        if not self.quorum.is_write_quorum(frozenset(self.received.keys())):
            return
        # One DOVIEWCHANGE a replica, so ids make the order of equals the same everywhere.
        received = sorted(self.received.items())
        ahead, most = max(received, key=lambda item: item[1].base)
        if most.base > self.commit_number:
            self.ask_for_state(ahead, out)
            return
        best = max(
            (message for _, message in received),
            key=lambda m: (m.last_normal_view, m.base + len(m.ops)),
        )
        if best.base + len(best.ops) < self.commit_number:
            return  # what this replica fetched is of a later view: this one is over
        new = best.ops[self.commit_number - best.base :]
        self.log = self.log.cut_after(self.commit_number).append(new)
        self.last_normal_view = self.view
        self.status = NORMAL
        out.cancel_timer("resend")
        for replica in self.others:
            known = self.received.get(replica)
            self.send_start_view(replica, known.base if known else self.commit_number, out)
        self.received, self.starters = Map(), frozenset()
        self.begin_as_primary(out)

    def send_start_view(self, to: NodeId, base: int, out: Out) -> None:
        """Step 4."""
        base = max(base, self.log.first - 1)
        ops = self.log.slice(base + 1, self.op_number)
        out.send(to, StartView(self.view, base, ops, self.commit_number))

    @received(StartView)
    def on_start_view(self, src: NodeId, message: StartView, out: Out) -> None:
        """Step 5."""
        if message.view < self.view or self.status == RECOVERING:
            return
        if message.view == self.view and self.status == NORMAL:
            out.send(src, PrepareOk(self.view, self.op_number))
        elif not message.base <= self.commit_number <= message.base + len(message.ops):
            # It leaves out what this replica lacks; or it was under way for long, and ends before
            # what this replica has since heard to be committed.
            self.transfer_to(message.view, src, out)
        else:
            self.follow(message.view, message.base, message.ops, src, out)
            self.execute(min(message.commit_number, self.op_number), out)

    def follow(self, view: View, base: int, ops: tuple[Op, ...], src: NodeId, out: Out) -> None:
        """Become normal in `view`, whose whole log is ours up to `base`, then `ops`."""
        assert base <= self.commit_number <= base + len(ops), "a committed op is in no log"
        assert self.primary_of(view) != self.id, "followed a view of its own"
        self.leave_normal("the primary was replaced", out)
        self.log = self.log.cut_after(self.commit_number).append(ops[self.commit_number - base :])
        self.view = self.last_normal_view = view
        self.status = NORMAL
        for timer in ("resend", "transfer", "commit"):
            out.cancel_timer(timer)
        self.hear(out)
        out.send(self.primary_of(view), PrepareOk(view, self.op_number))

    # Hand-over on request: a view change that the primary itself asks for.

    def on_transfer(self, request: Transfer, out: Out) -> None:
        members = self.group.configuration
        if not self.is_primary:
            out.refuse(request, "this replica is not the primary")
        elif request.to not in members:
            out.refuse(request, f"n{request.to} is no member of this group")
        else:
            if request.to != self.id:
                steps = (members.index(request.to) - self.view.number) % len(members)
                view = View(self.view.epoch, self.view.number + steps)
                self.start_view_change(view, self.view, out)
            out.answer(request, None)

    # Brought by the section on state transfer.

    def transfer_to(self, view: View, of: NodeId, out: Out) -> None:
        raise NotImplementedError
