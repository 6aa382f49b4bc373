"""How many messages the algorithms take."""

from __future__ import annotations

from math import prod


def oral_messages(n: int, m: int) -> int:
    """OM(m) among n generals: the sum over k = 1..m+1 of (n-1)(n-2)...(n-k)."""
    return sum(prod(range(n - k, n)) for k in range(1, m + 2))


def signed_messages(n: int, m: int) -> int:
    """SM(m) among n generals when the commander is loyal: his order, passed on once by each."""
    return (n - 1) + ((n - 1) * (n - 2) if m else 0)
