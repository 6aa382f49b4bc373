"""One client of the Redis port.

What a client has sent when the loop comes to it is its portion: commands that are handed to the
backend together and answered together, with one write.  The next portion waits until this one is
answered; a client that pipelines deeply only makes its portions larger.  That one rule keeps
commands and replies in order, bounds what a client can have under way, and leaves nothing to
schedule: no task, no future and no object for a command.

A portion of plain commands with one look at their names and lengths goes straight through
(`_quick`).  All others are taken one by one (`portion.py`): what this member answers by itself,
what changes the connection, transactions, errors.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from comitia.machines.reply import OK, Failure, Reply
from comitia.serve.redis.portion import Portion
from comitia.serve.redis.transaction import Transaction
from comitia.wire.requests import Requests
from comitia.wire.resp import ENCODERS, join

if TYPE_CHECKING:
    from comitia.serve.redis.door import Door

BACKLOG = 256 << 10
"""Bytes a client may send ahead of its replies before it is not read any more."""
PIECE = 32
"""Replies that are encoded at a time: large ones leave before the next are made."""
WRITE = 1 << 20
"""Bytes of replies that are handed to the transport at a time."""

_name = itemgetter(0)


class Connection(asyncio.Protocol):
    """A client's state and its place in the loop."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.id = 0
        self.name = b""
        self.version = 2
        """Of RESP."""
        self.silent = self.silent_once = False
        """CLIENT REPLY OFF, and SKIP."""
        self.transaction = Transaction()
        self.address = self.local_address = ""
        self.since_s = self.last_s = 0.0
        self.closing = False
        self._requests = Requests()
        self._transport: asyncio.Transport | None = None
        self._busy = self._choked = self._paused = False
        self._backlog: list[bytes] = []
        self._backlog_size = 0
        self._commands: deque[list[bytes]] = deque()  # parsed, and not yet begun
        self._replies: deque[Reply] = deque()  # not yet written: the client reads slowly
        self._portion = Portion(self)  # the one being answered, when it goes by steps

    # -- the transport's side --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.door.welcome(self, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self.closing = None, True
        self._commands.clear()
        self._replies.clear()
        self._backlog.clear()
        self.transaction.abandon(self)
        self.door.goodbye(self)

    def data_received(self, data: bytes) -> None:
        if self._busy or self._choked:
            self._keep(data, BACKLOG)
        elif self._backlog or self.door.backend.full:
            self._keep(data, 0)
            self.door.stalled(self)
        else:
            self._take(data)

    def _keep(self, data: bytes, most: int) -> None:
        """Put `data` by; with more than `most` bytes the client is not read any more."""
        self._backlog.append(data)
        self._backlog_size += len(data)
        if self._backlog_size > most:
            self._pause(True)

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        if self._replies:
            replies, self._replies = list(self._replies), deque()
            self._write(replies)
        if not self._busy:
            self.proceed()

    def _pause(self, pause: bool) -> None:
        if self._transport is not None and pause != self._paused and not self.closing:
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- portions --

    def proceed(self) -> None:
        """Begin the next portion, if there is one and nothing hinders it."""
        while not (self._busy or self._choked or self.closing):
            if self._commands:
                self._steps()
            elif self._requests.error is not None:
                self.closing = True
                self._write([Failure(f"ERR {self._requests.error}")])
            elif not self._backlog:
                return
            elif self.door.backend.full:
                self.door.stalled(self)
                return
            else:
                data = self._backlog[0] if len(self._backlog) == 1 else b"".join(self._backlog)
                self._backlog.clear()
                self._backlog_size = 0
                self._pause(False)
                self._take(data)

    def _take(self, data: bytes) -> None:
        commands = self._requests.feed(data)
        if not commands or not self._quick(commands, len(data)):
            self._commands.extend(commands)
            self.proceed()

    def _quick(self, commands: list[list[bytes]], size: int) -> bool:
        """Hand plain commands to the backend in one go; return whether they were."""
        if self.transaction.open or self.silent or self.silent_once:
            return False
        find, writes = self.door.plain.get, False
        if len(commands) == 1:
            args = commands[0]
            command = find(args[0])
            if command is None or not command[1] <= len(args) <= command[2]:
                return False
            writes = command[0]
        else:
            lengths = set(map(len, commands))
            shortest, longest = min(lengths), max(lengths)
            for name in set(map(_name, commands)):
                command = find(name)
                if command is None or not command[1] <= shortest or not longest <= command[2]:
                    return False
                writes = writes or command[0]
        self._busy = True
        backend = self.door.backend
        (backend.write if writes else backend.read)(commands, size, self._replied)
        return True

    def _replied(self, replies: Sequence[Reply]) -> None:
        self._busy = False
        if self._transport is None:
            return
        if len(replies) == 1 and not self._choked:
            reply = replies[0]
            self._transport.write(b"+OK\r\n" if reply is OK else ENCODERS[self.version](reply))
        elif len(replies) <= PIECE and not self._choked:
            self._transport.write(join(replies, self.version))
        else:
            self._write(replies)
        if self._backlog or self._commands or self._requests.error is not None:
            self.proceed()

    def _write(self, replies: Sequence[Reply]) -> None:
        """Write `replies`; once the client does not keep up, the rest waits as values."""
        pieces: list[bytes] = []
        size = 0
        for position in range(0, len(replies), PIECE):
            if self._choked:
                self._replies.extend(replies[position:])
                break
            pieces.append(join(replies[position : position + PIECE], self.version))
            size += len(pieces[-1])
            if size > WRITE and self._transport is not None:
                self._transport.write(b"".join(pieces))  # may set `_choked`
                pieces, size = [], 0
        if self._transport is not None:
            if pieces:
                self._transport.write(b"".join(pieces))
            if self.closing and not self._replies:
                self._transport.close()

    def close(self) -> None:
        """Close once what is to be said is said."""
        self.closing = True
        self._commands.clear()
        if self._transport is not None and not self._replies:
            self._transport.close()

    def _steps(self) -> None:
        """Take commands one by one, as many as may be answered together, and submit."""
        portion = self._portion = Portion(self)
        portion.take(self._commands)
        submitted = portion.submitted
        if not submitted:
            self._write(portion.replies(()))
            return
        self._busy = True
        writes = any(each.writes for each in submitted)
        size = sum(each.size or sum(map(len, each.args)) for each in submitted)
        backend = self.door.backend
        act = backend.write if writes else backend.read
        act([each.args for each in submitted], size, self._stepped)

    def _stepped(self, replies: Sequence[Reply]) -> None:
        self._busy = False
        self._write(self._portion.replies(replies))
        self.proceed()
