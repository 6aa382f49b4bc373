"""What Viewstamped Replication promises (section 8, "Correctness"), checked after every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from immutables import Map

from comitia.kernel import Broken, DeliveriesAgree, Log, NodeId, Promise, ReadsAreCurrent
from comitia.protocols.viewstamped.messages import Op, View
from comitia.protocols.viewstamped.state import NORMAL


class ViewsNeverGoBack(Promise):
    """A replica's view only grows; it is normal only in a view that it entered."""

    watch: ClassVar = ("view", "last_normal_view", "status")

    def __init__(self) -> None:
        self.views: Map[NodeId, View] = Map()

    def on_restart(self, node: Any) -> None:
        # What a crash took back had not left the replica: the second law sees to that.
        self.views = self.views.set(node.id, node.view)

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        before = self.views.get(node.id)
        if before is not None and node.view < before:
            raise Broken(f"n{node.id} went from view {before} back to {node.view}")
        self.views = self.views.set(node.id, node.view)
        if node.last_normal_view > node.view:
            raise Broken(f"n{node.id} was normal in {node.last_normal_view}, after {node.view}")
        if node.status == NORMAL and node.last_normal_view != node.view:
            raise Broken(f"n{node.id} is normal in {node.view}, which it never entered")


class OnePrimary(Promise):
    """At most one replica leads a view."""

    watch: ClassVar = ("status", "view")

    def __init__(self) -> None:
        self.primaries: Map[View, NodeId] = Map()

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if node.leader != node.id:
            return
        other = self.primaries.get(node.view, node.id)
        if other != node.id:
            raise Broken(f"n{other} and n{node.id} both lead {node.view}")
        self.primaries = self.primaries.set(node.view, node.id)


class ExecutedAgree(DeliveriesAgree):
    """Section 8.1: no two replicas execute different ops at one op-number, nor out of order."""

    watch: ClassVar = ("checkpoint",)


class CommittedSurvive(Promise):
    """Section 8.1: whoever leads a view holds every op that was executed in an earlier one."""

    watch: ClassVar = ("executed", "status", "view")

    def __init__(self) -> None:
        self.ops: Log[tuple[View, Op]] = Log()

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        for slot in range(max(self.ops.last + 1, node.log.first), node.executed + 1):
            self.ops = self.ops.append([(node.view, node.log[slot])])
        if node.leader != node.id:
            return
        for slot in range(max(node.log.first, 1), self.ops.last + 1):
            view, op = self.ops[slot]
            if view >= node.view:
                break
            if slot > node.op_number or node.log[slot] != op:
                raise Broken(f"n{node.id} leads {node.view} without op {slot}, executed in {view}")


class LogsOfAViewAgree(Promise):
    """Section 4.1: replicas normal in one view hold prefixes of one log."""

    watch: ClassVar = ("log", "status", "view")

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if node.status != NORMAL:
            return
        for other in nodes.values():
            if other.id == node.id or other.status != NORMAL or other.view != node.view:
                continue
            first = max(node.log.first, other.log.first, node.commit_number + 1)
            for slot in range(first, min(node.log.last, other.log.last) + 1):
                if node.log[slot] != other.log[slot]:
                    raise Broken(f"n{node.id} and n{other.id} differ at {slot} of {node.view}")


PROMISES = (
    ViewsNeverGoBack,
    OnePrimary,
    ExecutedAgree,
    CommittedSurvive,
    LogsOfAViewAgree,
    ReadsAreCurrent,
)
