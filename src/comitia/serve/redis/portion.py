"""Commands of a client taken one by one, and the replies they get together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from comitia.machines.redis.arguments import Refusal
from comitia.machines.redis.command import Command
from comitia.machines.reply import Failure, Reply

if TYPE_CHECKING:
    from comitia.serve.redis.connection import Connection


class Submit:
    """A command that only the backend can answer."""

    __slots__ = ("args", "finish", "size", "writes")

    def __init__(
        self,
        args: Sequence[bytes],
        writes: bool,
        finish: Callable[[Reply], Reply] | None = None,
        size: int = 0,
    ) -> None:
        self.args, self.writes = args, writes
        self.finish = finish
        """Makes of the backend's reply the one for the client."""
        self.size = size
        """Bytes of `args`, if known."""


class NoReply:
    """The client asked for silence."""


NO_REPLY: Final = NoReply()
Answer = Reply | Submit | NoReply

FREE = frozenset(["PING", "ECHO", "TIME", "SELECT", "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"])
"""Own commands that neither look at nor change how others are answered: they need not wait."""
AT_ONCE = frozenset(["EXEC", "DISCARD", "MULTI", "WATCH", "QUIT", "RESET"])
"""What a transaction does not queue."""
HTTP = frozenset({b"POST", b"HOST:"})
"""A browser was tricked into talking here: hang up before the body is taken for commands."""


class Portion:
    """What is answered together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._slots: list[tuple[bool, Reply | Submit]] = []  # is it answered, and with what
        self.submitted: list[Submit] = []

    def take(self, commands: deque[list[bytes]]) -> None:
        """Take from the left of `commands` until one must wait for the replies before it."""
        connection = self._connection
        while commands and not connection.closing:
            answer = self._answer(commands[0])
            if answer is None:
                return
            commands.popleft()
            if isinstance(answer[0], NoReply):
                continue
            reply = answer[0]
            if isinstance(reply, Submit):
                self.submitted.append(reply)
            heard = not (connection.silent or connection.silent_once)
            connection.silent_once = False
            self._slots.append((heard, reply))

    def _answer(self, args: list[bytes]) -> tuple[Answer] | None:
        """Return the answer to one command, or None when it must stand first in a portion."""
        connection = self._connection
        transaction = connection.transaction
        command = connection.door.table.find(args)
        if isinstance(command, Failure):
            if args[0].upper() in HTTP:
                connection.closing = True
                return (NO_REPLY,)
            if args[0].upper() == b"EXEC":
                return (transaction.refuse(connection, command),)
            transaction.spoil()
            return (command,)
        if transaction.open and command.name not in AT_ONCE:
            return (transaction.queue(command, args),)
        if command.name not in connection.door.own:
            return (Submit(args, command.writes),)
        if self._slots and command.name not in FREE:
            return None
        return (own(connection, command, args),)

    def replies(self, replies: Sequence[Reply]) -> list[Reply]:
        """Return what the client hears, given the replies to `submitted`."""
        rest = iter(replies)
        heard: list[Reply] = []
        for answered, reply in self._slots:
            if isinstance(reply, Submit):
                finish, reply = reply.finish, next(rest)
                if finish is not None:
                    reply = finish(reply)
            if answered:
                heard.append(reply)
        return heard


def own(connection: Connection, command: Command, args: Sequence[bytes]) -> Answer:
    """Return the answer of one of this member's own commands."""
    try:
        answer: Answer = command.function(connection, args)
    except Refusal as refusal:
        answer = refusal.failure
    return answer
