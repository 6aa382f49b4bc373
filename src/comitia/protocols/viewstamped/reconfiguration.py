"""Reconfiguration: section 7.  A RECONFIGURATION is the last op of its epoch.

Who joins is warmed up first (section 7.2): the primary sends it everything it sends its backups,
and orders the RECONFIGURATION only when the newcomer has caught up, so that service hardly stops.
"""

from __future__ import annotations

from comitia.kernel import NodeId, Out, Reconfigure, fired, received
from comitia.protocols.viewstamped.messages import EpochStarted, Group, Op, StartEpoch, View
from comitia.protocols.viewstamped.reads import Reads
from comitia.protocols.viewstamped.state import NORMAL, RECOVERING

WARM = 64  # a newcomer this many ops behind is caught up well enough
WARM_UP_MS = 30_000


class Reconfiguration(Reads):
    """Changing who decides."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.reconfigure: Reconfigure | None = None
        self.ordered = False  # its RECONFIGURATION is in the log
        self.started: frozenset[NodeId] = frozenset()

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        members = tuple(sorted(request.voters))
        if not self.is_primary:
            out.refuse(request, "this replica is not the primary")
        elif request.learners:
            out.refuse(request, "Viewstamped Replication has no learners: add it as a voter")
        elif not members:
            out.refuse(request, "a group needs a member")
        elif self.reconfigure is not None or self.reconfiguring():
            out.refuse(request, "a reconfiguration is under way")
        elif members == self.group.configuration:
            out.answer(request, None)
        else:
            self.reconfigure, self.ordered = request, False
            self.joining = tuple(n for n in members if n not in self.group.configuration)
            out.set_timer("warm-up", after=(WARM_UP_MS, WARM_UP_MS))
            self.tell_commit(out)
            self.order_when_warm(out)

    def order_when_warm(self, out: Out) -> None:
        if self.reconfigure is None or self.ordered or not self.is_primary:
            return
        if not self.cold():
            self.ordered = True
            self.proposed += (Op(members=tuple(sorted(self.reconfigure.voters))),)

    def cold(self) -> tuple[NodeId, ...]:
        """Return which newcomers have not answered yet, or lag."""
        warm = self.commit_number - WARM
        return tuple(n for n in self.joining if n not in self.prepared or self.prepared[n] < warm)

    def note_prepared(self, src: NodeId, op_number: int, out: Out) -> None:
        super().note_prepared(src, op_number, out)
        self.order_when_warm(out)

    @fired("warm-up")
    def on_warm_up_timer(self, out: Out) -> None:
        if self.reconfigure is not None and not self.ordered:
            names = ", ".join(f"n{n}" for n in self.cold())
            self.end_reconfigure(f"{names} did not catch up; is it running?", out)

    def end_reconfigure(self, reason: str, out: Out) -> None:
        """The primary loses interest: refused if nothing was ordered, else the outcome is open."""
        if self.reconfigure is not None and not self.ordered:
            out.refuse(self.reconfigure, reason)
        self.reconfigure, self.joining = None, ()

    def enter_epoch(self, members: tuple[NodeId, ...], out: Out) -> None:
        """Section 7.1: the RECONFIGURATION is committed; the new group takes over in view 0."""
        before = self.group
        was_primary = self.is_primary
        group = Group(before.epoch + 1, members, self.executed)
        self.groups = (*self.groups, group)
        # Behind it only ops of the new epoch can stand, and only as committed ones.
        self.log = self.log.cut_after(max(self.executed, self.commit_number))
        everybody = sorted({*before.configuration, *members} - {self.id})
        self.begin_epoch(out)
        if was_primary:
            out.broadcast(everybody, StartEpoch(group))
        if self.is_member:
            out.broadcast((*everybody, self.id), EpochStarted(group.epoch))

    def recall_group(self, members: tuple[NodeId, ...]) -> None:
        """A RECONFIGURATION before the current group's is executed again, after a restart: a
        replica that lost its log lost this group too, and a checkpoint may need it.
        """
        before = tuple(g for g in self.groups if g.since < self.executed)
        later = self.groups[len(before) :]
        if later[0].since != self.executed:
            group = Group(before[-1].epoch + 1, members, self.executed)
            self.groups = (*before, group, *later)

    def begin_epoch(self, out: Out) -> None:
        """Everything up to the start of this epoch is here: normal in its first view."""
        waiting, self.reconfigure = self.reconfigure, None
        self.leave_normal("a new epoch has begun", out)
        self.reconfigure, self.started = waiting, frozenset()
        self.view = self.last_normal_view = View(self.group.epoch, 0)
        self.status = NORMAL
        for timer in ("resend", "transfer", "commit"):
            out.cancel_timer(timer)
        self.asked = False
        if not self.is_member:
            out.cancel_timer("view-change")
            out.set_timer("hand-on", after=self.timeout())
        elif self.is_primary:
            self.begin_as_primary(out)
        else:
            self.hear(out)

    @fired("hand-on")
    def on_hand_on_timer(self, out: Out) -> None:
        """Section 7.1.1: who was replaced tells the new group of it again until a quorum of that
        runs; nobody else may know.
        """
        if not self.is_member and not self.quorum.is_write_quorum(self.started):
            late = [n for n in self.group.configuration if n not in self.started]
            out.broadcast(late, StartEpoch(self.group))
            out.set_timer("hand-on", after=self.timeout())

    @received(StartEpoch)
    def on_start_epoch(self, src: NodeId, message: StartEpoch, out: Out) -> None:
        if message.group.epoch > self.group.epoch:
            self.ask_for_state(src, out)
        elif self.is_member and self.status != RECOVERING:
            out.send(src, EpochStarted(self.group.epoch))

    @received(EpochStarted)
    def on_epoch_started(self, src: NodeId, message: EpochStarted, out: Out) -> None:
        """Step 3 of section 7.1.1: when a quorum runs, who was replaced may be stopped."""
        if message.epoch < self.group.epoch or src not in self.group.configuration:
            return
        self.started |= {src}
        request = self.reconfigure
        if request is not None and self.ordered and self.quorum.is_write_quorum(self.started):
            out.answer(request, None)
            self.reconfigure = None
