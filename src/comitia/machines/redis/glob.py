"""Patterns of KEYS and SCAN, as Redis reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


@lru_cache(256)
def matcher(pattern: bytes) -> Callable[[bytes], object]:
    """Return a test of whether bytes match `pattern`: `*`, `?`, `[a-c]`, `[^x]`, backslash.

    Linear in the key times the length of the longest piece: each star settles for the first place
    where what follows it fits, which is enough, because a later star can make up for anything.
    """
    pieces = [b""]  # regular expressions of what stands between the stars
    position = 0
    while position < len(pattern):
        char = pattern[position : position + 1]
        position += 1
        if char == b"*":
            pieces.append(b"")
        elif char == b"?":
            pieces[-1] += b"."
        elif char == b"[":
            piece, position = _class(pattern, position)
            pieces[-1] += piece
        else:
            if char == b"\\" and position < len(pattern):
                char = pattern[position : position + 1]
                position += 1
            pieces[-1] += re.escape(char)
    head, *middle = pieces
    if middle:
        last = middle.pop()
        stars = b"".join(b"(?>.*?" + piece + b")" for piece in middle if piece)
        head += stars + b".*" + last
    return re.compile(head, re.DOTALL).fullmatch


def _class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the regular expression of a class that begins at `position`, and where it ends.

    A class that is not closed reaches to the end of the pattern; an empty one matches nothing.
    """
    negated = pattern[position : position + 1] == b"^"
    position += negated
    members = b""
    while position < len(pattern) and pattern[position : position + 1] != b"]":
        if pattern[position : position + 1] == b"\\" and position + 1 < len(pattern):
            position += 1
            members += re.escape(pattern[position : position + 1])
            position += 1
        elif pattern[position + 1 : position + 2] == b"-" and position + 2 < len(pattern):
            low, high = sorted((pattern[position], pattern[position + 2]))
            members += re.escape(bytes([low])) + b"-" + re.escape(bytes([high]))
            position += 3
        else:
            members += re.escape(pattern[position : position + 1])
            position += 1
    if not members:
        return (b"." if negated else b"(?!)"), position + 1
    return b"[" + (b"^" if negated else b"") + members + b"]", position + 1
