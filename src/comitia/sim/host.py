"""One simulated machine: a node, its disk, its timers, and what it has said but not yet let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from comitia.kernel import Message, Micros, Node, NodeId, Out, Request, Slot, Timer
from comitia.kernel.laws import ValuesLaw
from comitia.kernel.stable import StableCodec, Values
from comitia.sim.watch import tuple_of
from comitia.sim.workload import Machine, Op

if TYPE_CHECKING:
    from comitia.sim.world import World

SEND, SEND_SNAPSHOT, DELIVER, ANSWER, REFUSE, INSTALL = range(6)
"""What a node may say; a step's words are held as tuples (one of these, subject, object)."""

Words = list[tuple[int, Any, Any]]


class Received(Message):
    """On its way to `to`: `message`, and with it the snapshot of the machine at `slot`."""

    message: Message
    slot: Slot
    state: Any


class Host(Out):
    """The host of one node.  It is the node's `Out`; the world that it stands in calls the rest."""

    __slots__ = (
        "applied",
        "durable",
        "id",
        "incarnation",
        "law",
        "machine",
        "newest",
        "node",
        "offset",
        "options",
        "parked",
        "pending",
        "rate",
        "reads",
        "receiving",
        "restore",
        "said",
        "saving",
        "snapshots",
        "timers",
        "values",
        "waiting",
        "watched",
        "world",
        "written",
    )

    def __init__(self, world: World, id: NodeId, machine: Machine) -> None:
        self.world, self.id, self.machine = world, id, machine
        self.options: Mapping[str, Any] = {}
        """Options of the protocol in which this host differs from the others."""
        self.node: Node | None = None
        """None while the process is down."""
        self.incarnation = 0
        self.said: Words = []
        self.timers: dict[Timer, Any] = {}

        # The disk: what is on it, what was handed to it in order, each with the words that wait.
        self.durable: Values | None = None
        self.written: Values | None = None
        self.pending: list[tuple[Values, Words]] = []
        self.snapshots: dict[Slot, Any] = {}
        self.saving: tuple[Slot, Any] | None = None  # the snapshot that is being written

        # The machine and who waits for it.
        self.applied: Slot = 0
        self.newest: Slot = 0  # the newest snapshot that the node was told of
        self.receiving: Slot | None = None  # of the snapshot that came with the message at hand
        self.waiting: dict[bytes, Op] = {}
        self.reads: dict[int, Op] = {}
        self.parked: list[tuple[Slot, Op]] = []

        # The clock: parts in 1,024 of true time, and what it shows at time 0.
        self.rate = 1024
        self.offset = 0

        # The last values of the attributes that promises watch.
        self.watched: tuple[Any, ...] | None = None
        self.law: ValuesLaw | None = None
        self.values: Any = None
        self.restore: StableCodec | None = None

    def boot(self, node: Node) -> None:
        """Give `node`, fresh from its factory, what the disk holds, and the machine's snapshot."""
        if self.restore is None:
            kind: Any = type(node)
            self.restore = _codec(kind)
            self.values = tuple_of(node.stable)
        if self.durable is not None:
            self.restore.restore(node, self.durable)
        self.written = self.durable
        slot = getattr(node, "snapshot_slot", 0)
        assert slot == 0 or slot in self.snapshots, (
            f"n{self.id} restarts from a snapshot at {slot} that its disk does not hold"
        )
        # Snapshots that the state does not speak of are leftovers of a crash.
        self.snapshots = {slot: self.snapshots[slot]} if slot else {}
        self.machine.load(self.snapshots.get(slot))
        self.applied = self.newest = slot
        self.watched, self.law = None, None
        self.node = node
        self.incarnation += 1

    def clear(self) -> None:
        """The process died: what was only in memory is gone."""
        self.node = None
        self.said = []
        self.pending = []
        self.saving = None
        self.timers.clear()
        self.waiting.clear()
        self.reads.clear()
        self.parked.clear()

    # The vocabulary of `Out`.

    @property
    def now(self) -> Micros:
        return self.world.clock(self)

    def send(self, to: NodeId, message: Message) -> None:
        self.said.append((SEND, to, message))

    def broadcast(self, to: Iterable[NodeId], message: Message) -> None:
        say = self.said.append
        for node in to:
            say((SEND, node, message))

    def send_early(self, to: NodeId, message: Message) -> None:
        # On the wire at once: a crash may lose the state of this very step, never this message.
        self.world.post(self.id, to, message)

    def send_snapshot(self, to: NodeId, message: Message) -> None:
        slot = self.newest
        assert slot in self.snapshots, f"n{self.id} sends a snapshot that it was never told of"
        self.said.append((SEND_SNAPSHOT, to, Received(message, slot, self.snapshots[slot])))

    def install(self, slot: Slot) -> None:
        assert slot == self.receiving, f"n{self.id} installs {slot}, but {self.receiving} came"
        self.newest = max(self.newest, slot)  # it may be passed on before this disk has the rest
        self.said.append((INSTALL, slot, self.snapshots[slot]))

    def set_timer(self, timer: Timer, after: tuple[int, int]) -> None:
        self.world.arm(self, timer, after)

    def cancel_timer(self, timer: Timer) -> None:
        self.world.disarm(self, timer)

    def deliver(self, slot: Slot, value: bytes) -> None:
        self.said.append((DELIVER, slot, value))

    def answer(self, request: Request, result: object) -> None:
        self.said.append((ANSWER, request, result))

    def refuse(self, request: Request, reason: str) -> None:
        self.said.append((REFUSE, request, reason))


@cache
def _codec(kind: type[Node]) -> StableCodec:
    """A seed starts too many nodes to find out anew, each time, what their class stores."""
    return StableCodec(kind)
