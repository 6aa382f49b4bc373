"""A cluster driven by hand: the test chooses every timer, message, crash and clock.

After each turn the stable state goes to a disk, as bytes; both laws of the kernel and every promise
of the protocol are checked.
"""

from __future__ import annotations

from collections.abc import Callable
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
    Transfer,
)
from comitia.kernel.laws import DiskBeforeWire, ValuesLaw
from comitia.kernel.stable import StableCodec, Values
from comitia.protocols.raft import PROTOCOL, Options, Raft

Flying = tuple[NodeId, NodeId, Message]


class Port(Out):
    """What one node says, kept for the world."""

    def __init__(self, world: World, id: NodeId) -> None:
        self.world, self.id = world, id
        self.held: list[tuple[NodeId, Message]] = []
        self.installed: int | None = None

    @property
    def now(self) -> int:
        return self.world.clock[self.id]

    def send(self, to: NodeId, message: Message) -> None:
        self.held.append((to, message))

    def send_early(self, to: NodeId, message: Message) -> None:
        self.world.early.append(message)
        self.world.fly(self.id, to, message)

    def send_snapshot(self, to: NodeId, message: Message) -> None:
        self.world.snapshots_sent += 1
        self.held.append((to, message))

    def install(self, slot: int) -> None:
        self.world.applied[self.id] = [(slot, b"<snapshot>")]
        self.world.installed.append((self.id, slot))

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        assert 0 < after[0] <= after[1]
        self.world.timers[self.id][timer] = after

    def cancel_timer(self, timer: str) -> None:
        self.world.timers[self.id].pop(timer, None)

    def deliver(self, slot: int, value: bytes) -> None:
        self.world.applied[self.id].append((slot, value))
        for promise in self.world.promises:
            promise.on_deliver(self.id, slot, value)

    def answer(self, request: Request, result: object) -> None:
        self.world.answers.append((self.id, request, result))
        for promise in self.world.promises:
            promise.on_answer(self.id, request, result)

    def refuse(self, request: Request, reason: str) -> None:
        self.world.refusals.append((self.id, request, reason))


