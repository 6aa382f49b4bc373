"""Strings as numbers: INCR and its kin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from comitia.machines.redis.arguments import (
    INT64_MAX,
    INT64_MIN,
    Refusal,
    integer,
)
from comitia.machines.redis.command import Table
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import Failure, Reply

commands = Table()
Args = Sequence[bytes]

_OVERFLOW = Failure("ERR increment or decrement would overflow")
_NOT_A_FLOAT = Failure("ERR value is not a valid float")
_NOT_FINITE = Failure("ERR increment would produce NaN or Infinity")


def _add(db: Keyspace, key: bytes, change: int) -> int:
    old = db.get(key)
    number = change if old is None else integer(old) + change
    if not INT64_MIN <= number <= INT64_MAX:
        raise Refusal(_OVERFLOW)
    db.update(key, b"%d" % number)
    return number


@commands.command(
    "INCR", 2, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Adds one to the integer at a key",
)  # fmt: skip
def incr(db: Keyspace, args: Args) -> Reply:
    """INCR key"""
    return _add(db, args[1], 1)


@commands.command(
    "DECR", 2, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Takes one from the integer at a key",
)  # fmt: skip
def decr(db: Keyspace, args: Args) -> Reply:
    """DECR key"""
    return _add(db, args[1], -1)


@commands.command(
    "INCRBY", 3, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Adds to the integer at a key",
)  # fmt: skip
def incrby(db: Keyspace, args: Args) -> Reply:
    """INCRBY key increment"""
    return _add(db, args[1], integer(args[2]))


@commands.command(
    "DECRBY", 3, "write denyoom fast", keys=(1, 1, 1), since="1.0.0", group="string",
    summary="Takes from the integer at a key",
)  # fmt: skip
def decrby(db: Keyspace, args: Args) -> Reply:
    """DECRBY key decrement"""
    decrement = integer(args[2])
    if decrement == INT64_MIN:  # it has no opposite in 64 bits
        return Failure("ERR decrement would overflow")
    return _add(db, args[1], -decrement)


# INCRBYFLOAT computes as Redis does on x86-64: in the 80-bit format, whose mantissa has 64 bits,
# printed with 17 decimals.  Exact fractions give that result on every computer.  **Differs**: no
# hexadecimal numbers, and none of 10**4000 or more.

_FLOAT = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE]([+-]?\d{1,5}))?")
_INFINITE = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)
_DIGITS = 4000  # the format goes to 4932, but Python stops turning digits into numbers at 4300


def _rounded(exact: Fraction) -> Fraction:
    """Return the nearest number with a mantissa of 64 bits, ties to even."""
    if not exact:
        return exact
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    shift = 64 - exponent
    while abs(exact) * Fraction(2) ** shift >= 2**64:
        shift -= 1
    scale = Fraction(2) ** shift
    return Fraction(round(exact * scale)) / scale


def _long_double(data: bytes) -> Fraction:
    match = _FLOAT.fullmatch(data) if len(data) <= _DIGITS else None
    if match is not None and abs(int(match[3] or 0)) <= _DIGITS:
        return _rounded(Fraction(data.decode()))
    raise Refusal(_NOT_FINITE if _INFINITE.fullmatch(data) else _NOT_A_FLOAT)


def _written(number: Fraction) -> bytes:
    """Return `number` with up to 17 decimals and no zeros at their end."""
    units = round(number * 10**17)
    whole, decimals = divmod(abs(units), 10**17)
    text = f"{whole}.{decimals:017}".rstrip("0").rstrip(".")
    return (b"-" if units < 0 else b"") + text.encode()


@commands.command(
    "INCRBYFLOAT", 3, "write denyoom fast", keys=(1, 1, 1), since="2.6.0", group="string",
    summary="Adds to the decimal number at a key",
)  # fmt: skip
def incrbyfloat(db: Keyspace, args: Args) -> Reply:
    """INCRBYFLOAT key increment"""
    old = db.get(args[1])
    start = Fraction(0) if old is None else _long_double(old)
    total = _rounded(start + _long_double(args[2]))
    if abs(total) >= 10**_DIGITS:
        return _NOT_FINITE
    value = _written(total)
    db.update(args[1], value)
    return value
