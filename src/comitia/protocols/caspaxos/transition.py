"""A small change function, for demonstrations, models and tests: a byte string and a number."""

from __future__ import annotations


def register(value: bytes | None, command: bytes) -> tuple[bytes | None, object]:
    """Apply `command`, whose first byte says what it does; return the new value and a reply.

    Empty: read.  `=v`: write v.  `+n`: add n to the number (none counts as 0).  `-`: delete.
    `<v`: append v.  `?v`: write v if there is no value.  Anything else is answered with an error.
    """
    verb, rest = command[:1], command[1:]
    match verb:
        case b"":
            return value, value
        case b"=":
            return rest, b"OK"
        case b"<":
            return (value or b"") + rest, b"OK"
        case b"?":
            return (rest, True) if value is None else (value, False)
        case b"-":
            return None, value is not None
        case b"+" if (value or b"0").isdigit() and rest.isdigit():
            total = b"%d" % (int(value or b"0") + int(rest))
            return total, total
        case _:
            return value, f"error: no such change: {command!r}"
