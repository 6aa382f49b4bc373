"""The data of a new cluster whose machine begins in a given state, and not in an empty one.

A log of any protocol tells how the machine came from nothing to where it is, so no member can
simply begin elsewhere.  Here the members of the new cluster run for a moment in this process,
decide one value, the mark, and take the given state for what came of it: as a snapshot, behind
which nothing of the log is kept.  So every member that joins later is sent the snapshot, too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from comitia.kernel import Compact, NodeId, Propose, Protocol, Request, Slot
from comitia.kernel.stable import StableCodec
from comitia.net.book import Address, Book, Place
from comitia.net.host import Host
from comitia.net.links import Links
from comitia.net.segment import Identity
from comitia.net.snapshots import SnapshotWriter
from comitia.net.storage import Storage

WITHIN_S = 120.0
LOOK_S = 0.01


class NotFounded(Exception):
    """The members did not come to an agreement; nothing that they left is of use."""


class Founder:
    """The application of a member that is being founded: it waits for the mark."""

    gathered, awaited, serving = 0, 0, False  # it has no clients

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self.marked = False
        self.refusals = 0

    def before_turn(self) -> None:
        """No client asks for anything."""

    def after_turn(self) -> None:
        """Nobody is answered."""

    def apply(self, slot: Slot, value: bytes) -> None:
        """Note that the mark is decided."""
        self.marked = self.marked or value == self._mark

    def answered(self, request: Request, result: object) -> None:
        """Nothing was asked."""

    def refused(self, request: Request, reason: str) -> None:
        """The mark was not taken, and may be proposed again."""
        self.refusals += 1

    def application_message(self, src: NodeId, payload: bytes) -> None:
        """No member's application speaks to another's."""

    def snapshot(self) -> Iterator[bytes]:
        """Return nothing: the state to begin with is written without asking."""
        return iter(())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """A member was behind, and got another's snapshot: it stands for the mark."""
        self.marked = True

    def digest(self) -> bytes:
        """Nobody compares."""
        return b""

    def write_refused(self, reason: str | None) -> None:
        """Only the mark is written."""


class Founding:
    """One new cluster in the making."""

    def __init__(
        self, protocol: Protocol, cluster: str, ids: tuple[NodeId, ...], directory: Path
    ) -> None:
        """The data of member 1 will be in `directory`/n1, and so on."""
        self._protocol, self._cluster = protocol, cluster
        self._ids, self._directory = ids, directory
        self._hosts: dict[NodeId, Host] = {}

    async def run(self, state: Callable[[], Iterator[bytes]], mark: bytes) -> None:
        """Make the data; every call of `state` yields the chunks of the state to begin with.

        Raises NotFounded, OSError, and what `state` raises.
        """
        try:
            await self._start(mark)
            async with asyncio.timeout(WITHIN_S):
                await self._decide(mark)
                await asyncio.gather(*(self._begin(host, state) for host in self._hosts.values()))
        except TimeoutError as error:
            raise NotFounded(f"the new members agreed on nothing in {WITHIN_S:.0f} s") from error
        finally:
            for id, host in self._hosts.items():
                await host.close()
                for spare in (self._directory / f"n{id}" / "wal").glob("spare*"):
                    spare.unlink()  # 32 MiB of zeros, to be copied elsewhere

    async def _start(self, mark: bytes) -> None:
        sockets: dict[NodeId, socket.socket] = {}
        try:
            for id in self._ids:
                sockets[id] = socket.create_server(("127.0.0.1", 0))
            places = [
                Place(id, Address("127.0.0.1", sock.getsockname()[1]))
                for id, sock in sockets.items()
            ]
            for id in self._ids:
                host = self._hosts[id] = self._host(id, places, mark)
                await host.start(sockets[id])
                del sockets[id]  # it is the host's now
        finally:
            for sock in sockets.values():
                sock.close()

    def _host(self, id: NodeId, places: list[Place], mark: bytes) -> Host:
        directory = self._directory / f"n{id}"
        node = self._protocol.make(id, self._ids)
        version = self._protocol.codec.version
        identity = Identity(self._cluster, id, self._protocol.name, version)
        storage = Storage(directory, identity, StableCodec(type(node)))
        links = Links(identity, Book(directory / "book", places))
        return Host(node, self._protocol, storage, links, Founder(mark), directory)

    async def _decide(self, mark: bytes) -> None:
        asked, refused = False, 0
        while not all(founder.marked for founder in self._founders()):
            leader = self._leader()
            if refused < (refused := sum(founder.refusals for founder in self._founders())):
                asked = False
            if leader is not None and not asked:
                asked = True  # once: a second mark might be decided behind the snapshot
                leader.request(Propose(mark))
            await self._pause()

    def _founders(self) -> list[Founder]:
        applications = [host.application for host in self._hosts.values()]
        return [founder for founder in applications if isinstance(founder, Founder)]

    def _leader(self) -> Host | None:
        """Return the member that all take for the leader."""
        leaders = {host.view.leader for host in self._hosts.values()}
        leader = leaders.pop() if len(leaders) == 1 else None
        return None if leader is None else self._hosts[leader]

    async def _begin(self, host: Host, state: Callable[[], Iterator[bytes]]) -> None:
        """Give `host` the state to begin with, and forget what was before."""
        slot = host.applied
        snapshots = self._directory / f"n{host.id}" / "snapshots"
        await asyncio.to_thread(_write, SnapshotWriter(snapshots, slot), state())
        host.request(Compact(slot, trailing=False))
        while host.snapshot_slot < slot or host.storage.rewriting or host.storage.in_flight:
            await self._pause()

    async def _pause(self) -> None:
        """Let the members work.  Raises what stopped one of them."""
        await asyncio.sleep(LOOK_S)
        for host in self._hosts.values():
            if host.failure.done():
                host.failure.result()
            if host.storage.full is not None or host.storage.low is not None:
                raise NotFounded(host.storage.full or host.storage.low)


def _write(writer: SnapshotWriter, chunks: Iterator[bytes]) -> None:
    try:
        for chunk in chunks:
            writer.add(chunk)
        writer.finish()
    except BaseException:
        writer.abandon()
        raise
