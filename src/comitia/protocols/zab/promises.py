"""What ZAB promises (DSN 2011, section 3: the properties of primary-order atomic broadcast), and
what clients build on it, checked after every step.

A promise looks only at what a step changed: a history that was appended to shares its list with
the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from immutables import Map

from comitia.kernel import (
    Broken,
    DeliveriesAgree,
    Log,
    Node,
    NodeId,
    Promise,
    ReadsAreCurrent,
    Slot,
)
from comitia.protocols.zab.messages import Txn, Zxid, counter_of, epoch_of
from comitia.protocols.zab.server import ZabServer
from comitia.protocols.zab.state import LEADING
from comitia.protocols.zab.view import written

Nodes = Mapping[NodeId, ZabServer]


class Histories(Promise):
    """Remembers the last history of everybody, to look at what is new; a base."""

    watch: ClassVar[tuple[str, ...]] = ("history",)

    def __init__(self) -> None:
        self.histories: Map[NodeId, Log[Txn]] = Map()

    def on_restart(self, node: Node) -> None:
        # An older history may be on the disk than the last one seen.
        if node.id in self.histories:
            self.histories = self.histories.delete(node.id)

    def unseen(self, node: ZabServer) -> range:
        """Return the slots of `node` that are new since the last time."""
        history, before = node.history, self.histories.get(node.id)
        if before is history:
            return range(0)
        self.histories = self.histories.set(node.id, history)
        first = history.first + 1
        if before is not None:
            first = max(first, before.shared_until(history) + 1)
        return range(first, history.last + 1)


class Integrity(Histories):
    """A transaction that a server holds was broadcast, as it is, by the primary of its epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.broadcast: Map[Zxid, Txn] = Map()

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        history, broadcast = node.history, self.broadcast
        for slot in self.unseen(node):
            txn = history[slot]
            known = broadcast.get(txn.zxid)
            if known is None:
                # Not always seen at its primary first: its step may be lost, its proposal not.
                if epoch_of(txn.zxid) not in (node.epoch, node.current_epoch):
                    raise Broken(f"n{node.id} holds {written(txn.zxid)}, which nobody broadcast")
                broadcast = broadcast.set(txn.zxid, txn)
            elif known is not txn and known != txn:
                raise Broken(f"n{node.id} holds {txn}, which was broadcast as {known}")
        self.broadcast = broadcast


class PrimaryOrder(Histories):
    """Local and global primary order: what a primary broadcasts is in its order and without gaps,
    and what a later primary broadcasts comes after it.

    So zxids rise along every history, and within an epoch by one from one.
    """

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        history = node.history
        for slot in self.unseen(node):
            before, zxid = history[slot - 1].zxid, history[slot].zxid
            follows = (
                zxid == before + 1
                if epoch_of(zxid) == epoch_of(before)
                else (epoch_of(zxid) > epoch_of(before) and counter_of(zxid) == 1)
            )
            if not follows:
                raise Broken(f"n{node.id} has {written(zxid)} after {written(before)}")


class OnePrimary(Promise):
    """An epoch has at most one leader that a quorum has promised itself to."""

    watch: ClassVar[tuple[str, ...]] = ("role", "current_epoch", "discovered")

    def __init__(self) -> None:
        self.primaries: Map[int, NodeId] = Map()

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        if node.role != LEADING or not node.discovered:
            return
        other = self.primaries.get(node.epoch, node.id)
        if other != node.id:
            raise Broken(f"n{other} and n{node.id} both lead epoch {node.epoch}")
        self.primaries = self.primaries.set(node.epoch, node.id)


class Delivered(Promise):
    """Remembers the zxid delivered at every slot, and in which epoch; the base of the next."""

    def __init__(self) -> None:
        self.zxids: Map[Slot, tuple[Zxid, int]] = Map()
        self.last: Slot = 0

    def learn(self, node: ZabServer) -> None:
        zxids, history = self.zxids, node.history
        for slot in range(max(self.last, history.first) + 1, node.committed + 1):
            zxids = zxids.set(slot, (history[slot].zxid, node.current_epoch))
        self.zxids, self.last = zxids, max(self.last, node.committed)


