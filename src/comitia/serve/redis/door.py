"""The Redis port of one member: who is connected, and what every connection needs."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Iterable

from comitia.machines.redis import DATA
from comitia.machines.redis.command import Table
from comitia.serve.backend import Backend
from comitia.serve.redis import about, client, transaction
from comitia.serve.redis.connection import Connection

OWN = Table(client.commands, about.commands, transaction.commands)
"""What this member answers by itself, or prepares for the backend."""

TABLE = Table(DATA, OWN)
"""Every command there is."""


def _plain() -> dict[bytes, tuple[bool, int, int]]:
    """By name: does it write, and its least and most arguments; only what goes straight through."""
    return {
        name: (command.writes, abs(command.arity), command.arity if command.arity >= 0 else 1 << 30)
        for name, command in DATA.quick().items()
    }


class Door:
    """Accepts Redis clients and passes what they want to `backend`."""

    table = TABLE
    own = frozenset(
        name
        for command in OWN
        for name in (command.name, *(sub.name for sub in command.subcommands.values()))
    )
    plain = _plain()

    def __init__(self, backend: Backend, max_clients: int = 10_000) -> None:
        self.backend, self.max_clients = backend, max_clients
        self.connections: dict[int, Connection] = {}
        self.accepted = self.rejected = 0
        self.port = 0
        self.since_s = time.monotonic()
        self._stalled: dict[int, Connection] = {}
        self._server: asyncio.Server | None = None
        self._last_id = 0
        backend.on_room(self._proceed)

    async def start(self, listen: socket.socket) -> None:
        """Serve who connects to `listen`, a socket that is bound."""
        loop = asyncio.get_running_loop()
        self.max_clients = min(self.max_clients, _allow_files(self.max_clients))
        self.port = listen.getsockname()[1]
        self._server = await loop.create_server(lambda: Connection(self), sock=listen, backlog=1024)

    async def close(self) -> None:
        """Accept nobody any more and close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections.values()):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()

    def welcome(self, connection: Connection, transport: asyncio.Transport) -> None:
        """A client has connected."""
        if len(self.connections) >= self.max_clients:
            self.rejected += 1
            transport.write(b"-ERR max number of clients reached\r\n")
            connection.close()
            return
        self.accepted += 1
        self._last_id += 1
        connection.id = self._last_id
        connection.since_s = time.monotonic()
        connection.address = _address(transport.get_extra_info("peername"))
        connection.local_address = _address(transport.get_extra_info("sockname"))
        self.connections[connection.id] = connection

    def goodbye(self, connection: Connection) -> None:
        """A client has gone."""
        self.connections.pop(connection.id, None)
        self._stalled.pop(connection.id, None)

    def kill(self, connections: Iterable[Connection], by: Connection) -> None:
        """Close connections; the one that asks hears the answer first."""
        for connection in connections:
            if connection is by:
                connection.closing = True
            else:
                connection.close()

    def stalled(self, connection: Connection) -> None:
        """`connection` waits until the backend has room."""
        self._stalled[connection.id] = connection

    def _proceed(self) -> None:
        stalled, self._stalled = self._stalled, {}
        for connection in stalled.values():
            connection.proceed()


FILES = 200
"""Descriptors for everything but clients."""


def _allow_files(clients: int) -> int:
    """Ask for as many descriptors as `clients` need; return how many clients they allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, clients + FILES)
    if soft != resource.RLIM_INFINITY and soft < clients + FILES:
        soft = min(hard, clients + FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return clients if soft == resource.RLIM_INFINITY else max(soft - FILES, 1)


def _address(name: object) -> str:
    """Return host:port of what a socket tells about an end of it."""
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "")
