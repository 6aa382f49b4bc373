"""Redis commands as requests of protocols that keep a register for each key and have no log.

With CASPaxos a command becomes a change of its key: the same functions that run on a whole database
run on a database of this one key, purely.  With ABD only GET and a plain SET can be expressed, for
nothing there is read, modified and written in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from comitia.kernel import Request
from comitia.machines.machine import Command
from comitia.machines.redis import DATA
from comitia.machines.redis.arguments import Refusal
from comitia.machines.redis.commands import run
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import OK, Failure, Reply
from comitia.protocols.abd.messages import ReadRegister, WriteRegister
from comitia.protocols.caspaxos.messages import Change


class Cell(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A key's value, the moment its life ends (0: never), and the latest time it was asked at.

    Members' clocks differ: with the time in the cell, what one saw expired no other sees again.
    """

    value: bytes
    deadline_ms: int = 0
    time_ms: int = 0


class Call(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A command, and the clock of the member that was asked."""

    time_ms: int
    args: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_cell = msgspec.msgpack.Decoder(Cell).decode
_call = msgspec.msgpack.Decoder(Call).decode
_database = Keyspace()  # empty between two calls: making one takes longer than a command


def redis_cell(value: bytes | None, command: bytes) -> tuple[bytes | None, object]:
    """The change function: what `command`, a `Call`, makes of a key's `Cell`, and its reply."""
    call, db = _call(command), _database
    cell = Cell(b"") if value is None else _cell(value)
    (key,) = keys_of(call.args)
    db.time_ms = db.now_ms = max(call.time_ms, cell.time_ms)
    if value is not None and not 0 < cell.deadline_ms <= db.time_ms:
        db.put(key, cell.value)
        if cell.deadline_ms:
            db.expire(key, cell.deadline_ms)
    try:
        reply: object = run(db, call.args)
    except Refusal as refusal:
        reply = refusal.failure
    after, deadline_ms = db.get(key), db.deadline(key) or 0
    db.remove(key)
    db.next_deadline()  # drops the deadline of the key that is gone
    if after is None:
        return None, reply
    # Time is kept only where something can expire: elsewhere a read leaves the cell as it is.
    return _encode(Cell(after, deadline_ms, db.time_ms if deadline_ms else 0)), reply


def keys_of(args: Sequence[bytes]) -> set[bytes]:
    """Return the keys that `args` name; none for commands that are not about keys."""
    command = DATA.get(args[0])
    return set() if command is None else set(command.keys_of(args))


class CasPaxosRegisters:
    """Every command about one key."""

    name = "caspaxos"

    def request(self, token: int, args: Command, now_ms: int) -> Request | Failure:
        """Return the request for `args`, or why there is none."""
        command = DATA.find(args)
        keys = set() if isinstance(command, Failure) else keys_of(args)
        if isinstance(command, Failure) and args[0].upper() not in (b"EXEC", b"WATCH", b"UNWATCH"):
            return command
        if len(keys) != 1:
            return _refusal(self.name, args, "each key is a register of its own")
        (key,) = keys
        if not key:
            return Failure("ERR the empty key is reserved: caspaxos keeps its membership there")
        return Change(token, key, _encode(Call(now_ms, list(args))))

    def reply(self, request: Request, result: Any) -> Reply:
        """Return what the client is told."""
        reply: Reply = result
        return reply


class AbdRegisters:
    """GET key, and SET key value."""

    name = "abd"

    def request(self, token: int, args: Command, now_ms: int) -> Request | Failure:
        """Return the request for `args`, or why there is none."""
        match [args[0].upper(), *args[1:]]:
            case [b"GET", key]:
                return ReadRegister(token, key)
            case [b"SET", key, value]:
                return WriteRegister(token, key, value)
            case _:
                return _refusal(self.name, args, "only GET key and SET key value need no consensus")

    def reply(self, request: Request, result: Any) -> Reply:
        """Return what the client is told."""
        return result if isinstance(request, ReadRegister) else OK


def _refusal(protocol: str, args: Command, why: str) -> Failure:
    name = args[0][:40].decode(errors="replace").upper()
    return Failure(f"ERR {name} is not served by {protocol} in this form: {why}")
