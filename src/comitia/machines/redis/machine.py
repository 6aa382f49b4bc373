"""A Redis database as a machine: batches of commands in, replies out, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec

from comitia.kernel import DecodeError
from comitia.machines.machine import Told
from comitia.machines.redis.arguments import Refusal
from comitia.machines.redis.command import Function
from comitia.machines.redis.commands import DATA, run
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.redis.transactions import INTERNAL, MANY
from comitia.machines.redis.watches import Row
from comitia.machines.reply import Reply

FORMAT = "comitia redis 1"
PIECE = 8
"""Commands that are executed before their clients are told."""


class _Head(msgspec.Struct, array_like=True):
    """The first chunk of a snapshot."""

    format: str
    time_ms: int
    watches: list[Row]


def _bounds() -> dict[bytes, tuple[Function, int, int]]:
    bounds = {}
    for name, command in DATA.quick().items():
        most = command.arity if command.arity >= 0 else MANY
        bounds[name] = (command.function, abs(command.arity), most)
    return bounds | INTERNAL


_BOUNDS = _bounds()


class Redis:
    """One database, number 0.  See `comitia.machines.machine.Machine` for what each call means."""

    def __init__(self) -> None:
        self._db = Keyspace()

    def apply(
        self,
        commands: Sequence[Sequence[bytes]],
        time_ms: int = 0,
        origin: int = 0,
        told: Told | None = None,
    ) -> list[Reply]:
        """Execute `commands` in order; unknown ones are answered with an error."""
        db = self._db
        db.origin = origin
        db.advance(time_ms)
        return self._run(commands, told)

    def read(
        self, commands: Sequence[Sequence[bytes]], now_ms: int = 0, told: Told | None = None
    ) -> list[Reply]:
        """Execute `commands`, which only read."""
        self._db.now_ms = max(now_ms, self._db.time_ms)
        return self._run(commands, told)

    def _run(self, commands: Sequence[Sequence[bytes]], told: Told | None) -> list[Reply]:
        if told is None:
            return self._execute(commands)
        replies: list[Reply] = []
        for start in range(0, len(commands), PIECE):
            piece = self._execute(commands[start : start + PIECE])
            told(piece)
            replies += piece
        return replies

    def _execute(self, commands: Sequence[Sequence[bytes]]) -> list[Reply]:
        # The hot path: one lookup, one comparison, one call a command.
        db, find = self._db, _BOUNDS.get
        replies: list[Reply] = []
        add = replies.append
        for args in commands:
            found = find(args[0])
            try:
                if found is not None and found[1] <= len(args) <= found[2]:
                    add(found[0](db, args))
                else:
                    add(run(db, args))
            except Refusal as refusal:
                add(refusal.failure)
        return replies

    def due(self, now_ms: int) -> bool:
        """Has a key's deadline come by `now_ms`?"""
        return self._db.next_deadline() <= now_ms

    def forget(self, origin: int) -> None:
        """Drop what clients of `origin` watched."""
        self._db.watches.forget(origin)

    def digest(self) -> bytes:
        """Return 32 bytes that equal databases share."""
        head = _Head(FORMAT, self._db.time_ms, self._db.watches.rows())
        digest = blake2b(msgspec.msgpack.encode(head), digest_size=32)
        digest.update(self._db.digest())
        return digest.digest()

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, in chunks, while `apply` goes on; one at a time."""
        head = _Head(FORMAT, self._db.time_ms, self._db.watches.rows())
        return _chunks(msgspec.msgpack.encode(head), self._db.snapshot())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace the state by the one in `chunks`; raises DecodeError when they are no state."""
        db, rest = Keyspace(), iter(chunks)
        try:
            head = msgspec.msgpack.decode(next(rest, b""), type=_Head)
            if head.format != FORMAT:
                raise DecodeError(f"a snapshot of {head.format!r}, want {FORMAT!r}")
            for chunk in rest:
                db.restore(chunk)
        except msgspec.DecodeError as error:
            raise DecodeError(f"no snapshot of {FORMAT}: {error}") from error
        db.time_ms = head.time_ms
        db.watches.restore(head.watches)
        db.restored()
        self._db = db


def _chunks(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
