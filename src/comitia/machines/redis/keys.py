"""Commands that treat all types of values alike: DEL, EXISTS, RENAME, SCAN and their kin."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.redis.arguments import (
    NO_SUCH_KEY,
    SAME_OBJECT,
    SYNTAX_ERROR,
    database,
    flags_of,
    integer,
)
from comitia.machines.redis.command import Table
from comitia.machines.redis.glob import matcher
from comitia.machines.redis.keyspace import SHARDS, Keyspace
from comitia.machines.reply import OK, Failure, Reply

commands = Table()
Args = Sequence[bytes]


def type_of(value: object) -> str:
    """Return the name Redis has for the type of a value."""
    return "none" if value is None else "string"


def _remove(db: Keyspace, args: Args) -> Reply:
    return sum(db.remove(key) for key in args[1:])


@commands.command(
    "DEL", -2, "write", keys=(1, -1, 1), since="1.0.0", group="generic",
    summary="Removes keys; returns how many there were",
)  # fmt: skip
def del_(db: Keyspace, args: Args) -> Reply:
    """DEL key [key ...]"""
    return _remove(db, args)


@commands.command(
    "UNLINK", -2, "write fast", keys=(1, -1, 1), since="4.0.0", group="generic",
    summary="Removes keys, as DEL does",
)  # fmt: skip
def unlink(db: Keyspace, args: Args) -> Reply:
    """UNLINK key [key ...]"""
    return _remove(db, args)


def _count(db: Keyspace, args: Args) -> Reply:
    return sum(db.get(key) is not None for key in args[1:])


@commands.command(
    "EXISTS", -2, "readonly fast", keys=(1, -1, 1), since="1.0.0", group="generic",
    summary="Counts the keys that exist, each as often as it is named",
)  # fmt: skip
def exists(db: Keyspace, args: Args) -> Reply:
    """EXISTS key [key ...]"""
    return _count(db, args)


@commands.command(
    "TOUCH", -2, "readonly fast", keys=(1, -1, 1), since="3.2.1", group="generic",
    summary="Counts the keys that exist, as EXISTS does: nothing here is evicted by age",
)  # fmt: skip
def touch(db: Keyspace, args: Args) -> Reply:
    """TOUCH key [key ...]"""
    return _count(db, args)


@commands.command(
    "TYPE", 2, "readonly fast", keys=(1, 1, 1), since="1.0.0", group="generic",
    summary="Tells the type of the value at a key",
)  # fmt: skip
def type_(db: Keyspace, args: Args) -> Reply:
    """TYPE key"""
    return type_of(db.get(args[1]))


def _transfer(db: Keyspace, source: bytes, target: bytes) -> None:
    """Give `target` what the visible `source` holds, deadline included."""
    value, deadline_ms = db.get(source), db.deadline(source)
    assert value is not None
    db.put(target, value)
    if deadline_ms is not None:
        db.expire(target, deadline_ms)


@commands.command(
    "RENAME", 3, "write", keys=(1, 2, 1), since="1.0.0", group="generic",
    summary="Gives a key another name, over whatever had it",
)  # fmt: skip
def rename(db: Keyspace, args: Args) -> Reply:
    """RENAME key newkey"""
    source, target = args[1:]
    if db.get(source) is None:
        return NO_SUCH_KEY
    if source != target:
        _transfer(db, source, target)
        db.remove(source)
    return OK


@commands.command(
    "RENAMENX", 3, "write fast", keys=(1, 2, 1), since="1.0.0", group="generic",
    summary="Gives a key a name that nothing has yet",
)  # fmt: skip
def renamenx(db: Keyspace, args: Args) -> Reply:
    """RENAMENX key newkey"""
    if db.get(args[1]) is None:
        return NO_SUCH_KEY
    if db.get(args[2]) is not None:
        return 0
    rename(db, args)
    return 1


@commands.command(
    "COPY", -3, "write denyoom", keys=(1, 2, 1), since="6.2.0", group="generic",
    summary="Copies the value and the deadline of a key to another",
)  # fmt: skip
def copy(db: Keyspace, args: Args) -> Reply:
    """COPY source destination [DB 0] [REPLACE]"""
    replace = False
    rest = iter(args[3:])
    for arg in rest:
        number = next(rest, None) if arg.upper() == b"DB" else None
        if number is not None:
            database(number)
        elif arg.upper() == b"REPLACE":
            replace = True
        else:
            return SYNTAX_ERROR
    source, target = args[1], args[2]
    if source == target:
        return SAME_OBJECT
    if db.get(source) is None or (not replace and db.get(target) is not None):
        return 0
    _transfer(db, source, target)
    return 1


@commands.command(
    "MOVE", 3, "write fast", keys=(1, 1, 1), since="1.0.0", group="generic",
    summary="Refuses: there is no database but 0",
)  # fmt: skip
def move(db: Keyspace, args: Args) -> Reply:
    """MOVE key db"""
    database(args[2])
    return SAME_OBJECT


@commands.command(
    "KEYS", 2, "readonly", since="1.0.0", group="generic", categories="dangerous",
    summary="Returns every key that matches a pattern; blocks everybody while it looks",
)  # fmt: skip
def keys(db: Keyspace, args: Args) -> Reply:
    """KEYS pattern"""
    matches = matcher(args[1])
    return [key for index in range(SHARDS) for key in db.visible(index) if matches(key)]


@commands.command(
    "SCAN", -2, "readonly", since="2.8.0", group="generic",
    summary="Returns some of the keys, and the cursor to go on with",
)  # fmt: skip
def scan(db: Keyspace, args: Args) -> Reply:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]

    The cursor is a shard, which is returned whole: so a key that stays is always met, exactly
    once, and COUNT is what Redis calls it, a hint.
    """
    try:
        cursor = int(args[1])
    except ValueError:
        cursor = -1
    if not 0 <= cursor < 1 << 64 or not args[1].isdigit():
        return Failure("ERR invalid cursor")
    matches, count, kind = None, 10, None
    for option, value in zip(args[2::2], (*args[3::2], None), strict=False):
        match option.upper():
            case b"MATCH" if value is not None:
                matches = None if value == b"*" else matcher(value)
            case b"COUNT" if value is not None:
                count = integer(value)
                if count < 1:
                    return SYNTAX_ERROR
            case b"TYPE" if value is not None:
                kind = value.lower().decode("latin-1")
            case _:
                return SYNTAX_ERROR
    found: list[bytes] = []
    looked = 0
    while cursor < SHARDS and looked < count:
        here = db.visible(cursor)
        looked += len(here)
        found += here
        cursor += 1
    if matches is not None:
        found = [key for key in found if matches(key)]
    if kind is not None:
        found = [key for key in found if type_of(db.get(key)) == kind]
    return [b"%d" % (cursor if cursor < SHARDS else 0), found]


