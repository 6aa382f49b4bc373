"""The state of a replica (figure 2) and what every section does with it.

`status` follows from what is stable: a replica whose `last_normal_view` is its `view` was normal,
any other was changing views.  The log starts behind the checkpoint (section 5.1); `groups` holds
the configuration at the checkpoint and every later one (section 7).
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Log, NodeId, Out, Replica, fired
from comitia.protocols.viewstamped.messages import Checkpoint, Group, Op, View, size_of
from comitia.protocols.viewstamped.options import Options
from comitia.quorums import Majority

NORMAL, VIEW_CHANGE, RECOVERING = "normal", "view-change", "recovering"
STATE_TRANSFER = "state-transfer"


class State(Replica):
    """Figure 2, and the arithmetic of groups."""

    stable: ClassVar[tuple[str, ...]] = (
        "lifetime",
        "view",
        "last_normal_view",
        "groups",
        "checkpoint",
        "log",
    )
    lifetime: int
    """Grows with every start; what was numbered in one life is never numbered so in another."""
    view: View
    last_normal_view: View
    groups: tuple[Group, ...]
    checkpoint: Checkpoint
    log: Log[Op]

    def __init__(self, id: NodeId, members: tuple[NodeId, ...], options: Options) -> None:
        super().__init__(id)
        self.options = options
        group = Group(0, tuple(sorted(members)))
        self.lifetime = 0
        self.view = self.last_normal_view = View(0, 0)
        self.groups = (group,)
        self.checkpoint = Checkpoint(0, group)
        self.log = Log()
        self.status = NORMAL
        self.commit_number = 0
        self.loyal = True
        """Less than a view change timeout may have passed since the primary was heard (or, on the
        primary, a quorum): no view change is joined.  Leases rest on this."""

    @property
    def op_number(self) -> int:
        """The last op in the log."""
        return self.log.last

    @property
    def group(self) -> Group:
        """The current group."""
        return self.groups[-1]

    @property
    def is_member(self) -> bool:
        return self.id in self.group.configuration

    @property
    def quorum(self) -> Majority:
        """f + 1 of 2f + 1 replicas."""
        return Majority(self.group.configuration)

    @property
    def others(self) -> tuple[NodeId, ...]:
        """The other members of the group, ascending."""
        return tuple(n for n in self.group.configuration if n != self.id)

    def primary_of(self, view: View) -> NodeId:
        """Section 4: the primary is chosen round-robin from the configuration."""
        assert view.epoch == self.group.epoch, (view, self.group)
        return self.group.configuration[view.number % len(self.group.configuration)]

    @property
    def is_primary(self) -> bool:
        return self.leader == self.id

    @property
    def leader(self) -> NodeId | None:
        """The primary, while this replica is normal."""
        return self.primary_of(self.view) if self.status == NORMAL else None

    @property
    def snapshot_slot(self) -> int:
        return self.checkpoint.op_number

    def timeout(self) -> tuple[int, int]:
        """Random, so that two replicas seldom start two view changes at once."""
        low = self.options.view_change_timeout_ms
        return low, 2 * low

    def hear(self, out: Out) -> None:
        """The primary, or on the primary a quorum, is alive."""
        low = self.options.view_change_timeout_ms
        self.loyal = True
        out.set_timer("silence", after=(low, low))
        out.cancel_timer("view-change")

    @fired("silence")
    def on_silence(self, out: Out) -> None:
        """A whole timeout without the primary: loyalty ends, and soon patience."""
        self.loyal = False
        if self.is_member and self.status == NORMAL:
            out.set_timer("view-change", after=(1, self.options.view_change_timeout_ms))

    def ops_after(self, base: int, limit_bytes: int) -> tuple[Op, ...]:
        """Return ops from `base` + 1 on, at least one if there is one, up to `limit_bytes`."""
        if base == self.log.last:
            return ()
        last, _ = self.log.fitting(base + 1, size_of, limit_bytes)
        return self.log.slice(base + 1, last)

    # What the sections that follow bring; named here so that each file type-checks by itself.

    def execute(self, commit_number: int, out: Out) -> None:
        raise NotImplementedError

    def leave_normal(self, reason: str, out: Out) -> None:
        raise NotImplementedError

    def ask_for_state(self, of: NodeId, out: Out) -> None:
        raise NotImplementedError
