"""One node as a process: everything a host needs put together, until a signal or a failure."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import structlog

from comitia.kernel import Protocol as KernelProtocol
from comitia.kernel import replace
from comitia.kernel.stable import StableCodec
from comitia.net.application import Application
from comitia.net.book import Address, Book, Place
from comitia.net.config import Config, ConfigError
from comitia.net.host import Host
from comitia.net.http import Api, HttpServer
from comitia.net.links import Links
from comitia.net.segment import Identity
from comitia.net.storage import Storage

log = structlog.get_logger("comitia")


class PortTaken(Exception):
    """A port cannot be listened on; the text names it and the setting."""


class Front(Protocol):
    """The service of a node: its application, and the doors that clients come in by."""

    @property
    def application(self) -> Application:
        """What the host runs its node for."""

    async def open(self, host: Host, listen: socket.socket) -> None:
        """The host runs: serve clients on `listen`."""

    async def close(self) -> None:
        """Send every client away."""


def listening(setting: str, text: str) -> socket.socket:
    """Return a socket bound to the address in `text`.  Raises PortTaken."""
    address = Address.parse(text)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address.host, address.port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"cannot listen on {address}: {error.strerror}; "
            f"stop who uses it, or choose another with --{setting} HOST:PORT"
        ) from error
    sock.setblocking(False)
    return sock


def places(config: Config) -> list[Place]:
    """Return where the configuration says the members are, this node among them."""
    own = Address.parse(config.advertise or config.peer)
    found = [Place(id, at) for id, at in config.founders().items() if id != config.node]
    return [*found, Place(config.node, own, Address.parse(config.http))]


def announce(book: Book, config: Config, now_ms: int) -> None:
    """Tell all where this node is, if it is elsewhere than before or was never told."""
    *_, own = places(config)
    known = book.place(config.node)
    if known is not None and (known.stamp == 0 or known != replace(own, stamp=known.stamp)):
        book.learn([replace(own, stamp=now_ms)])


class Member:
    """A node's parts, from the sockets to the disk."""

    def __init__(
        self, config: Config, protocol: KernelProtocol, front: Callable[[], Front]
    ) -> None:
        """Raises PortTaken, Locked, BookError, ConfigError: the options of the protocol."""
        self.config, self.protocol = config, protocol
        self.sockets = {
            setting: listening(setting, getattr(config, setting))
            for setting in ("peer", "http", "redis")
        }
        directory = Path(config.data)
        try:
            node = protocol.make(config.node, tuple(config.founders()), **options(config, protocol))
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{name}={value}" for name, value in config.options.items())
            raise ConfigError(f"options {given}: {error}") from error
        identity = Identity(config.cluster, config.node, protocol.name, protocol.codec.version)
        storage = Storage(directory, identity, StableCodec(type(node)))
        book = Book(directory / "book", places(config))
        self.front = front()
        links = Links(identity, book)
        self.host = Host(node, protocol, storage, links, self.front.application, directory)
        self._http: HttpServer | None = None
        announce(book, config, self.host.now_ms())

    async def open(self) -> None:
        """Restore, join and serve.  Raises what `Host.start` raises."""
        await self.host.start(self.sockets["peer"])
        await self.front.open(self.host, self.sockets["redis"])
        api = Api(self.host, {"redis": self.config.redis})
        self._http = HttpServer(api, self.sockets["http"])
        log.info("serving", node=self.config.node, redis=self.config.redis, http=self.config.http)

    async def close(self) -> None:
        """Stop cleanly."""
        await self.front.close()
        if self._http is not None:
            await self._http.close()
        await self.host.close()


async def run(config: Config, protocol: KernelProtocol, front: Callable[[], Front]) -> None:
    """Serve until SIGTERM or SIGINT.  Raises what stopped the node otherwise."""
    member = Member(config, protocol, front)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await member.open()
    notify("READY=1")
    waiting: asyncio.Future[Any] = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([waiting, member.host.failure], return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    if not member.host.failure.done():
        log.info("stopping", node=config.node)
        await member.close()
    else:
        member.host.failure.result()


def notify(state: str) -> None:
    """Tell systemd, when it started this process (Type=notify)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
        except OSError as error:
            log.warning("systemd not notified", error=str(error))


def options(config: Config, protocol: KernelProtocol) -> dict[str, Any]:
    """Return the protocol's options with what was text in a variable or flag made a value."""
    found: dict[str, Any] = {}
    for name, value in config.options.items():
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        elif value in ("true", "false"):
            value = value == "true"
        found[name] = value
    return found
