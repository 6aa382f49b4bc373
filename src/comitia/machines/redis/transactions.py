"""MULTI, EXEC and WATCH, as far as they are replicated.

A transaction is one command in the log, `EXEC client n arg ... n arg ...`, which the front door
makes of what a client queued.  WATCH is a command in the log, too, `WATCH client key ...`, so all
replicas know who watches what and agree on whether a watched key was touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from comitia.machines.redis.commands import run
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import NULL_ARRAY, OK, Failure, Reply

Args = Sequence[bytes]

_MALFORMED = Failure("ERR malformed transaction")


def watch(db: Keyspace, args: Args) -> Reply:
    """WATCH client key ...: the next EXEC of this client fails if one of the keys changes."""
    for key in args[2:]:
        if db.expired(key):
            db.remove(key)  # or its removal would look like a change
    db.watches.watch((db.origin, args[1]), args[2:])
    return OK


def unwatch(db: Keyspace, args: Args) -> Reply:
    """UNWATCH client: forget what it watched."""
    db.watches.unwatch((db.origin, args[1]))
    return OK


def exec_(db: Keyspace, args: Args) -> Reply:
    """EXEC client [count arg ...] ...: execute all, unless a watched key has changed."""
    queued = unpacked(args)
    if queued is None:
        return _MALFORMED
    watcher = (db.origin, args[1])
    expired = any(map(db.expired, db.watches.keys_of(watcher)))
    if not db.watches.unwatch(watcher) or expired:
        return NULL_ARRAY
    return [run(db, command) for command in queued]


MANY = 1 << 30

INTERNAL = {
    b"WATCH": (watch, 3, MANY),
    b"UNWATCH": (unwatch, 2, 2),
    b"EXEC": (exec_, 2, MANY),
}
"""Function, least and most arguments of commands that stand in the log, but that no client sends:
the front door makes them of the commands of the same names."""


def packed(client: bytes, queued: Iterable[Args]) -> list[bytes]:
    """Return the one command that executes `queued` for `client`."""
    command = [b"EXEC", client]
    for args in queued:
        command.append(b"%d" % len(args))
        command += args
    return command


def unpacked(args: Args) -> list[Args] | None:
    """Return what `packed` packed; None when it did not pack this."""
    queued: list[Args] = []
    position = 2
    while position < len(args):
        count = int(args[position]) if args[position].isdigit() else 0
        if not 0 < count < len(args) - position:
            return None
        queued.append(args[position + 1 : position + 1 + count])
        position += 1 + count
    return queued
