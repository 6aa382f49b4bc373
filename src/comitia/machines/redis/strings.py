"""Strings: SET, GET and their kin."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.redis.arguments import (
    MAX_STRING,
    MS_PER_UNIT,
    SYNTAX_ERROR,
    TOO_LONG,
    Refusal,
    deadline,
    integer,
    span,
)
from comitia.machines.redis.command import Table, wrong_arity
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import OK, Failure, Reply

commands = Table()
Args = Sequence[bytes]


class Options:
    """The options of SET and GETEX; refuses contradictions."""

    __slots__ = ("_life", "flags")

    def __init__(self, args: Args, known: frozenset[bytes]) -> None:
        self.flags: set[bytes] = set()
        self._life: dict[bytes, bytes] = {}
        rest = iter(args)
        for arg in rest:
            option = arg.upper()
            amount = next(rest, None) if option in MS_PER_UNIT else None
            if amount is not None:
                self._life[option] = amount
            elif option in known:
                self.flags.add(option)
            else:
                raise Refusal(SYNTAX_ERROR)
        lives = len(self._life) + len(self.flags & {b"KEEPTTL", b"PERSIST"})
        if lives > 1 or {b"NX", b"XX"} <= self.flags:
            raise Refusal(SYNTAX_ERROR)

    def deadline_ms(self, db: Keyspace, command: str) -> int | None:
        """Return the deadline that the options set, or None; refuses an impossible one."""
        for unit, amount in self._life.items():
            return deadline(db.time_ms, unit, amount, command)
        return None


_SET_FLAGS = frozenset({b"NX", b"XX", b"GET", b"KEEPTTL"})
_GETEX_FLAGS = frozenset({b"PERSIST"})


@commands.command(
    "SET", -3, "write denyoom", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Sets a key to a string, whatever it held before",
)  # fmt: skip
def set_(db: Keyspace, args: Args) -> Reply:
    """SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]"""
    if len(args) == 3:
        db.put(args[1], args[2])
        return OK
    key = args[1]
    options = Options(args[3:], _SET_FLAGS)
    deadline_ms = options.deadline_ms(db, "set")
    old = db.get(key)
    done: Reply = old if b"GET" in options.flags else OK
    if (b"NX" in options.flags and old is not None) or (b"XX" in options.flags and old is None):
        return old if b"GET" in options.flags else None
    if b"KEEPTTL" in options.flags:
        db.update(key, args[2])
    else:
        db.put(key, args[2])
    if deadline_ms is not None:
        db.expire(key, deadline_ms)
    return done


@commands.command(
    "GET", 2, "readonly fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Returns the string at a key",
)  # fmt: skip
def get(db: Keyspace, args: Args) -> Reply:
    """GET key"""
    return db.get(args[1])


@commands.command(
    "SETNX", 3, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Sets a key that does not exist yet",
)  # fmt: skip
def setnx(db: Keyspace, args: Args) -> Reply:
    """SETNX key value"""
    if db.get(args[1]) is not None:
        return 0
    db.put(args[1], args[2])
    return 1


def _set_for(db: Keyspace, args: Args, unit: bytes, name: str) -> Reply:
    deadline_ms = deadline(db.time_ms, unit, args[2], name)
    db.put(args[1], args[3])
    db.expire(args[1], deadline_ms)
    return OK


@commands.command(
    "SETEX", 4, "write denyoom", keys=(1, 1, 1), since="2.0.0", group="string",
    summary="Sets a key for a number of seconds",
)  # fmt: skip
def setex(db: Keyspace, args: Args) -> Reply:
    """SETEX key seconds value"""
    return _set_for(db, args, b"EX", "setex")


@commands.command(
    "PSETEX", 4, "write denyoom", keys=(1, 1, 1), since="2.6.0", group="string",
    summary="Sets a key for a number of milliseconds",
)  # fmt: skip
def psetex(db: Keyspace, args: Args) -> Reply:
    """PSETEX key milliseconds value"""
    return _set_for(db, args, b"PX", "psetex")


@commands.command(
    "GETSET", 3, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Sets a key and returns what it held",
)  # fmt: skip
def getset(db: Keyspace, args: Args) -> Reply:
    """GETSET key value"""
    old = db.get(args[1])
    db.put(args[1], args[2])
    return old


@commands.command(
    "GETDEL", 2, "write fast", keys=(1, 1, 1), since="6.2.0", group="string",
    summary="Returns the string at a key and removes the key",
)  # fmt: skip
def getdel(db: Keyspace, args: Args) -> Reply:
    """GETDEL key"""
    old = db.get(args[1])
    db.remove(args[1])
    return old


@commands.command(
    "GETEX", -2, "write fast", keys=(1, 1, 1), since="6.2.0", group="string",
    summary="Returns the string at a key and changes how long it lives",
)  # fmt: skip
def getex(db: Keyspace, args: Args) -> Reply:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]"""
    options = Options(args[2:], _GETEX_FLAGS)
    value = db.get(args[1])
    if value is None:
        return None
    deadline_ms = options.deadline_ms(db, "getex")
    if deadline_ms is not None:
        if deadline_ms <= db.time_ms:
            db.remove(args[1])
        else:
            db.expire(args[1], deadline_ms)
    elif options.flags:
        db.persist(args[1])
    return value


