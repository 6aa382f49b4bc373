"""Hosts in one event loop, for tests: real disks, real sockets on loopback, a plain application."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from comitia.kernel import NodeId, Propose, Protocol, Request, Slot
from comitia.kernel.stable import StableCodec
from comitia.net.book import Address, Book, Place
from comitia.net.host import Host
from comitia.net.links import Links
from comitia.net.segment import Identity
from comitia.net.storage import Storage
from comitia.protocols.raft import PROTOCOL


class Ledger:
    """An application that keeps every value."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.answers: list[tuple[Request, object]] = []
        self.refusals: list[tuple[Request, str]] = []
        self.messages: list[tuple[NodeId, bytes]] = []
        self.refusing: str | None = None

    gathered = awaited = 0
    serving = False

    def before_turn(self) -> None:
        """Nothing is ever batched here."""

    def apply(self, slot: Slot, value: bytes) -> None:
        if value:
            self.values.append(value)

    def answered(self, request: Request, result: object) -> None:
        self.answers.append((request, result))

    def refused(self, request: Request, reason: str) -> None:
        self.refusals.append((request, reason))

    def application_message(self, src: NodeId, payload: bytes) -> None:
        self.messages.append((src, payload))

    def after_turn(self) -> None:
        """Nobody waits for replies."""

    def snapshot(self) -> Iterator[bytes]:
        yield from tuple(self.values)

    def restore(self, chunks: Iterable[bytes]) -> None:
        self.values = list(chunks)

    def digest(self) -> bytes:
        return hashlib.blake2b(b"".join(self.values)).digest()

    def write_refused(self, reason: str | None) -> None:
        self.refusing = reason


class Cluster:
    """Members of one cluster, each with its own directory and port."""

    def __init__(
        self, directory: Path, size: int = 3, protocol: Protocol = PROTOCOL, **options: object
    ) -> None:
        self.directory, self.protocol, self.options = directory, protocol, options
        self.sockets = {id: bound() for id in range(1, size + 1)}
        self.addresses = {
            id: Address("127.0.0.1", sock.getsockname()[1]) for id, sock in self.sockets.items()
        }
        self.voters = tuple(self.addresses)
        self.hosts: dict[NodeId, Host] = {}
        self.host_type: type[Host] = Host
        self.segment_bytes = 1 << 20

    async def start(self, id: NodeId) -> Host:
        if id not in self.sockets:
            address = self.addresses.get(id, Address("127.0.0.1", 0))
            self.sockets[id] = bound(address.port)
            self.addresses[id] = Address("127.0.0.1", self.sockets[id].getsockname()[1])
        host = self.build(id)
        self.hosts[id] = host
        await host.start(self.sockets.pop(id))
        return host

    def build(self, id: NodeId) -> Host:
        directory = self.directory / f"n{id}"
        node = self.protocol.make(id, self.voters, **self.options)
        identity = Identity("test", id, self.protocol.name, self.protocol.codec.version)
        storage = Storage(directory, identity, StableCodec(type(node)), self.segment_bytes)
        places = [Place(other, address) for other, address in self.addresses.items()]
        links = Links(identity, Book(directory / "book", places))
        return self.host_type(node, self.protocol, storage, links, Ledger(), directory)

    async def start_all(self) -> None:
        for id in self.voters:
            await self.start(id)

    async def stop(self, id: NodeId) -> None:
        await self.hosts.pop(id).close()

    async def stop_all(self) -> None:
        for id in list(self.hosts):
            await self.stop(id)

    def ledger(self, id: NodeId) -> Ledger:
        application = self.hosts[id].application
        assert isinstance(application, Ledger)
        return application

    async def leader(self) -> Host:
        """Wait until all agree on a leader that is up."""

        def agreed() -> bool:
            leaders = {host.view.leader for host in self.hosts.values()}
            return len(leaders) == 1 and leaders.pop() in self.hosts

        await eventually(agreed)
        leader = next(iter(self.hosts.values())).view.leader
        assert leader is not None
        return self.hosts[leader]

    async def propose(self, values: Iterable[bytes]) -> None:
        """Have every value decided, one after the other, and applied by all who are up."""
        for value in values:
            host = await self.leader()
            host.request(Propose(value))
            await eventually(
                lambda value=value: all(value in self.ledger(id).values for id in self.hosts)
            )


def bound(port: int = 0) -> socket.socket:
    """Return a socket of 127.0.0.1 that is bound but does not listen yet."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


async def eventually(condition: Callable[[], bool], within_s: float = 20) -> None:
    """Wait for `condition`; AssertionError when it does not come true."""
    deadline_s = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline_s, "it never came to that"
        await asyncio.sleep(0.01)