class World:
    """Servers 1 to `size`, and whoever is started later."""

    usual: ClassVar[type[Raft]] = Raft
    """What the servers are: a test of mutants puts one here."""

    def __init__(self, size: int = 3, **options: Any) -> None:
        self.server, self.options = self.usual, Options(**options)
        self.voters = tuple(range(1, size + 1))
        self.codec = StableCodec(self.server)
        self.nodes: dict[NodeId, Raft] = {}
        self.disk: dict[NodeId, Values] = {}
        self.ports: dict[NodeId, Port] = {}
        self.timers: dict[NodeId, dict[str, tuple[int, int]]] = {}
        self.clock: dict[NodeId, int] = {}
        self.applied: dict[NodeId, list[tuple[int, bytes]]] = {}
        self.flying: list[Flying] = []
        self.early: list[Message] = []  # what did not wait for the disk
        self.cut: set[tuple[NodeId, NodeId]] = set()
        self.answers: list[tuple[NodeId, Request, object]] = []
        self.refusals: list[tuple[NodeId, Request, str]] = []
        self.installed: list[tuple[NodeId, int]] = []
        self.snapshots_sent = 0
        self.promises = [promise() for promise in PROTOCOL.promises]
        for id in self.voters:
            self.start(id)

    # Processes.

    def start(self, id: NodeId) -> None:
        """First start, or restart from the disk."""
        node = self.server(id, self.voters, self.options)
        if id in self.disk:
            self.codec.restore(node, self.disk[id])
        self.clock.setdefault(id, 0)
        self.nodes[id], self.timers[id] = node, {}
        self.ports[id] = Port(self, id)
        self.applied[id] = [(node.snapshot.index, b"<snapshot>")] if node.snapshot.index else []
        for promise in self.promises:
            promise.on_restart(node)
        self.step(id, node.on_start)

    def crash(self, id: NodeId) -> None:
        """Everything but the disk is lost, also what the node had said to itself."""
        del self.nodes[id]
        self.flying = [f for f in self.flying if not f[0] == f[1] == id]

    def restart(self, id: NodeId) -> None:
        self.crash(id)
        self.start(id)

    def step(self, id: NodeId, do: Callable[[Out], None]) -> None:
        """One event, the end of its turn, the disk, and then the wire."""
        node, port = self.nodes[id], self.ports[id]
        law = ValuesLaw(node)
        do(port)
        node.on_turn(port)
        law.check()
        disk = DiskBeforeWire(self.codec)
        before = self.disk.get(id)
        difference = self.codec.difference(before, self.codec.values(node))
        if difference:
            self.disk[id] = self.codec.apply(before, difference)
        disk.on_durable(self.disk[id])
        disk.on_release(node)
        held, port.held = port.held, []
        for to, message in held:
            self.fly(id, to, message)
        for promise in self.promises:
            promise.on_step(node, self.nodes)

    # The network.

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        assert PROTOCOL.codec.decode(PROTOCOL.codec.encode(message)) == message
        if (src, to) not in self.cut:
            self.flying.append((src, to, message))

    def deliver(self, *which: Flying) -> None:
        """Deliver these, whether they are under way or not (again, later, out of order)."""
        for src, to, message in which:
            if (src, to, message) in self.flying:
                self.flying.remove((src, to, message))
            if to in self.nodes:
                node = self.nodes[to]
                self.step(to, lambda out, n=node, s=src, m=message: n.on_message(s, m, out))

    def settle(self, limit: int = 10_000) -> None:
        """Deliver everything, and what that causes, until nothing is under way."""
        while self.flying:
            self.deliver(self.flying[0])
            limit -= 1
            assert limit > 0, f"never silent: {self.flying[:4]}"

    def find(self, kind: type[Message], src: int = 0, to: int = 0) -> list[Flying]:
        """What is under way, of this type, from `src` and to `to` (0: anybody)."""
        return [
            f
            for f in self.flying
            if isinstance(f[2], kind) and src in (0, f[0]) and to in (0, f[1])
        ]

    def lose(self, kind: type[Message] = Message, src: int = 0, to: int = 0) -> list[Flying]:
        """Drop what `find` finds."""
        lost = self.find(kind, src, to)
        self.flying = [f for f in self.flying if f not in lost]
        return lost

    def isolate(self, *ids: NodeId) -> None:
        """Cut these off from everybody else, both ways."""
        for id in ids:
            for other in set(self.clock) - set(ids):
                self.cut |= {(id, other), (other, id)}
        self.flying = [f for f in self.flying if f[:2] not in self.cut]

    def heal(self) -> None:
        self.cut.clear()

    # Time.

    def fire(self, id: NodeId, timer: str, settle: bool = True) -> None:
        assert timer in self.timers[id], f"n{id} has not set {timer}: {self.timers[id]}"
        del self.timers[id][timer]
        node = self.nodes[id]
        self.step(id, lambda out: node.on_timer(timer, out))
        if settle:
            self.settle()

    def expire(self, id: NodeId) -> None:
        """`id` hears nobody for an election timeout; what it says then is lost."""
        before = list(self.flying)
        self.fire(id, "quorum" if self.nodes[id].role == "leader" else "election", settle=False)
        self.flying = before

    def elect(self, id: NodeId) -> Raft:
        """Everybody hears nobody for long, and `id` is the first to be heard after that."""
        node = self.nodes[id]
        for other in sorted(self.nodes):
            while self.nodes[other].role == "leader" and other != id:
                self.expire(other)
            if other != id:
                self.expire(other)
        if node.role != "leader":
            self.fire(id, "election")
        assert node.role == "leader", f"n{id} is {node.role} in term {node.current_term}"
        self.beat(id)
        return node

    def overtake(self, id: NodeId) -> None:
        """`id` is elected while a leader that is cut off does not know."""
        for other in sorted(self.nodes):
            if self.nodes[other].role != "leader":
                self.expire(other)
        self.fire(id, "election")
        assert self.nodes[id].role == "leader"

    def beat(self, id: NodeId) -> None:
        """A round of heartbeats, answered."""
        self.fire(id, "heartbeat")

    # Requests.

    def ask(self, id: NodeId, request: Request, settle: bool = True) -> None:
        node = self.nodes[id]
        for promise in self.promises:
            promise.on_request(id, request)
        self.step(id, lambda out: node.on_request(request, out))
        if settle:
            self.settle()

    def propose(self, id: NodeId, value: str, settle: bool = True) -> None:
        self.ask(id, Propose(value.encode()), settle)

    def read(self, id: NodeId, token: int, settle: bool = True) -> None:
        self.ask(id, Read(token), settle)

    def compact(self, id: NodeId, slot: int | None = None) -> None:
        self.ask(id, Compact(self.nodes[id].commit_index if slot is None else slot))

    def reconfigure(
        self,
        id: NodeId,
        token: int,
        voters: set[int],
        learners: set[int] | None = None,
        settle: bool = True,
    ) -> None:
        self.ask(id, Reconfigure(token, frozenset(voters), frozenset(learners or ())), settle)

    def transfer(self, id: NodeId, token: int, to: NodeId, settle: bool = True) -> None:
        self.ask(id, Transfer(token, to), settle)

    def answer(self, token: int) -> Any:
        """The result of the request with this token; KeyError when there is none."""
        for _, request, result in self.answers:
            if getattr(request, "token", None) == token:
                return result
        raise KeyError(token)

    def refusal(self, token: int) -> str:
        for _, request, reason in self.refusals:
            if getattr(request, "token", None) == token:
                return reason
        raise KeyError(token)

    # What came of it.

    def values(self, id: NodeId) -> list[str]:
        """What the machine of `id` was given."""
        return [value.decode() for _, value in self.applied[id] if value]

    def terms(self, id: NodeId) -> list[int]:
        return [entry.term for entry in self.nodes[id].log][1:]

    def leaders(self) -> list[NodeId]:
        return [id for id, node in sorted(self.nodes.items()) if node.role == "leader"]
