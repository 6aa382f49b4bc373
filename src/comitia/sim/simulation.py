"""When things happen: virtual time, and every moment of it from one seed.

The loop takes the next event off a heap, lets the world do it, and looks at what it brought about.
An event is a tuple (time, number, kind, host, ...) and nothing more; the number makes the order of
events total.  Nothing is recorded unless asked: a failing seed is simply run again.

After `steps` steps the chaos ends, everything heals, and the cluster must recover: `recovery.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from comitia.kernel import NodeId, Promise, Propose, Request, Timer, View
from comitia.sim.adversary import Adversary
from comitia.sim.chaos import Chaos
from comitia.sim.client import Client
from comitia.sim.dice import Dice
from comitia.sim.events import CHAOS, CLIENT, FORWARD, MESSAGE, SAVED, SNAPSHOT, SYNC, TIMER, TURN
from comitia.sim.faults import Plan
from comitia.sim.host import Host, Received
from comitia.sim.workload import Op, Workload
from comitia.sim.world import Make, World

FALLBACK_PATIENCE_MS: Final = 300
"""The patience of nodes that set no timer when they start."""


class Simulation(World):
    """One run of one seed."""

    def __init__(
        self,
        seed: int,
        plan: Plan,
        make: Make,
        promises: Sequence[Promise],
        workload: Workload,
        view: Callable[[Any], View],
        laws: bool = False,
        adversary: Adversary | None = None,
        rolling: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """`view` is what an operator sees of a node; `rolling` are options, with their values, in
        which members may differ.
        """
        ids = range(1, plan.voters + plan.spares + 1)
        liars = adversary.liars if adversary else frozenset()
        super().__init__(ids, make, promises, workload, laws, liars)
        self.adversary, self.view = adversary, view
        self.seed, self.plan = seed, plan
        self.heap: list[tuple[Any, ...]] = []
        self.number = self.events = 0
        self.dice = Dice(seed, "network")
        self.client_dice = Dice(seed, "clients")
        self.unit = 0
        self.patience_ms = 0
        self.chaos = Chaos(self, rolling or {})
        self.chaos_on = True

        # The network: links are numbered source * width + destination.
        self.width = len(ids) + 1
        self.blocked = bytearray(self.width * self.width)
        self.slow = [1] * (self.width * self.width)
        self.clear_at = [0] * (self.width * self.width)
        self.fifo = "reorder" not in plan.faults
        self.loss, self.duplicate = plan.loss, plan.duplicate
        self.delay = self.delay_tail = self.sync_least = self.sync_tail = self.hold = 0

        # Hosts: until when they are stopped, whether the disk is busy, whether a turn is open.
        self.stopped = dict.fromkeys(ids, 0)
        self.slow_sync = dict.fromkeys(ids, 1)
        self.disk_free_at = dict.fromkeys(ids, 0)
        self.syncing: dict[NodeId, int] = {}
        self.open_turns: set[NodeId] = set()
        self.streaming: set[tuple[NodeId, NodeId]] = set()
        self.clients = [Client(number) for number in range(1, plan.clients + 1)]
        self.by_process = {client.process: client for client in self.clients}
        self.members: Sequence[NodeId] = ()
        """Whom clients ask once all has healed: one that was removed never hears of a decision."""

    # The loop.

    def begin(self) -> None:
        """Start the hosts and the clients."""
        for host in self.hosts.values():
            self.start(host)
        self.keep_pace(max(1, self.patience_ms or FALLBACK_PATIENCE_MS))
        for client in self.clients:
            self.at(self.client_dice.waiting(self.plan.think * self.unit), CLIENT, None, client, 0)
        self.chaos.begin()

    def keep_pace(self, unit: int) -> None:
        """Times of the plan are parts of `unit`, in microseconds: of a 1,000th of the patience."""
        plan, self.unit = self.plan, unit
        self.delay, self.delay_tail = plan.delay[0] * unit, plan.delay[1] * unit
        self.sync_least, self.sync_tail = plan.sync[0] * unit, plan.sync[1] * unit

    def run(self, steps: int) -> None:
        """Handle events until nodes have taken `steps` steps, or nothing (but noise) happens."""
        heap, stopped = self.heap, self.stopped
        until = self.steps + steps
        quiet = 1_000 + 20 * steps
        while heap and self.steps < until and quiet:
            quiet -= 1
            self.events += 1
            event = heappop(heap)
            self.time = event[0]
            kind, host = event[2], event[3]
            if host is None:
                self.happen(kind, event[4], event[5])
            elif host.node is None:
                self.lost(kind, host, event)
            elif stopped[host.id] > self.time:
                self.number += 1
                heappush(heap, (stopped[host.id], self.number, *event[2:]))
            elif kind == MESSAGE:
                self.receive(host, event[4], event[5])
            elif kind == TIMER:
                self.ring(host, event[4], event[5])
            else:
                self.do(kind, host, event[4], event[5])

    def at(self, delay: int, kind: int, host: Host | None, a: Any, b: Any) -> None:
        """Let an event happen after `delay`."""
        self.number += 1
        heappush(self.heap, (self.time + delay, self.number, kind, host, a, b))

    def do(self, kind: int, host: Host, a: Any, b: Any) -> None:
        """The rarer events of a host that is up."""
        if kind == SYNC:
            if a == host.incarnation:
                self.sync_done(host)
        elif kind == TURN:
            if a == host.incarnation:
                self.open_turns.discard(host.id)
                self.turn_over(host)
        elif kind == FORWARD:
            self.take_forwarded(host, b)
        elif kind == SNAPSHOT:
            self.snapshot_arrived(host, a, b)
        else:
            assert kind == SAVED, kind
            if a == host.incarnation:
                self.saved(host)

    def happen(self, kind: int, a: Any, b: Any) -> None:
        """Events that belong to no host."""
        if kind == CLIENT:
            self.client_acts(a, b)
        else:
            assert kind == CHAOS, kind
            self.chaos.strike(a, b)

    def lost(self, kind: int, host: Host, event: tuple[Any, ...]) -> None:
        """An event of a host that is down."""
        if kind == SNAPSHOT:
            self.streaming.discard((event[4], host.id))

    # Network.

    def post(self, src: NodeId, to: NodeId, message: Any, kind: int = MESSAGE) -> None:
        if self.liars and src in self.liars and kind == MESSAGE and src != to:
            assert self.adversary is not None
            for whom, lie in self.adversary.rewrite(src, to, message):
                self.transmit(src, whom, lie, MESSAGE)
        else:
            self.transmit(src, to, message, kind)

    def transmit(self, src: NodeId, to: NodeId, message: Any, kind: int) -> None:
        """Put `message` on the wire, and let the network do to it what it does."""
        if type(message) is Received:
            kind = SNAPSHOT
            if (src, to) in self.streaming:
                return  # resumed, not begun anew
            self.streaming.add((src, to))
        if src == to:
            self.number += 1
            heappush(self.heap, (self.time, self.number, kind, self.hosts[to], src, message))
            return
        link = src * self.width + to
        bits = self.dice.bits
        if self.blocked[link] or bits() < self.loss:
            if kind == SNAPSHOT:
                self.streaming.discard((src, to))
            return
        draw = bits()
        delay = (
            self.delay
            + self.delay_tail * (((32 - draw.bit_length()) << 16) + (draw & 0xFFFF)) // 98304
        )
        if self.slow[link] > 1:
            delay *= self.slow[link]
        arrival = self.time + delay
        if arrival < self.clear_at[link]:
            arrival = self.clear_at[link]
        if self.fifo:
            self.clear_at[link] = arrival
        self.number += 1
        host = self.hosts[to]
        heappush(self.heap, (arrival, self.number, kind, host, src, message))
        if kind != SNAPSHOT and self.duplicate and bits() < self.duplicate:
            again = arrival + self.dice.waiting(self.delay_tail * 4)
            self.number += 1
            heappush(self.heap, (again, self.number, kind, host, src, message))

    def forward(self, src: NodeId, to: NodeId, op: Op) -> None:
        self.post(src, to, op, FORWARD)

    def take_forwarded(self, host: Host, op: Op) -> None:
        """The host of the leader, or of who was, is asked on a client's behalf."""
        self.request(host, Propose(op.data))

    def snapshot_arrived(self, host: Host, src: NodeId, received: Received) -> None:
        """All of it is there; it is durable now, and the node learns of it."""
        self.streaming.discard((src, host.id))
        self.receive_snapshot(host, src, received)

    # Timers.  Setting one again usually only moves it back, so the event in the heap stays and
    # finds out when its time has come: `host.timers` holds [due, time of the event].

    def arm(self, host: Host, timer: Timer, after: tuple[int, int]) -> None:
        low, high = after
        if not self.unit and high > self.patience_ms:
            self.patience_ms = high
        span = (high - low) * 1000
        delay = low * 1000 + (self.dice.bits() * (span + 1) >> 32 if span else 0)
        due = self.time + (delay * 1024 // host.rate)
        entry = host.timers.get(timer)
        if entry is not None and entry[1] <= due:
            entry[0] = due
            return
        entry = [due, due]
        host.timers[timer] = entry
        self.number += 1
        heappush(self.heap, (due, self.number, TIMER, host, timer, entry))

    def ring(self, host: Host, timer: Timer, entry: list[int]) -> None:
        """A timer's event: fire, or wait on when the timer was set again, or nothing."""
        if host.timers.get(timer) is not entry:
            return
        if entry[0] > self.time:
            entry[1] = entry[0]
            self.number += 1
            heappush(self.heap, (entry[0], self.number, TIMER, host, timer, entry))
        else:
            self.fire(host, timer)

    # Turns and the disk.

    def finish(self, host: Host) -> None:
        if self.hold and self.chaos_on:
            held = host.id in self.open_turns
            if not held and self.dice.bits() < self.hold:
                held = True
                self.open_turns.add(host.id)
                self.at(self.dice.waiting(self.unit * 3), TURN, host, host.incarnation, None)
            if held:
                self.hold_turn(host)
                return
        self.end_turn(host)

    def wrote(self, host: Host) -> None:
        instant = not self.sync_tail and not self.sync_least
        if instant and self.disk_free_at[host.id] <= self.time and not host.pending[1:]:
            self.sync(host, len(host.pending))
        elif host.id not in self.syncing:
            self.begin_sync(host)

    def begin_sync(self, host: Host) -> None:
        """Everything written so far goes to disk in one sync; what is written now waits for it."""
        self.syncing[host.id] = len(host.pending)
        delay = self.sync_least + self.dice.waiting(self.sync_tail)
        delay *= self.slow_sync[host.id]
        delay = max(delay, self.disk_free_at[host.id] - self.time)
        self.at(delay, SYNC, host, host.incarnation, None)

    def sync_done(self, host: Host) -> None:
        """The sync under way is over."""
        self.sync(host, self.syncing.pop(host.id))
        if host.pending:
            self.begin_sync(host)

    def crash(self, host: Host, survive: int) -> None:
        self.open_turns.discard(host.id)
        self.syncing.pop(host.id, None)
        super().crash(host, survive)

    def ask(self, host: Host, request: Request) -> None:
        """An operator asks the node of `host`, unless its process is stopped."""
        if self.stopped[host.id] <= self.time:
            self.request(host, request)

    # Clients.

    def client_acts(self, client: Client, attempt: int) -> None:
        """Time for a client's next operation, or for its next attempt at the one it has open."""
        if attempt != client.attempt:
            return
        client.attempt += 1
        dice, unit = self.client_dice, self.unit
        op = client.op
        if op is None:
            client.seq += 1
            op = client.op = self.workload.operation(client.process, client.seq, dice)
            client.tries = 0
            self.invoke(op)
        elif op.ask is not None and client.tries and not client.refused:
            self.give_up(client, op)  # asked again, it might be done twice
            return
        elif client.tries >= 6 and self.chaos_on and dice.below(4) == 0:
            self.give_up(client, op)
            return
        client.refused = False
        client.tries += 1
        # Patience grows: an overloaded cluster is not helped by ever more attempts.
        patience = 8 if op.ask is not None else min(client.tries, 8)
        self.at(
            unit * 500 * patience + dice.waiting(unit * 200),
            CLIENT,
            None,
            client,
            client.attempt,
        )
        hosts = [self.hosts[id] for id in self.members] or self.hosts.values()
        up = [host for host in hosts if host.node is not None]
        if up and self.stopped[(host := dice.choose(up)).id] <= self.time:
            self.attempt(op, host)
        else:
            client.refused = True

    def give_up(self, client: Client, op: Op) -> None:
        """The client never learns what became of `op`; somebody new goes on in its place."""
        self.end(op, "info")
        del self.by_process[client.process]
        client.op, client.seq = None, 0
        client.process += 100
        self.by_process[client.process] = client
        self.at(self.unit, CLIENT, None, client, client.attempt)

    def retry(self, op: Op, refused: bool) -> None:
        client = self.by_process.get(op.client)
        if client is not None and client.op is op:
            client.attempt += 1
            client.refused = refused
            delay = self.client_dice.waiting(self.unit * 100)
            self.at(delay, CLIENT, None, client, client.attempt)

    def completed(self, op: Op) -> None:
        client = self.by_process[op.client]
        client.op = None
        client.attempt += 1
        if self.chaos_on or not op.data:
            delay = self.client_dice.waiting(self.plan.think * self.unit)
            self.at(delay, CLIENT, None, client, client.attempt)
        else:
            client.content = True
