"""Atomic commitment as a library: parts in several processes commit together, or none does.

    class Shop:                                # the owner of the parts in this process
        async def prepare(self, name, part):   # can you commit `part`?  True is a promise
            ...
        async def commit(self, name): ...
        async def abort(self, name): ...

    party = Party(1, {1: "127.0.0.1:7301", 2: "127.0.0.1:7302", 3: "127.0.0.1:7303"}, data, Shop())
    await party.start()
    committed = await party.commit({1: b"one ticket", 2: b"30 euros"})

Every process is coordinator of the transactions that it begins, and acceptor of all: with Paxos
Commit, the default, a transaction ends although its coordinator or a minority of the processes is
dead.  With `two_phase` it waits for its coordinator.  Either way all parts end the same.

An owner that answers `prepare` with True has made its part durable: it can commit it even after a
restart, and keeps it until it is told which.  `commit` and `abort` may be told again after a
restart, `abort` also for a part that `prepare` never saw the end of: doing them twice changes
nothing.  They are repeated until they do not raise.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from comitia.kernel import Request
from comitia.kernel.stable import StableCodec
from comitia.net.application import Logless
from comitia.net.book import Address, Book, Place
from comitia.net.host import Host
from comitia.net.links import Links
from comitia.net.process import listening
from comitia.net.segment import Identity
from comitia.net.storage import Storage
from comitia.protocols.commit import TRANSACTIONS
from comitia.protocols.commit.messages import (
    COMMITTED,
    Attend,
    Finished,
    Start,
    Task,
    Willing,
)

PART_BYTES = 16 << 20
"""A longer part would not fit into a message."""
REPEAT_S = 0.5
"""When `commit` or `abort` of an owner is tried again after it raised."""

log = structlog.get_logger("comitia.transactions")


class Owner(Protocol):
    """Holds this process's parts of transactions, which it knows by name."""

    async def prepare(self, name: str, part: bytes) -> bool:
        """Make `part` durable and say True, or False when it cannot be committed."""

    async def commit(self, name: str) -> None:
        """The transaction is committed: so is its part."""

    async def abort(self, name: str) -> None:
        """The transaction is aborted: its part never happened."""


class NotCommitted(Exception):
    """The outcome is unknown here: this process had to stop.  It will be the same for all."""


class NotBegun(NotCommitted):
    """Nothing was begun: the disk is full, or too much that was begun here is owed its end."""


