"""A log without a protocol: members that share a list, with every failure at the test's command."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from comitia.kernel import NodeId, Propose, Read, Replica, Request
from comitia.machines.redis import Redis
from comitia.machines.reply import Reply
from comitia.serve.service import Service


class Member(Replica):
    """As much of a replica as a service looks at."""

    def __init__(self, id: NodeId, cluster: Cluster) -> None:
        super().__init__(id)
        self._cluster = cluster

    @property
    def leader(self) -> NodeId | None:
        return self._cluster.leader

    @property
    def snapshot_slot(self) -> int:
        return 0


class FakeHost:
    """What `Hosting` promises, one turn at a time."""

    def __init__(self, id: NodeId, cluster: Cluster, **options: Any) -> None:
        self.id, self.cluster = id, cluster
        self.node = Member(id, cluster)
        self.applied = 0
        self.requests: deque[Request] = deque()
        self.woken = False
        self.service = Service(Redis(), **options)
        self.service.attach(self)

    def wake(self) -> None:
        self.woken = True

    def request(self, request: Request) -> None:
        self.requests.append(request)

    def send_application(self, to: NodeId, payload: bytes) -> None:
        self.cluster.forwards.append((self.id, to, payload))

    def now_ms(self) -> int:
        return self.cluster.now_ms

    def turn(self) -> None:
        """One turn: hand in, decide, apply, answer."""
        self.woken = False
        self.service.before_turn()
        while self.requests:
            self.cluster.decide(self, self.requests.popleft())
        self.apply()
        self.service.after_turn()

    def apply(self) -> None:
        while self.applied < len(self.cluster.log):
            self.service.apply(self.applied + 1, self.cluster.log[self.applied])
            self.applied += 1


class Cluster:
    """Three members and their log."""

    def __init__(self, **options: Any) -> None:
        self.leader: NodeId | None = 1
        self.now_ms = 1_000_000
        self.log: list[bytes] = []
        self.forwards: deque[tuple[NodeId, NodeId, bytes]] = deque()
        self.refusing = False
        self.losing = False
        self.slow: list[bytes] | None = None  # a list: what is proposed waits there
        self.mute = False  # reads are neither answered nor refused
        self.hosts = {id: FakeHost(id, self, **options) for id in (1, 2, 3)}

    def decide(self, host: FakeHost, request: Request) -> None:
        if isinstance(request, Read):
            if self.leader is None:
                host.service.refused(request, "no leader")
            elif not self.mute:
                host.service.answered(request, len(self.log))
        elif self.refusing or host.id != self.leader:
            host.service.refused(request, "not the leader")
        elif self.slow is not None:
            self.slow.append(cast(Propose, request).value)
        elif not self.losing:
            self.log.append(cast(Propose, request).value)

    def run(self, turns: int = 4) -> None:
        """A few turns of everybody; what they send each other arrives."""
        for _ in range(turns):
            for host in self.hosts.values():
                host.turn()
            self.deliver()

    def deliver(self) -> None:
        forwards, self.forwards = self.forwards, deque()
        for src, to, payload in forwards:
            self.hosts[to].service.application_message(src, payload)

    def later(self, ms: int) -> None:
        self.now_ms += ms
        for host in self.hosts.values():
            host.service.tick(self.now_ms)
        self.run()


class Client:
    """Collects what a backend answers."""

    def __init__(self, host: FakeHost) -> None:
        self.service = host.service
        self.replies: list[Reply] = []

    def write(self, *lines: str) -> None:
        commands = [line.encode().split() for line in lines]
        self.service.write(commands, sum(map(len, lines)), self.replies.extend)

    def read(self, *lines: str) -> None:
        commands = [line.encode().split() for line in lines]
        self.service.read(commands, sum(map(len, lines)), self.replies.extend)
