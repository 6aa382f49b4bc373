"""Arguments as Redis reads them, and the errors it answers when it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.reply import Failure

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
MAX_STRING = 32 << 20
"""The longest value, in bytes: a value crosses the log in one piece (Redis allows 512 MiB)."""

NOT_AN_INTEGER = Failure("ERR value is not an integer or out of range")
NOT_AN_INT32 = Failure("ERR value is out of range, value must between -2147483648 and 2147483647")
SYNTAX_ERROR = Failure("ERR syntax error")
NO_SUCH_KEY = Failure("ERR no such key")
NO_SUCH_DATABASE = Failure("ERR DB index is out of range")
SAME_OBJECT = Failure("ERR source and destination objects are the same")
TOO_LONG = Failure("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


class Refusal(Exception):
    """Thrown by a command before it has changed anything; carries the failure to answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def integer(data: bytes, failure: Failure = NOT_AN_INTEGER) -> int:
    """Return the 64-bit integer written as Redis writes it: no spaces, plus, or leading zeros."""
    try:
        number = int(data) if len(data) <= 20 else INT64_MAX + 1
    except ValueError:
        raise Refusal(failure) from None
    if INT64_MIN <= number <= INT64_MAX and b"%d" % number == data:
        return number
    raise Refusal(failure)


def database(data: bytes) -> None:
    """Refuse any database but 0."""
    number = integer(data)
    if not -(1 << 31) <= number < 1 << 31:
        raise Refusal(NOT_AN_INT32)
    if number:
        raise Refusal(NO_SUCH_DATABASE)


def is_integer(data: bytes) -> bool:
    """Would `integer` take this?"""
    try:
        integer(data)
    except Refusal:
        return False
    return True


def span(start: int, end: int, length: int) -> slice:
    """Return positions `start` to `end`, both included and negative from the end, as a slice."""
    if start < 0 and end < 0 and start > end:
        return slice(0, 0)
    start = max(start + length, 0) if start < 0 else start
    end = max(end + length, 0) if end < 0 else end
    return slice(start, end + 1)


MS_PER_UNIT = {b"EX": 1000, b"PX": 1, b"EXAT": 1000, b"PXAT": 1}


def deadline(now_ms: int, unit: bytes, amount: bytes, command: str) -> int:
    """Return the deadline in ms that option `unit` (EX, PX, EXAT, PXAT) and `amount` set."""
    scale = MS_PER_UNIT[unit]
    value = integer(amount)
    start_ms = 0 if unit.endswith(b"AT") else now_ms
    if 0 < value <= (INT64_MAX - start_ms) // scale:
        return value * scale + start_ms
    raise Refusal(invalid_expiry(command))


def invalid_expiry(command: str) -> Failure:
    """The time to live is not positive, or too far away to be written in 64 bits."""
    return Failure(f"ERR invalid expire time in '{command}' command")


def flags_of(args: Sequence[bytes], known: frozenset[bytes]) -> frozenset[bytes]:
    """Return the options `args` in capitals; refuses any that is not `known`."""
    flags = frozenset(arg.upper() for arg in args)
    if flags <= known:
        return flags
    raise Refusal(SYNTAX_ERROR)