@commands.command(
    "RANDOMKEY", 1, "readonly", since="1.0.0", group="generic",
    summary="Returns some key: which one changes with the time, no dice are thrown",
)  # fmt: skip
def randomkey(db: Keyspace, args: Args) -> Reply:
    """RANDOMKEY"""
    spot = db.now_ms * 2654435761  # Knuth's multiplicative hash spreads successive moments
    for step in range(SHARDS):
        if here := db.visible((spot + step) % SHARDS):
            return here[(spot >> 10) % len(here)]
    return None


@commands.command(
    "DBSIZE", 1, "readonly fast", since="1.0.0", group="server", categories="keyspace",
    summary="Counts the keys",
)  # fmt: skip
def dbsize(db: Keyspace, args: Args) -> Reply:
    """DBSIZE"""
    return len(db)


def _flush(db: Keyspace, args: Args) -> Reply:
    flags = flags_of(args[1:], frozenset({b"SYNC", b"ASYNC"}))
    if len(args) > 2:
        return SYNTAX_ERROR
    assert len(flags) <= 1
    db.clear()
    return OK


@commands.command(
    "FLUSHALL", -1, "write", since="1.0.0", group="server", categories="keyspace dangerous",
    summary="Removes every key",
)  # fmt: skip
def flushall(db: Keyspace, args: Args) -> Reply:
    """FLUSHALL [ASYNC | SYNC]"""
    return _flush(db, args)


@commands.command(
    "FLUSHDB", -1, "write", since="1.0.0", group="server", categories="keyspace dangerous",
    summary="Removes every key, as FLUSHALL does: there is one database",
)  # fmt: skip
def flushdb(db: Keyspace, args: Args) -> Reply:
    """FLUSHDB [ASYNC | SYNC]"""
    return _flush(db, args)
