"""Deadlines: EXPIRE, TTL and their kin; and what OBJECT and MEMORY tell about a key."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.redis.arguments import (
    INT64_MAX,
    INT64_MIN,
    SYNTAX_ERROR,
    integer,
    invalid_expiry,
    is_integer,
)
from comitia.machines.redis.command import Table, text_of
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import Failure, Reply

commands = Table()
Args = Sequence[bytes]


def _conditions(args: Args) -> frozenset[bytes] | Failure:
    flags = frozenset(arg.upper() for arg in args)
    for arg in args:
        if arg.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            return Failure(f"ERR Unsupported option {text_of(arg)}")
    if b"NX" in flags and len(flags) > 1:
        text = "ERR NX and XX, GT or LT options at the same time are not compatible"
        return Failure(text)
    if {b"GT", b"LT"} <= flags:
        return Failure("ERR GT and LT options at the same time are not compatible")
    return flags


def _expire(db: Keyspace, args: Args, scale: int, start_ms: int) -> Reply:
    flags = _conditions(args[3:])
    if isinstance(flags, Failure):
        return flags
    deadline_ms = integer(args[2]) * scale
    if not INT64_MIN <= deadline_ms <= INT64_MAX - start_ms:
        return invalid_expiry(text_of(args[0].lower()))
    deadline_ms += start_ms
    key = args[1]
    if db.get(key) is None:
        return 0
    old = db.deadline(key)
    if (
        (b"NX" in flags and old is not None)
        or (b"XX" in flags and old is None)
        or (b"GT" in flags and (old is None or deadline_ms <= old))
        or (b"LT" in flags and old is not None and deadline_ms >= old)
    ):
        return 0
    if deadline_ms <= db.time_ms:
        db.remove(key)
    else:
        db.expire(key, deadline_ms)
    return 1


@commands.command(
    "EXPIRE", -3, "write fast", keys=(1, 1, 1), since="1.0.0", group="generic",
    summary="Lets a key live for so many more seconds",
)  # fmt: skip
def expire(db: Keyspace, args: Args) -> Reply:
    """EXPIRE key seconds [NX | XX | GT | LT]"""
    return _expire(db, args, 1000, db.time_ms)


@commands.command(
    "PEXPIRE", -3, "write fast", keys=(1, 1, 1), since="2.6.0", group="generic",
    summary="Lets a key live for so many more milliseconds",
)  # fmt: skip
def pexpire(db: Keyspace, args: Args) -> Reply:
    """PEXPIRE key milliseconds [NX | XX | GT | LT]"""
    return _expire(db, args, 1, db.time_ms)


@commands.command(
    "EXPIREAT", -3, "write fast", keys=(1, 1, 1), since="1.2.0", group="generic",
    summary="Lets a key live until a moment, in seconds since 1970",
)  # fmt: skip
def expireat(db: Keyspace, args: Args) -> Reply:
    """EXPIREAT key unix-time-seconds [NX | XX | GT | LT]"""
    return _expire(db, args, 1000, 0)


@commands.command(
    "PEXPIREAT", -3, "write fast", keys=(1, 1, 1), since="2.6.0", group="generic",
    summary="Lets a key live until a moment, in milliseconds since 1970",
)  # fmt: skip
def pexpireat(db: Keyspace, args: Args) -> Reply:
    """PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]"""
    return _expire(db, args, 1, 0)


@commands.command(
    "PERSIST", 2, "write fast", keys=(1, 1, 1), since="2.2.0", group="generic",
    summary="Takes the deadline of a key away",
)  # fmt: skip
def persist(db: Keyspace, args: Args) -> Reply:
    """PERSIST key"""
    return int(db.get(args[1]) is not None and db.persist(args[1]))


def _left(db: Keyspace, key: bytes, start_ms: int) -> int:
    """Return the ms from `start_ms` to the deadline of `key`; -1 without one, -2 without key."""
    if db.get(key) is None:
        return -2
    deadline_ms = db.deadline(key)
    return -1 if deadline_ms is None else max(deadline_ms - start_ms, 0)


def _seconds(ms: int) -> int:
    return ms if ms < 0 else (ms + 500) // 1000


@commands.command(
    "TTL", 2, "readonly fast", keys=(1, 1, 1), since="1.0.0", group="generic",
    summary="Returns how many seconds a key will live on",
)  # fmt: skip
def ttl(db: Keyspace, args: Args) -> Reply:
    """TTL key"""
    return _seconds(_left(db, args[1], db.now_ms))


@commands.command(
    "PTTL", 2, "readonly fast", keys=(1, 1, 1), since="2.6.0", group="generic",
    summary="Returns how many milliseconds a key will live on",
)  # fmt: skip
def pttl(db: Keyspace, args: Args) -> Reply:
    """PTTL key"""
    return _left(db, args[1], db.now_ms)


@commands.command(
    "EXPIRETIME", 2, "readonly fast", keys=(1, 1, 1), since="7.0.0", group="generic",
    summary="Returns the deadline of a key, in seconds since 1970",
)  # fmt: skip
def expiretime(db: Keyspace, args: Args) -> Reply:
    """EXPIRETIME key"""
    return _seconds(_left(db, args[1], 0))


@commands.command(
    "PEXPIRETIME", 2, "readonly fast", keys=(1, 1, 1), since="7.0.0", group="generic",
    summary="Returns the deadline of a key, in milliseconds since 1970",
)  # fmt: skip
def pexpiretime(db: Keyspace, args: Args) -> Reply:
    """PEXPIRETIME key"""
    return _left(db, args[1], 0)


commands.container("OBJECT", since="2.2.3", group="generic", summary="Looks inside a key")


@commands.command(
    "OBJECT|ENCODING", 3, "readonly", keys=(2, 2, 1), since="2.2.3", group="generic",
    summary="Tells how Redis would store the value: int, embstr or raw",
)  # fmt: skip
def object_encoding(db: Keyspace, args: Args) -> Reply:
    """OBJECT ENCODING key"""
    value = db.get(args[2])
    if value is None:
        return None
    if is_integer(value):
        return b"int"
    return b"embstr" if len(value) <= 44 else b"raw"


@commands.command(
    "OBJECT|REFCOUNT", 3, "readonly", keys=(2, 2, 1), since="2.2.3", group="generic",
    summary="Counts the references to a value: one",
)  # fmt: skip
def object_refcount(db: Keyspace, args: Args) -> Reply:
    """OBJECT REFCOUNT key"""
    return None if db.get(args[2]) is None else 1


@commands.command(
    "OBJECT|IDLETIME", 3, "readonly", keys=(2, 2, 1), since="2.2.3", group="generic",
    summary="Tells how long a key was not used: not recorded here, always 0",
)  # fmt: skip
def object_idletime(db: Keyspace, args: Args) -> Reply:
    """OBJECT IDLETIME key"""
    return None if db.get(args[2]) is None else 0


commands.container("MEMORY", since="4.0.0", group="server", summary="Tells about memory")


@commands.command(
    "MEMORY|USAGE", -3, "readonly", keys=(2, 2, 1), since="4.0.0", group="server",
    summary="Estimates the bytes that a key and its value take",
)  # fmt: skip
def memory_usage(db: Keyspace, args: Args) -> Reply:
    """MEMORY USAGE key [SAMPLES count]"""
    if len(args) > 3 and (len(args) != 5 or args[3].upper() != b"SAMPLES"):
        return SYNTAX_ERROR
    value = db.get(args[2])
    if value is None:
        return None
    # Two objects of bytes (33 bytes of head each) and the entry of the dictionary.
    return len(args[2]) + len(value) + 66 + 104
