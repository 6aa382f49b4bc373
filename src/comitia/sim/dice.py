"""The dice of a simulation: the same numbers from the same seed on every machine and Python.

The stream is SHAKE-128 (FIPS 202) of the seed's text and a block number, cut into little-endian
32-bit numbers.  `random.Random` would be as fast, but what its methods make of the generator has
changed between versions of Python; a hash function's output never does.  Integers only: floating
point functions differ in their last bit between machines.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from hashlib import shake_128
from itertools import chain, count
from typing import TypeVar

T = TypeVar("T")

_WORDS = 512
_unpack = struct.Struct(f"<{_WORDS}I").unpack

ALWAYS = 1 << 32
"""The threshold that `chance` always meets; thresholds are 32-bit fractions of it."""


def threshold(parts: int, of: int) -> int:
    """Return the threshold for a chance of `parts` in `of`."""
    return parts * ALWAYS // of


def _stream(seed: bytes) -> Iterator[int]:
    # Chained in C: Python is entered once a block, not once a number.
    return chain.from_iterable(
        _unpack(shake_128(seed + block.to_bytes(8, "little")).digest(4 * _WORDS))
        for block in count()
    )


class Dice:
    """An endless stream of numbers; streams of different texts are independent."""

    __slots__ = ("bits",)

    bits: Callable[[], int]
    """The next 32 bits."""

    def __init__(self, seed: int, purpose: str) -> None:
        """The stream of `seed` for one `purpose`: no user's draws shift another's."""
        self.bits = _stream(f"{purpose}/{seed}/".encode()).__next__

    def below(self, n: int) -> int:
        """Return a number in 0..n-1.  The bias is at most n in 2**32, far below what tests see."""
        assert 0 < n < ALWAYS, n
        return self.bits() * n >> 32

    def between(self, low: int, high: int) -> int:
        """Return a number in low..high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, threshold: int) -> bool:
        """Return True with a chance of `threshold` in `ALWAYS`."""
        return self.bits() < threshold

    def choose(self, items: Sequence[T]) -> T:
        """Return one of `items`."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Return `count` different ones of `items`, in their order."""
        chosen: list[T] = []
        for seen, item in enumerate(items):
            if self.below(len(items) - seen) < count - len(chosen):
                chosen.append(item)
        return chosen

    def waiting(self, mean: int) -> int:
        """Return a waiting time with a long tail: about exponential, 0 to some 22 times `mean`.

        The number of leading zeros of 32 bits is geometric (each further one half as likely); the
        low bits spread it evenly in between.  Its mean is 1.5, hence two thirds.
        """
        bits = self.bits()
        return mean * (((32 - bits.bit_length()) << 16) + (bits & 0xFFFF)) // 98304
