"""MULTI, EXEC, DISCARD and WATCH, as one client sees them.

Commands are queued here and go through the log as one (`comitia.machines.redis.transactions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from comitia.machines.redis.command import Command, Table
from comitia.machines.redis.transactions import packed
from comitia.machines.reply import OK, Failure, Reply
from comitia.serve.redis.portion import Answer, NoReply, Submit, own
from comitia.wire.requests import MAX_REQUEST

if TYPE_CHECKING:
    from comitia.serve.redis.connection import Connection

commands = Table()

_ABORTED = Failure("EXECABORT Transaction discarded because of previous errors.")
_TOO_LARGE = Failure(f"ERR a transaction of more than {MAX_REQUEST} bytes")


class Transaction:
    """What a client has queued since MULTI, and whether it watches keys."""

    __slots__ = ("_queued", "_size", "open", "spoiled", "watching")

    def __init__(self) -> None:
        self.watching = False
        self._close()

    def _close(self) -> None:
        self.open = self.spoiled = False
        self._queued: list[tuple[Command, Sequence[bytes]]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._queued)

    def spoil(self) -> None:
        """A command was wrong: if a transaction is open, it must not be executed."""
        self.spoiled = self.open

    def queue(self, command: Command, args: Sequence[bytes]) -> Reply:
        """Keep `args` for EXEC."""
        self._size += sum(map(len, args)) + 32 * len(args)
        if self._size > MAX_REQUEST:
            self.spoil()
            self._queued.clear()
            return _TOO_LARGE
        self._queued.append((command, args))
        return "QUEUED"

    def execute(self, connection: Connection) -> Answer:
        """Close, and return what EXEC answers."""
        queued, size, spoiled, watching = self._queued, self._size, self.spoiled, self.watching
        self._close()
        if spoiled:
            return self.unwatch(connection, _ABORTED)
        self.watching = False
        ours = connection.door.own
        theirs = [args for command, args in queued if command.name not in ours]

        def finish(replies: Reply) -> Reply:
            if not isinstance(replies, list):
                return replies
            rest = iter(replies)
            merged: list[Reply] = []
            for command, args in queued:
                answer = own(connection, command, args) if command.name in ours else next(rest)
                assert not isinstance(answer, Submit), "queued, but not for the queue"
                if not isinstance(answer, NoReply):
                    merged.append(answer)
            return merged

        if not theirs and not watching:
            return finish([])
        return Submit(packed(_client(connection), theirs), True, finish, size)

    def refuse(self, connection: Connection, failure: Failure) -> Answer:
        """Close, because EXEC itself was wrong, and return the error."""
        self._close()
        reason = failure.text.removeprefix("ERR ")
        text = f"EXECABORT Transaction discarded because of: {reason}"
        return self.unwatch(connection, Failure(text))

    def discard(self, connection: Connection) -> Answer:
        """Close, and return what DISCARD answers."""
        self._close()
        return self.unwatch(connection, OK)

    def unwatch(self, connection: Connection, reply: Reply) -> Answer:
        """Watch nothing any more, and return `reply`."""
        if not self.watching:
            return reply
        self.watching = False
        return Submit([b"UNWATCH", _client(connection)], True, lambda _: reply)

    def abandon(self, connection: Connection) -> None:
        """Forget everything: the client is gone, or starts anew."""
        self._close()
        if self.watching:
            self.watching = False
            connection.door.backend.write([[b"UNWATCH", _client(connection)]], 0, _ignore)


def _client(connection: Connection) -> bytes:
    return b"%d" % connection.id


def _ignore(replies: Sequence[Reply]) -> None:
    """Nobody waits for these."""


@commands.command(
    "MULTI", 1, "noscript loading stale fast allow_busy", since="1.2.0", group="transactions",
    summary="Begins a transaction: what follows is queued until EXEC",
)  # fmt: skip
def multi(connection: Connection, args: Sequence[bytes]) -> Answer:
    """MULTI"""
    if connection.transaction.open:
        return Failure("ERR MULTI calls can not be nested")
    connection.transaction.open = True
    return OK


@commands.command(
    "EXEC", 1, "noscript loading stale skip_slowlog", since="1.2.0", group="transactions",
    summary="Executes everything queued since MULTI, with nothing in between",
)  # fmt: skip
def exec_(connection: Connection, args: Sequence[bytes]) -> Answer:
    """EXEC"""
    if not connection.transaction.open:
        return Failure("ERR EXEC without MULTI")
    return connection.transaction.execute(connection)


@commands.command(
    "DISCARD", 1, "noscript loading stale fast allow_busy", since="2.0.0", group="transactions",
    summary="Forgets everything queued since MULTI, and the watched keys",
)  # fmt: skip
def discard(connection: Connection, args: Sequence[bytes]) -> Answer:
    """DISCARD"""
    if not connection.transaction.open:
        return Failure("ERR DISCARD without MULTI")
    return connection.transaction.discard(connection)


@commands.command(
    "WATCH", -2, "noscript loading stale fast allow_busy", keys=(1, -1, 1), since="2.2.0",
    group="transactions", summary="Lets the next EXEC fail if one of these keys changes",
)  # fmt: skip
def watch(connection: Connection, args: Sequence[bytes]) -> Answer:
    """WATCH key [key ...]"""
    if connection.transaction.open:
        return Failure("ERR WATCH inside MULTI is not allowed")
    connection.transaction.watching = True
    return Submit([b"WATCH", _client(connection), *args[1:]], True)


@commands.command(
    "UNWATCH", 1, "noscript loading stale fast allow_busy", since="2.2.0", group="transactions",
    summary="Forgets the keys that WATCH named",
)  # fmt: skip
def unwatch(connection: Connection, args: Sequence[bytes]) -> Answer:
    """UNWATCH"""
    return connection.transaction.unwatch(connection, OK)
