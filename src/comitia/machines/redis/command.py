"""Commands as declarations: what a client asks about a command is derived from what runs it.

    @commands.command("SETNX", 3, "write denyoom fast", keys=(1, 1, 1), since="1.0.0",
                      group="string", summary="Set a key that does not exist yet")
    def setnx(db, args): ...

Arity errors, COMMAND and its subcommands, the choice between log and read path, and the watched
keys of a transaction all come from this one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from comitia.machines.reply import Failure, Reply

Function = Callable[[Any, Sequence[bytes]], Any]
"""Takes what the command works on, its name and its arguments; returns a reply.

A machine's commands work on its state; those of a front door work on a connection and may return
other things than replies.
"""

F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one subcommand when `name` has a bar, as in `OBJECT|ENCODING`."""

    name: str
    arity: int
    """How many arguments, the name included; negative: at least so many."""
    flags: tuple[str, ...]
    keys: tuple[int, int, int]
    """The first and last position of a key, negative from the end, and the step; or zeros."""
    function: Function
    since: str
    group: str
    summary: str
    categories: tuple[str, ...] = ()
    """ACL categories that neither the flags nor the group tell."""
    subcommands: dict[bytes, Command] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """May it change the state?"""
        return "write" in self.flags

    def fits(self, count: int) -> bool:
        """Is `count` a legal number of arguments, the name included?"""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def keys_of(self, args: Sequence[bytes]) -> list[bytes]:
        """Return the keys among `args`."""
        first, last, step = self.keys
        if not first:
            return []
        end = last if last >= 0 else len(args) + last
        return [args[position] for position in range(first, end + 1, step) if position < len(args)]


class Table:
    """Commands by name, in lower and in upper case: any other spelling is looked up by upper()."""

    def __init__(self, *tables: Table) -> None:
        self._commands: dict[bytes, Command] = {}
        for table in tables:
            twice = self._commands.keys() & table._commands.keys()
            assert not twice, f"declared twice: {sorted(twice)}"
            self._commands |= table._commands

    def command(
        self,
        name: str,
        arity: int,
        flags: str = "",
        *,
        since: str,
        group: str,
        summary: str,
        keys: tuple[int, int, int] = (0, 0, 0),
        categories: str = "",
    ) -> Callable[[F], F]:
        """Declare the decorated function as command `name`; see the module's text."""

        def declare(function: F) -> F:
            command = Command(
                name, arity, tuple(flags.split()), keys, function, since, group, summary,
                tuple(categories.split()),
            )  # fmt: skip
            container, _, sub = name.encode().partition(b"|")
            if sub:
                self._commands[container].subcommands[sub] = command
            else:
                assert container not in self._commands, f"declared twice: {name}"
                self._commands[container] = self._commands[container.lower()] = command
            return function

        return declare

    def container(self, name: str, *, since: str, group: str, summary: str) -> None:
        """Declare a command that has only subcommands; they come after it."""

        def function(subject: Any, args: Sequence[bytes]) -> Reply:
            command = self.find(args)
            if isinstance(command, Failure):
                return command
            reply: Reply = command.function(subject, args)
            return reply

        self.command(name, -2, since=since, group=group, summary=summary)(function)

    def __iter__(self) -> Iterator[Command]:
        """Every command once, without subcommands, in the order of declaration."""
        return (command for name, command in self._commands.items() if name.isupper())

    def get(self, name: bytes) -> Command | None:
        """Return the command or subcommand (`object|encoding`) of this name, in any case."""
        container, _, sub = name.upper().partition(b"|")
        command = self._commands.get(container)
        return command.subcommands.get(sub) if command is not None and sub else command

    def quick(self) -> dict[bytes, Command]:
        """Return the commands without subcommands by name, for lookups that may miss."""
        return {name: c for name, c in self._commands.items() if not c.subcommands}

    def find(self, args: Sequence[bytes]) -> Command | Failure:
        """Return the command that `args` call, or the error to answer, in the words of Redis."""
        command = self._commands.get(args[0]) or self._commands.get(args[0].upper())
        if command is None:
            return unknown_command(args)
        if command.subcommands and len(args) > 1:
            sub = command.subcommands.get(args[1].upper())
            if sub is None:
                return unknown_subcommand(args)
            command = sub
        return command if command.fits(len(args)) else wrong_arity(command.name)


def text_of(data: bytes) -> str:
    """Return bytes of a client as part of an error's text: as in Redis, up to a zero byte."""
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def wrong_arity(name: str) -> Failure:
    """The command was given too many or too few arguments."""
    return Failure(f"ERR wrong number of arguments for '{name.lower()}' command")


def unknown_command(args: Sequence[bytes]) -> Failure:
    """No such command; the text quotes at most 128 bytes of its arguments."""
    quoted = b""
    for arg in args[1:]:
        if len(quoted) >= 128:
            break
        quoted += b"'" + arg[: 128 - len(quoted)].partition(b"\0")[0] + b"' "
    name, rest = text_of(args[0][:128]), text_of(quoted)
    text = f"ERR unknown command '{name}', with args beginning with: {rest}"
    return Failure(text.replace("\r", " ").replace("\n", " "))


def unknown_subcommand(args: Sequence[bytes]) -> Failure:
    """A container has no such subcommand."""
    container, sub = text_of(args[0].upper()), text_of(args[1][:128])
    text = f"ERR unknown subcommand '{sub}'. Try {container} HELP."
    return Failure(text.replace("\r", " ").replace("\n", " "))
