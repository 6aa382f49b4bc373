"""What ZAB promises (DSN 2011, section 3: the properties of primary-order atomic broadcast), and
what clients build on it, checked after every step.

A promise looks only at what a step changed: a history that was appended to shares its list with
the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from immutables import Map

from comitia.kernel import Broken, Log, Node, NodeId, Promise, Read, Request, Slot
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
                if epoch_of(txn.zxid) != node.epoch or node.role != LEADING:
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
    """An epoch has at most one leader, and an established one has a quorum's word for it."""

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


class TotalOrder(Delivered):
    """Everybody delivers the same transactions in the same order, each following what it delivered
    before: total order and agreement.
    """

    watch: ClassVar[tuple[str, ...]] = ("committed", "snapshot")

    def __init__(self) -> None:
        super().__init__()
        self.values: Map[Slot, bytes] = Map()
        self.applied: Map[NodeId, Slot] = Map()
        self.snaps: Map[NodeId, tuple[Slot, ...]] = Map()
        """Snapshots ahead of what a server has delivered: it may go on behind any of them, since
        what it says of one may still wait for its disk when the next one comes."""

    def on_step(self, node: ZabServer, nodes: Nodes) -> None:
        snap, snaps = node.snapshot.slot, self.snaps.get(node.id, ())
        if snap > self.applied.get(node.id, 0) and snap not in snaps:
            self.snaps = self.snaps.set(node.id, (*snaps, snap))
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

    def on_restart(self, node: Node) -> None:
        assert isinstance(node, ZabServer)
        self.applied = self.applied.set(node.id, node.snapshot.slot)
        self.snaps = self.snaps.set(node.id, ())

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        applied, snaps = self.applied.get(node, 0), self.snaps.get(node, ())
        if slot != applied + 1 and slot - 1 not in snaps:
            raise Broken(f"n{node} delivered {slot} after {applied}; its snapshots: {snaps}")
        self.applied = self.applied.set(node, slot)
        if snaps:
            self.snaps = self.snaps.set(node, tuple(snap for snap in snaps if snap > slot))
        known = self.values.get(slot)
        if known is None:
            self.values = self.values.set(slot, value)
        elif known != value:
            raise Broken(f"n{node} delivered {value!r} at {slot}, another {known!r}")


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


class MonotonicReads(Promise):
    """A read shows whatever anybody had delivered when it was asked: never an older state than an
    earlier read showed.
    """

    watch: ClassVar[tuple[str, ...]] = ("snapshot",)  # never to be told of other steps

    def __init__(self) -> None:
        self.delivered: Slot = 0
        self.asked: Map[tuple[NodeId, int], Slot] = Map()

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        self.delivered = max(self.delivered, slot)

    def on_request(self, node: NodeId, request: Request) -> None:
        if isinstance(request, Read):
            self.asked = self.asked.set((node, request.token), self.delivered)

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        if isinstance(request, Read) and (node, request.token) in self.asked:
            due = self.asked[node, request.token]
            self.asked = self.asked.delete((node, request.token))
            if not isinstance(result, int) or result < due:
                raise Broken(f"n{node} serves a read at {result}; {due} was known before it began")


PROMISES: tuple[Callable[[], Promise], ...] = (
    Integrity,
    PrimaryOrder,
    OnePrimary,
    TotalOrder,
    PrimaryIntegrity,
    CommittedLogDurability,
    EpochsOnlyGrow,
    MonotonicReads,
)