@commands.command(
    "MGET", -2, "readonly fast", keys=(1, -1, 1), since="1.0.0", group="string",
    summary="Returns the strings at several keys",
)  # fmt: skip
def mget(db: Keyspace, args: Args) -> Reply:
    """MGET key [key ...]"""
    return [db.get(key) for key in args[1:]]


@commands.command(
    "MSET", -3, "write denyoom", keys=(1, -1, 2), since="1.0.1", group="string",
    summary="Sets several keys at once",
)  # fmt: skip
def mset(db: Keyspace, args: Args) -> Reply:
    """MSET key value [key value ...]"""
    if len(args) % 2 == 0:
        return wrong_arity("mset")
    for position in range(1, len(args), 2):
        db.put(args[position], args[position + 1])
    return OK


@commands.command(
    "MSETNX", -3, "write denyoom", keys=(1, -1, 2), since="1.0.1", group="string",
    summary="Sets several keys at once, unless one of them exists",
)  # fmt: skip
def msetnx(db: Keyspace, args: Args) -> Reply:
    """MSETNX key value [key value ...]"""
    if len(args) % 2 == 0:
        return wrong_arity("msetnx")
    if any(db.get(key) is not None for key in args[1::2]):
        return 0
    mset(db, args)
    return 1


@commands.command(
    "STRLEN", 2, "readonly fast", keys=(1, 1, 1), since="2.2.0", group="string",
    summary="Returns the length of a string, in bytes",
)  # fmt: skip
def strlen(db: Keyspace, args: Args) -> Reply:
    """STRLEN key"""
    return len(db.get(args[1]) or b"")


@commands.command(
    "APPEND", 3, "write denyoom fast", keys=(1, 1, 1), since="2.0.0", group="string",
    summary="Adds to the end of a string; returns the new length",
)  # fmt: skip
def append(db: Keyspace, args: Args) -> Reply:
    """APPEND key value"""
    value = (db.get(args[1]) or b"") + args[2]
    if len(value) > MAX_STRING:
        return TOO_LONG
    db.update(args[1], value)
    return len(value)


def _range(db: Keyspace, args: Args) -> Reply:
    start, end = integer(args[2]), integer(args[3])
    value = db.get(args[1]) or b""
    return value[span(start, end, len(value))]


@commands.command(
    "GETRANGE", 4, "readonly", keys=(1, 1, 1), since="2.4.0", group="string",
    summary="Returns part of a string",
)  # fmt: skip
def getrange(db: Keyspace, args: Args) -> Reply:
    """GETRANGE key start end"""
    return _range(db, args)


@commands.command(
    "SUBSTR", 4, "readonly", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="The old name of GETRANGE",
)  # fmt: skip
def substr(db: Keyspace, args: Args) -> Reply:
    """SUBSTR key start end"""
    return _range(db, args)


@commands.command(
    "SETRANGE", 4, "write denyoom", keys=(1, 1, 1), since="2.2.0", group="string",
    summary="Overwrites part of a string, padding it with zero bytes",
)  # fmt: skip
def setrange(db: Keyspace, args: Args) -> Reply:
    """SETRANGE key offset value"""
    offset, patch = integer(args[2]), args[3]
    if offset < 0:
        return Failure("ERR offset is out of range")
    old = db.get(args[1]) or b""
    if not patch:
        return len(old)
    if offset + len(patch) > MAX_STRING:
        return TOO_LONG
    value = old[:offset].ljust(offset, b"\0") + patch + old[offset + len(patch) :]
    db.update(args[1], value)
    return len(value)
