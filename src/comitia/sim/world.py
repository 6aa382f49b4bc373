"""A cluster, and everything that may happen to it; when it happens is for a subclass to say.

`Simulation` draws the moments from a seed; `Replay` takes them from a list.  Both laws of the
contract live here: the words of a turn wait for its state to be on disk (`finish`, `sync`), and a
crash (`crash`) keeps a prefix of what was handed to the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comitia.kernel import (
    Broken,
    Compact,
    Message,
    Micros,
    Node,
    NodeId,
    Promise,
    Propose,
    Read,
    Request,
    Slot,
    Timer,
)
from comitia.kernel.laws import LawBroken, ValuesLaw
from comitia.kernel.stable import Values
from comitia.sim.host import (
    ANSWER,
    DELIVER,
    INSTALL,
    REFUSE,
    SEND,
    SEND_SNAPSHOT,
    Host,
    Received,
    Words,
)
from comitia.sim.ledger import Ledger, Violation
from comitia.sim.watch import Watch
from comitia.sim.workload import Op, Workload

Make = Callable[[NodeId, Mapping[str, Any]], Node]
"""Makes a fresh node, with these options other than everybody's."""


class World:
    """Hosts, promises and clients, without time."""

    def __init__(
        self,
        ids: Sequence[NodeId],
        make: Make,
        promises: Sequence[Promise],
        workload: Workload,
        laws: bool = False,
        liars: frozenset[NodeId] = frozenset(),
    ) -> None:
        """`make` gives a fresh node; `laws` has the law of values checked after every step.

        Nothing is promised of the nodes `liars`: an adversary speaks for them.
        """
        self.time = 0
        """True time in microseconds."""
        self.make, self.workload, self.laws, self.liars = make, workload, laws, liars
        self.ledger = Ledger()
        self.hosts = {id: Host(self, id, workload.machine()) for id in ids}
        self.nodes: dict[NodeId, Node] = {}
        """The honest nodes that are up."""
        self.watch = Watch(promises)
        self.tokens = 0
        self.steps = 0

    # What a subclass brings.

    def post(self, src: NodeId, to: NodeId, message: Message) -> None:
        """`message` is on the wire."""
        raise NotImplementedError

    def forward(self, src: NodeId, to: NodeId, op: Op) -> None:
        """Host `src` passes a client's operation on to the leader's host."""
        raise NotImplementedError

    def arm(self, host: Host, timer: Timer, after: tuple[int, int]) -> None:
        """A node sets a timer."""
        raise NotImplementedError

    def disarm(self, host: Host, timer: Timer) -> None:
        """A node cancels a timer."""
        host.timers.pop(timer, None)

    def wrote(self, host: Host) -> None:
        """`host.pending` has grown."""
        raise NotImplementedError

    def clock(self, host: Host) -> Micros:
        """What the clock of `host` shows."""
        return (self.time * host.rate >> 10) + host.offset

    def note(self, kind: str, host: NodeId, text: str) -> None:
        """Something happens to the world around the hosts."""

    def retry(self, op: Op, refused: bool) -> None:
        """An attempt at `op` was turned away (`refused`: without effect) or cut off."""

    def completed(self, op: Op) -> None:
        """The client of `op` has its result."""

    # What may happen to a host that is up.

    def receive(self, host: Host, src: NodeId, message: Message) -> None:
        """`message` arrives."""
        assert host.node is not None
        host.node.on_message(src, message, host)
        self.finish(host)

    def receive_snapshot(self, host: Host, src: NodeId, received: Received) -> None:
        """A whole snapshot is on the disk of `host`; the message that came with it arrives."""
        assert host.node is not None
        host.snapshots[received.slot] = received.state
        host.receiving = received.slot
        host.node.on_message(src, received.message, host)
        host.receiving = None
        self.finish(host)

    def fire(self, host: Host, timer: Timer) -> None:
        """`timer` fires."""
        assert host.node is not None
        host.timers.pop(timer, None)
        host.node.on_timer(timer, host)
        self.finish(host)

    def request(self, host: Host, request: Request) -> None:
        """`request` is handed to the node."""
        assert host.node is not None
        self.watch.tell("on_request", host.id, request)
        if isinstance(request, Propose):
            self.ledger.handed(request.value)
        host.node.on_request(request, host)
        self.finish(host)

    def save(self, host: Host) -> None:
        """The host begins to write a snapshot of its machine as it is now."""
        host.saving = host.applied, host.machine.save()

    def saved(self, host: Host) -> None:
        """That snapshot is on disk, and the node is told: the log may go."""
        assert host.saving is not None
        (slot, state), host.saving = host.saving, None
        if slot > host.newest:
            host.snapshots[slot] = state
            host.newest = slot
            self.request(host, Compact(slot))

    def crash(self, host: Host, survive: int) -> None:
        """The process dies; of the writes under way the first `survive` have reached the disk."""
        if survive:
            host.durable = host.pending[survive - 1][0]
        cut_off = [
            *host.waiting.values(),
            *host.reads.values(),
            *(op for _, op in host.parked),
        ]
        host.clear()
        self.nodes.pop(host.id, None)
        for op in cut_off:
            self.retry(op, False)

    def forget(self, host: Host) -> None:
        """The disk of a host that is down is lost."""
        host.durable, host.snapshots = None, {}

    def upgrade(self, host: Host, options: Mapping[str, Any]) -> None:
        """A host that is down will start with these options."""
        host.options = options

    def start(self, host: Host) -> None:
        """The process starts, for the first time or again."""
        node = self.make(host.id, host.options)
        host.boot(node)
        if host.incarnation > 1:
            self.watch.tell("on_restart", node)
        if host.id not in self.liars:
            self.nodes[host.id] = node
            self.nodes = dict(sorted(self.nodes.items()))
        node.on_start(host)
        self.finish(host)

    # Steps, and the disk.

    def finish(self, host: Host) -> None:
        """A step is over: the turn ends here, unless more input is awaited."""
        self.end_turn(host)

    def hold_turn(self, host: Host) -> None:
        """A step is over, but its turn goes on: what it said and wrote stays in memory."""
        assert host.node is not None
        self.steps += 1
        self.look(host, host.node)

    def turn_over(self, host: Host) -> None:
        """No more input comes to the turn that was held."""
        self.end_turn(host)

    def look(self, host: Host, node: Node) -> None:
        """Evaluate the promises and the law of values after a step."""
        if self.liars and host.id in self.liars:
            return
        host.watched = self.watch.step(node, self.nodes, host.watched, host)
        if self.laws:
            if host.law is None:
                host.law = ValuesLaw(node)
            else:
                host.law.check()

    def end_turn(self, host: Host) -> None:
        """The end of a turn: promises, then the disk, then the words."""
        node = host.node
        assert node is not None
        self.steps += 1
        node.on_turn(host)
        self.look(host, node)
        values = host.values(node)
        if values != host.written:
            self._write(host, node, values)
        elif host.said:
            said, host.said = host.said, []
            if host.pending:
                host.pending[-1][1].extend(said)
            else:
                self._release(host, said)

    def _write(self, host: Host, node: Node, values: Values) -> None:
        said, host.said = host.said, []
        if node.apart and host.written is not None:
            # An implementation that writes these attributes one group after the other.
            held = dict(zip(node.stable, host.written, strict=True))
            for group in node.apart:
                held.update((name, getattr(node, name)) for name in group)
                halfway = tuple(held[name] for name in node.stable)
                if halfway != values:
                    host.pending.append((halfway, []))
        host.written = values
        host.pending.append((values, said))
        self.wrote(host)

    def sync(self, host: Host, count: int) -> None:
        """The first `count` of the writes under way are on disk: what waited for them goes out."""
        done, host.pending = host.pending[:count], host.pending[count:]
        host.durable = done[-1][0]
        for _, said in done:
            self._release(host, said)

    def _release(self, host: Host, said: Words) -> None:
        for what, subject, object in said:
            if what == SEND:
                self.post(host.id, subject, object)
            elif what == DELIVER:
                self.deliver(host, subject, object)
            elif what == ANSWER:
                self.answered(host, subject, object)
            elif what == REFUSE:
                self.refused(host, subject, object)
            elif what == SEND_SNAPSHOT:
                self.post(host.id, subject, object)
            else:
                assert what == INSTALL, what
                self.installed(host, subject, object)

    # Clients.

    def invoke(self, op: Op) -> None:
        """A client begins `op`."""
        self.ledger.invoke(op, self.time)

    def end(self, op: Op, happened: str) -> None:
        """The client of `op` gives up (`info`) or learns that it failed (`fail`)."""
        self.ledger.end(op, happened, self.time)

    def attempt(self, op: Op, host: Host) -> None:
        """A client asks `host`, which is up, for `op`."""
        node = host.node
        assert node is not None
        if op.ask is not None or not op.data:
            self.tokens += 1
            host.reads[self.tokens] = op
            self.request(host, op.ask(self.tokens) if op.ask else Read(self.tokens))
            return
        leader = getattr(node, "leader", host.id)
        if leader is None:
            self.retry(op, True)
            return
        host.waiting[op.data] = op
        if leader == host.id:
            self.request(host, Propose(op.data))
        else:
            self.forward(host.id, leader, op)

    def deliver(self, host: Host, slot: Slot, value: bytes) -> None:
        """The node of `host` says that `value` is decided at `slot`."""
        if host.id in self.liars:
            return
        if slot <= host.applied:
            raise Violation("Integrity", f"n{host.id} delivers slot {slot} twice in one lifetime")
        self.watch.tell("on_deliver", host.id, slot, value)
        op = self.ledger.decided(host.id, slot, host.applied, value)
        host.applied = slot
        if op is not None:
            place, result = host.machine.apply(slot, op)
            if host.waiting.pop(value, None) is not None:
                self.complete(host, op, place, result)
        if host.parked:
            self._serve_parked(host)

    def installed(self, host: Host, slot: Slot, state: Any) -> None:
        """The node has taken over a snapshot that another sent."""
        host.machine.load(state)
        host.applied = slot
        self._serve_parked(host)

    def complete(self, host: Host, op: Op, place: Slot, result: Any) -> None:
        """`host` answers the client of `op`, which may have been answered by another."""
        if self.ledger.complete(host.id, op, place, result, self.time):
            self.completed(op)

    def _serve_parked(self, host: Host) -> None:
        ready = [(slot, op) for slot, op in host.parked if slot <= host.applied]
        host.parked = [(slot, op) for slot, op in host.parked if slot > host.applied]
        for _, op in ready:
            self.complete(host, op, host.applied, host.machine.read(op))

    def answered(self, host: Host, request: Request, result: Any) -> None:
        """The node says that `request` is done."""
        if host.id in self.liars:
            return
        self.watch.tell("on_answer", host.id, request, result)
        op = host.reads.pop(getattr(request, "token", 0), None)
        if op is not None and op.ask is not None:
            self.complete(host, op, host.applied, result)
        elif op is not None:
            host.parked.append((result, op))
            self._serve_parked(host)

    def refused(self, host: Host, request: Request, reason: str) -> None:
        """The node says that `request` had no effect."""
        if isinstance(request, Propose):
            if host.id not in self.liars:
                self.ledger.spent(host.id, request.value, "refuses")
            op = host.waiting.pop(request.value, None)
        else:
            op = host.reads.pop(getattr(request, "token", 0), None)
        if op is not None:
            self.retry(op, True)

    # What went wrong.

    def name(self, error: Exception) -> Violation:
        """Return `error`, which a node, a promise or a law raised, under its promise's name."""
        if isinstance(error, Violation):
            return error
        if isinstance(error, Broken):
            assert self.watch.asking is not None
            return Violation(type(self.watch.asking).__name__, str(error))
        if isinstance(error, LawBroken):
            return Violation("LawOfValues", str(error))
        return Violation("NoError", f"a node raised {type(error).__name__}: {error}")
