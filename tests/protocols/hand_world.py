"""A cluster of a replicated log, driven by hand: the test chooses every message, timer and crash.

    world = HandWorld(raft.PROTOCOL)                    # n1, n2, n3; options of `make` by name
    world.elect(2)                                      # by time alone, for every protocol
    world.propose(2, "x")                               # and everything that follows from it
    world.propose(2, "y", settle=False)                 # only this step: now hold messages back
    lost = world.lose(AppendEntries, to=3)              # `find` looks, `lose` takes away
    world.settle()                                      # whatever is under way arrives
    world.deliver(*lost)                                # late, after all
    world.crash(2), world.start(2), world.isolate(3), world.heal()
    world.fire(3, "election")                           # a timer, by its name
    assert world.values(3) == ["x", "y"] and world.leaders() == [2]

After each turn the stable state goes to a disk, as differences in bytes, and only then does what
was said leave; both laws of the kernel and every promise of the protocol are checked all the time.
Time stands still except in `elapse` (and `elect`) or where a test moves `clock`.  A protocol's own
vocabulary goes into a small subclass (`raft/raft_world.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from comitia.kernel import (
    Compact,
    Message,
    NodeId,
    Out,
    Propose,
    Protocol,
    Read,
    Reconfigure,
    Replica,
    Request,
    Transfer,
)
from comitia.kernel.laws import DiskBeforeWire, ValuesLaw
from comitia.kernel.stable import StableCodec, Values

Flying = tuple[NodeId, NodeId, Message]
"""Who sent what to whom; tests may make up their own."""


class Port(Out):
    """What one node says, kept for the world."""

    def __init__(self, world: HandWorld, id: NodeId) -> None:
        self.world, self.id = world, id
        self.held: list[tuple[NodeId, Message]] = []

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
        self.world.armed_ms[self.id, timer] = self.world.time_ms

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


class HandWorld:
    """Nodes 1 to `size`, and whoever is started later."""

    def __init__(
        self,
        protocol: Protocol,
        size: int = 3,
        make: Callable[..., Replica] | None = None,
        **options: Any,
    ) -> None:
        self.protocol, self.make, self.options = protocol, make or protocol.make, options
        self.voters = tuple(range(1, size + 1))
        self.nodes: dict[NodeId, Any] = {}  # those that are up
        self.disk: dict[NodeId, Values] = {}
        self.ports: dict[NodeId, Port] = {}
        self.timers: dict[NodeId, dict[str, tuple[int, int]]] = {}
        self.armed_ms: dict[tuple[NodeId, str], float] = {}
        self.time_ms = 0.0
        self.clock: dict[NodeId, int] = {}  # in microseconds
        self.applied: dict[NodeId, list[tuple[int, bytes]]] = {}
        self.flying: list[Flying] = []
        self.early: list[Message] = []  # what did not wait for the disk
        self.cut: set[tuple[NodeId, NodeId]] = set()
        self.answers: list[tuple[NodeId, Request, object]] = []
        self.refusals: list[tuple[NodeId, Request, str]] = []
        self.installed: list[tuple[NodeId, int]] = []
        self.snapshots_sent = 0
        self.promises = [promise() for promise in protocol.promises]
        for id in self.voters:
            self.start(id)

    # Processes.

    def start(self, id: NodeId) -> None:
        """First start, or restart from the disk."""
        node: Any = self.make(id, self.voters, **self.options)
        if id in self.disk:
            StableCodec(type(node)).restore(node, self.disk[id])
        self.clock.setdefault(id, 0)
        self.nodes[id], self.timers[id], self.ports[id] = node, {}, Port(self, id)
        slot = node.snapshot_slot
        self.applied[id] = [(slot, b"<snapshot>")] if slot else []
        for promise in self.promises:
            promise.on_restart(node)
        self.step(id, node.on_start)

    def crash(self, *ids: NodeId) -> None:
        """Everything but the disk is lost, also what the node had said to itself."""
        for id in ids:
            del self.nodes[id]
            self.flying = [f for f in self.flying if not f[0] == f[1] == id]

    def restart(self, id: NodeId) -> None:
        self.crash(id)
        self.start(id)

    def step(self, id: NodeId, do: Callable[[Out], None], durable: bool = True) -> None:
        """One event, the end of its turn, the disk, and then the wire.

        Not `durable`: the process dies before the disk has anything of it.
        """
        node, port = self.nodes[id], self.ports[id]
        law = ValuesLaw(node)
        do(port)
        node.on_turn(port)
        law.check()
        if not durable:
            self.crash(id)
            return
        codec = StableCodec(type(node))
        disk, before = DiskBeforeWire(codec), self.disk.get(id)
        if difference := codec.difference(before, codec.values(node)):
            self.disk[id] = codec.apply(before, difference)
        disk.on_durable(self.disk[id])
        disk.on_release(node)
        held, port.held = port.held, []
        for to, message in held:
            self.fly(id, to, message)
        for promise in self.promises:
            promise.on_step(node, self.nodes)

    # The network.

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        codec = self.protocol.codec
        assert codec.decode(codec.encode(message)) == message
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

    def find(self, kind: type[Message] = Message, src: int = 0, to: int = 0) -> list[Flying]:
        """What is under way, of this type, from `src` and to `to` (0: anybody)."""
        return [
            f
            for f in self.flying
            if isinstance(f[2], kind) and src in (0, f[0]) and to in (0, f[1])
        ]

    def lose(self, kind: type[Message] = Message, src: int = 0, to: int = 0) -> list[Flying]:
        """Drop what `find` finds, and return it."""
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
        """This timer of this node, due or not."""
        assert timer in self.timers[id], f"n{id} has not set {timer}: {self.timers[id]}"
        del self.timers[id][timer]
        node = self.nodes[id]
        self.step(id, lambda out: node.on_timer(timer, out))
        if settle:
            self.settle()

    def elapse(self, until: Callable[[], bool], within_ms: float = 60_000) -> None:
        """Let timers fire, in the order in which they are due, and messages take no time.

        Fails when `until` does not come true.
        """
        self.settle()
        end_ms = self.time_ms + within_ms
        while not until():
            due_ms, id, timer = min(
                (self.due_ms(id, timer), id, timer)
                for id in self.nodes
                for timer in self.timers[id]
            )
            passed_ms = max(due_ms - self.time_ms, 0)
            self.time_ms += passed_ms
            assert self.time_ms <= end_ms, f"waited {within_ms} ms in vain"
            for other in self.clock:
                self.clock[other] += round(passed_ms * 1000)
            self.fire(id, timer)

    def due_ms(self, id: NodeId, timer: str) -> float:
        """Each node waits its own part of the span: the first always the least, then a bit more."""
        low, high = self.timers[id][timer]
        return self.armed_ms[id, timer] + low + (high - low) * ((id - 1) % 8) / 8

    def elect(self, id: NodeId | None = None) -> NodeId:
        """Let time pass until a node that is up leads; hand over to `id`, if that is another.

        Returns who leads: who is the last to do so, while others may not know yet.
        """

        def led() -> NodeId | None:
            """Whom a majority follows, and can talk to."""
            for leader in self.leaders():
                heard = [n for n in self.nodes if (n, leader) not in self.cut]
                if sum(self.nodes[n].leader == leader for n in heard) * 2 > len(self.voters):
                    return leader
            return None

        self.elapse(lambda: led() is not None)
        leader = led()
        assert leader is not None
        if id is not None and id != leader:
            self.ask(leader, Transfer(0, id))
            self.elapse(lambda: led() == id)
            return id
        return leader

    # Requests.

    def ask(self, id: NodeId, request: Request, settle: bool = True, durable: bool = True) -> None:
        node = self.nodes[id]
        for promise in self.promises:
            promise.on_request(id, request)
        self.step(id, lambda out: node.on_request(request, out), durable)
        if settle:
            self.settle()

    def propose(self, id: NodeId, value: str, settle: bool = True, durable: bool = True) -> None:
        self.ask(id, Propose(value.encode()), settle, durable)

    def read(self, id: NodeId, token: int, settle: bool = True) -> None:
        self.ask(id, Read(token), settle)

    def compact(self, id: NodeId, slot: int | None = None) -> None:
        """The host has a snapshot up to `slot`, or of everything that `id` delivered."""
        self.ask(id, Compact(self.applied[id][-1][0] if slot is None else slot))

    def reconfigure(
        self,
        id: NodeId,
        token: int,
        voters: Iterable[NodeId],
        learners: Iterable[NodeId] = (),
        settle: bool = True,
    ) -> None:
        self.ask(id, Reconfigure(token, frozenset(voters), frozenset(learners)), settle)

    def transfer(self, id: NodeId, token: int, to: NodeId, settle: bool = True) -> None:
        self.ask(id, Transfer(token, to), settle)

    # What came of it.

    def answer(self, token: int) -> Any:
        """The result of the request with this token; KeyError when there is none."""
        for _, request, result in self.answers:
            if getattr(request, "token", None) == token:
                return result
        raise KeyError(token)

    def refusal(self, token: int) -> str:
        """Why the request with this token was refused; KeyError when it was not."""
        for _, request, reason in self.refusals:
            if getattr(request, "token", None) == token:
                return reason
        raise KeyError(token)

    def values(self, id: NodeId) -> list[str]:
        """What the machine of `id` was given."""
        return [value.decode() for _, value in self.applied[id] if value]

    def leaders(self) -> list[NodeId]:
        """Who takes itself for the leader."""
        return [id for id, node in sorted(self.nodes.items()) if node.leader == id]
