"""Read-modify-write over three distant sites, leaderless and with a leader, in simulated time.

    python benchmarks/wan.py

The sites are those of the CASPaxos paper (section 3.2): West US 2, West Central US and Southeast
Asia, with round trips of 21.8, 169 and 189.2 ms.  A client at each site reads a value and writes it
back, one after the other, each on a key of its own; only messages between sites take time.  The
very classes that the network runs are stepped here.  A leader sits in Southeast Asia; a client
elsewhere sends its commands there and waits for the answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from comitia.kernel import Message, Node, NodeId, Out, Propose, Read, Request, Transfer
from comitia.protocols.abd.messages import ReadRegister, WriteRegister
from comitia.protocols.abd.node import Abd
from comitia.protocols.caspaxos.messages import Change
from comitia.protocols.caspaxos.node import CasPaxos
from comitia.protocols.raft import PROTOCOL as RAFT

SITES = {1: "West US 2", 2: "West Central US", 3: "Southeast Asia"}
ROUND_TRIP_MS = {(1, 2): 21.8, (1, 3): 169.0, (2, 3): 189.2}
ITERATIONS = 20
Then = Callable[[Any], None]


def one_way_ms(a: NodeId, b: NodeId) -> float:
    """Return how long a message takes from one site to another."""
    return 0.0 if a == b else ROUND_TRIP_MS[min(a, b), max(a, b)] / 2


class Site(Out):
    """The host of one node."""

    def __init__(self, world: World, node: Node) -> None:
        self.world, self.node = world, node
        self.timers: dict[str, int] = {}
        self.waiting: dict[object, Then] = {}
        self.parked: list[tuple[int, Then]] = []
        self.applied = 0

    @property
    def now(self) -> int:
        return int(self.world.now_ms * 1000)

    def turn(self, step: Callable[[], None]) -> None:
        """One input and the end of the turn; disks take no time here."""
        step()
        self.node.on_turn(self)

    def send(self, to: NodeId, message: Message) -> None:
        target, src = self.world.sites[to], self.node.id
        self.world.after(
            one_way_ms(src, to),
            lambda: target.turn(lambda: target.node.on_message(src, message, target)),
        )

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        self.timers[timer] = number = self.timers.get(timer, 0) + 1
        # Each site draws another moment, or elections would never end.
        low, high = after
        delay_ms = low + (high - low) * self.node.id / len(SITES)
        self.world.after(delay_ms, lambda: self.fire(timer, number))

    def fire(self, timer: str, number: int) -> None:
        if self.timers.get(timer) == number:
            self.turn(lambda: self.node.on_timer(timer, self))

    def cancel_timer(self, timer: str) -> None:
        self.timers[timer] = self.timers.get(timer, 0) + 1

    def request(self, request: Request, name: object, then: Then) -> None:
        """Ask the node; `then` is told when `name` is answered or delivered."""
        self.waiting[name] = then
        self.turn(lambda: self.node.on_request(request, self))

    def answer(self, request: Request, result: object) -> None:
        then = self.waiting.pop(request.token)  # type: ignore[attr-defined]
        if isinstance(request, Read) and isinstance(result, int) and result > self.applied:
            self.parked.append((result, then))
        else:
            then(result)

    def deliver(self, slot: int, value: bytes) -> None:
        self.applied = slot
        if value in self.waiting:
            self.waiting.pop(value)(None)
        ready = [then for until, then in self.parked if until <= slot]
        self.parked = [each for each in self.parked if each[0] > slot]
        for then in ready:
            then(None)


class World:
    """Three sites and the time."""

    def __init__(self, make: Callable[[NodeId, tuple[NodeId, ...]], Node]) -> None:
        self.now_ms, self.number, self.tokens = 0.0, 0, 0
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        voters = tuple(SITES)
        self.sites = {id: Site(self, make(id, voters)) for id in voters}
        for site in self.sites.values():
            site.turn(lambda site=site: site.node.on_start(site))  # type: ignore[misc]

    def after(self, delay_ms: float, do: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.heap, (self.now_ms + delay_ms, self.number, do))

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            self.now_ms, _, do = heapq.heappop(self.heap)
            do()

    def token(self) -> int:
        self.tokens += 1
        return self.tokens


def caspaxos(world: World, site: NodeId, write: bool, then: Then) -> None:
    token = world.token()
    request = Change(token, b"key of %d" % site, b"=%d" % token if write else b"")
    world.sites[site].request(request, token, then)


def abd(world: World, site: NodeId, write: bool, then: Then) -> None:
    token, key = world.token(), b"key of %d" % site
    request = WriteRegister(token, key, b"%d" % token) if write else ReadRegister(token, key)
    world.sites[site].request(request, token, then)


def with_leader(leader: NodeId) -> Callable[[World, NodeId, bool, Then], None]:
    """Clients send every command to the leader's site, as the paper's etcd and MongoDB do."""

    def ask(world: World, site: NodeId, write: bool, then: Then) -> None:
        token, away = world.token(), one_way_ms(site, leader)

        def back(result: object) -> None:
            world.after(away, lambda: then(result))

        def there() -> None:
            value = b"%d" % token
            request: Request = Propose(value) if write else Read(token)
            world.sites[leader].request(request, value if write else token, back)

        world.after(away, there)

    return ask


def measure(world: World, ask: Callable[[World, NodeId, bool, Then], None]) -> dict[NodeId, float]:
    """Return the mean time of a read and a write at each site, in ms, once all is warm."""
    means: dict[NodeId, float] = {}

    def client(site: NodeId) -> None:
        began = [0.0]

        def step(number: int) -> None:
            if number == 2:  # the first iteration fills the caches
                began[0] = world.now_ms
            if number == 2 * (ITERATIONS + 1):
                means[site] = (world.now_ms - began[0]) / ITERATIONS
                return
            ask(world, site, number % 2 == 1, lambda result: step(number + 1))

        step(0)

    for site in SITES:
        client(site)
    world.run(lambda: len(means) == len(SITES))
    return means


def raft(id: NodeId, voters: tuple[NodeId, ...]) -> Node:
    """A server with timeouts fit for these distances, whose reads ask a majority."""
    return RAFT.make(id, voters, election_timeout_ms=1_000, heartbeat_ms=100, reads="index")


def leaders(world: World) -> list[NodeId]:
    """Return whom each site takes for the leader."""
    return [site.node.leader for site in world.sites.values()]  # type: ignore[attr-defined]


def rows() -> list[tuple[str, dict[NodeId, float]]]:
    """Measure everything."""
    found = [
        ("CASPaxos", measure(World(CasPaxos), caspaxos)),
        ("ABD (read, then write: not atomic)", measure(World(Abd), abd)),
    ]
    world = World(raft)
    world.run(lambda: world.now_ms > 10_000)
    leader = leaders(world)[0]
    if leader != 3:
        world.sites[leader].request(Transfer(world.token(), 3), world.tokens, lambda result: None)
        world.run(lambda: world.now_ms > 20_000)
    assert leaders(world) == [3, 3, 3], f"the leader is {leaders(world)}"
    found.append(("Raft, leader in Southeast Asia", measure(world, with_leader(3))))
    return found


def main() -> None:
    """Print the table."""
    print("read-modify-write, ms".ljust(38), *(name.rjust(16) for name in SITES.values()))
    for name, means in rows():
        print(name.ljust(38), *(f"{means[site]:16.1f}" for site in SITES))


if __name__ == "__main__":
    main()