class Party(Logless):
    """One process that takes part; an `Application` of the host it runs."""

    def __init__(
        self,
        node: int,
        members: Mapping[int, str],
        directory: Path,
        owner: Owner,
        cluster: str = "transactions",
        **options: Any,
    ) -> None:
        """`members`: the addresses of all processes by number, the same everywhere; `directory`
        holds what this one must not forget; `options` are those of `Transactions`: two_phase, ...

        Raises PortTaken, Locked, BookError.
        """
        addresses = {id: Address.parse(at) for id, at in members.items()}
        self._owner = owner
        made = TRANSACTIONS.make(node, tuple(sorted(addresses)), **options)
        identity = Identity(cluster, node, TRANSACTIONS.name, TRANSACTIONS.codec.version)
        with contextlib.ExitStack() as opened:
            self._listen: socket.socket = opened.enter_context(listening("members", members[node]))
            storage = Storage(directory, identity, StableCodec(type(made)))
            opened.callback(storage.close)
            book = Book(directory / "book", [Place(id, at) for id, at in sorted(addresses.items())])
            links = Links(identity, book)
            self.host = Host(made, TRANSACTIONS, storage, links, self, directory)
            opened.pop_all()
        self._tokens = itertools.count(1)
        self._begun: dict[int, asyncio.Future[bool]] = {}
        self._at: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._put_off: list[Request] = []  # by a full disk

    async def start(self) -> None:
        """Go on where the last process with this directory stopped, and serve.

        Raises what `Host.start` raises; nothing is left open then.
        """
        try:
            await self.host.start(self._listen)
        except BaseException:
            self._listen.close()
            await self.host.close()
            raise
        self.host.request(Attend(next(self._tokens)))

    async def close(self) -> None:
        """Stop cleanly; whoever waits for an outcome gets NotCommitted."""
        for outcome in self._begun.values():
            if not outcome.done():
                outcome.set_exception(NotCommitted("the process stops"))
        for task in self._at.values():
            task.cancel()
        await asyncio.gather(*self._at.values(), return_exceptions=True)
        await self.host.close()

    async def commit(self, parts: Mapping[int, bytes]) -> bool:
        """Commit `parts`, by process; return whether they are committed, else all are aborted.

        Cancelled, the outcome is unknown here.  Raises NotBegun, NotCommitted, ValueError.
        """
        if not parts or not set(parts) <= {place.id for place in self.host.links.book.places}:
            raise ValueError(f"parts for {sorted(parts)}: want some of the members")
        if max(map(len, parts.values())) > PART_BYTES:
            raise ValueError(f"a part of more than {PART_BYTES} bytes")
        token = next(self._tokens)
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._begun[token] = outcome
        try:
            self.host.request(Start(token, tuple(sorted(parts.items()))))
            waiting: list[asyncio.Future[Any]] = [outcome, self.host.failure]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not outcome.done():
                raise NotCommitted(f"the process stops: {self.host.failure.exception()}")
            return outcome.result()
        finally:
            del self._begun[token]

    async def _do(self, task: Task, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # an abort may overtake the question
            await asyncio.wait([before])
        name = f"{task.coordinator}.{task.number}"
        if task.do == "prepare":
            willing = False
            try:
                willing = await self._owner.prepare(name, task.part)
            except Exception:
                log.exception("a part cannot be prepared, so it aborts", transaction=name)
            self.host.request(Willing(task.coordinator, task.number, willing))
            return
        while True:
            try:
                await (self._owner.commit if task.do == "commit" else self._owner.abort)(name)
                break
            except Exception:
                log.exception("to be tried again", transaction=name, step=task.do)
                await asyncio.sleep(REPEAT_S)
        self.host.request(Finished(task.coordinator, task.number))

    # The host's side: see `Application`.

    def answered(self, request: Request, result: object) -> None:
        """A transaction has ended, or there is something to do."""
        if isinstance(request, Start):
            outcome = self._begun.get(request.token)
            if outcome is not None and not outcome.done():
                outcome.set_result(result == COMMITTED)
        elif isinstance(result, Task):
            key = result.transaction
            doing = asyncio.get_running_loop().create_task(self._do(result, self._at.get(key)))
            self._at[key] = doing
            doing.add_done_callback(lambda done: self._done(key, done))
            self.host.request(Attend(next(self._tokens)))

    def _done(self, key: tuple[int, int], done: asyncio.Task[None]) -> None:
        if self._at.get(key) is done:
            del self._at[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            self.host.fail(error)

    def refused(self, request: Request, reason: str) -> None:
        """Nothing was begun.  Only a full disk refuses what an owner said: it is said again."""
        if not isinstance(request, Start):
            self._put_off.append(request)
            return
        outcome = self._begun.get(request.token)
        if outcome is not None and not outcome.done():
            outcome.set_exception(NotBegun(reason))

    @property
    def gathered(self) -> int:
        """Nothing waits for `before_turn`: everything is handed in when it is asked."""
        return 0

    @property
    def awaited(self) -> int:
        """See `gathered`."""
        return 0

    @property
    def serving(self) -> bool:
        """Whether somebody here waits for the end of a transaction."""
        return bool(self._begun)

    def before_turn(self) -> None:
        """See `gathered`."""

    def after_turn(self) -> None:
        """Nobody waits for the end of a turn."""

    def write_refused(self, reason: str | None) -> None:
        """Requests are refused one by one; now those that were put off may be taken."""
        put_off, self._put_off = self._put_off, []
        for request in put_off:
            self.host.request(request)