class Agreement(DeliveriesAgree):
    """No two servers deliver different values at one slot; each delivers all, in order."""

    watch: ClassVar[tuple[str, ...]] = ("snapshot",)


class TotalOrder(Delivered):
    """Everybody delivers the same transactions, by their zxids, in the same order."""

    watch: ClassVar[tuple[str, ...]] = ("committed",)

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        slot, history = node.committed, node.history
        if slot > self.last:
            self.learn(node)
        elif slot > history.first and slot in self.zxids:
            known = self.zxids[slot][0]
            if history[slot].zxid != known:
                raise Broken(
                    f"n{node.id} delivered {written(history[slot].zxid)} at {slot}, "
                    f"another {written(known)}"
                )


class PrimaryIntegrity(Delivered):
    """A primary has delivered, or will before anything of its own, whatever was delivered of
    earlier epochs: its history begins with it.
    """

    watch: ClassVar[tuple[str, ...]] = ("committed", "established", "discovered")

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        if node.committed > self.last:
            self.learn(node)
        if node.role != LEADING or not node.discovered or node.committed >= self.last:
            return
        history = node.history
        for slot in range(max(node.committed, history.first) + 1, self.last + 1):
            zxid, epoch = self.zxids[slot]
            if epoch >= node.epoch:
                break
            if slot > history.last or history[slot].zxid != zxid:
                raise Broken(
                    f"n{node.id} leads epoch {node.epoch} without {written(zxid)} at {slot}, "
                    f"delivered in epoch {epoch}"
                )


class CommittedLogDurability(Delivered):
    """What a server has and anybody has delivered stays in its history; only a snapshot replaces
    it.
    """

    watch: ClassVar[tuple[str, ...]] = ("history", "committed")

    def __init__(self) -> None:
        super().__init__()
        self.histories: Map[NodeId, Log[Txn]] = Map()

    def on_restart(self, node: Node) -> None:
        # What was not on disk yet may be gone; PrimaryIntegrity holds it against the others.
        if node.id in self.histories:
            self.histories = self.histories.delete(node.id)

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        history, before = node.history, self.histories.get(node.id)
        if before is not history:
            if before is not None:
                lost = max(before.shared_until(history), history.first) + 1
                if lost <= min(before.last, self.last) and lost in self.zxids:
                    zxid = before[lost].zxid
                    if zxid == self.zxids[lost][0]:
                        raise Broken(f"n{node.id} removed {written(zxid)}, which was delivered")
            self.histories = self.histories.set(node.id, history)
        if node.committed > self.last:
            self.learn(node)


class EpochsOnlyGrow(Promise):
    """f.p and f.a never fall, f.a never passes f.p, and one epoch is promised to one leader."""

    watch: ClassVar[tuple[str, ...]] = ("accepted_epoch", "accepted_leader", "current_epoch")

    def __init__(self) -> None:
        self.seen: Map[NodeId, tuple[int, NodeId, int]] = Map()

    def on_restart(self, node: Node) -> None:
        assert isinstance(node, ZabServer)
        # What a crash took back had not left the server: the second law sees to that.
        now = node.accepted_epoch, node.accepted_leader, node.current_epoch
        self.seen = self.seen.set(node.id, now)

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        now = node.accepted_epoch, node.accepted_leader, node.current_epoch
        accepted, leader, current = self.seen.get(node.id, (0, 0, 0))
        if now[0] < accepted or now[2] < current or now[2] > now[0]:
            raise Broken(f"n{node.id} went from epochs {accepted}, {current} to {now[0]}, {now[2]}")
        if now[0] == accepted and leader not in (0, now[1]):
            raise Broken(f"n{node.id} promised epoch {accepted} to n{leader} and n{now[1]}")
        self.seen = self.seen.set(node.id, now)


class MonotonicReads(ReadsAreCurrent):
    """A read shows everything that anybody had delivered when it was asked, on whichever server:
    never an older state than an earlier read."""


PROMISES: tuple[Callable[[], Promise], ...] = (
    Integrity,
    PrimaryOrder,
    OnePrimary,
    Agreement,
    TotalOrder,
    PrimaryIntegrity,
    CommittedLogDurability,
    EpochsOnlyGrow,
    MonotonicReads,
)
