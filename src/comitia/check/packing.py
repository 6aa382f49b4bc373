"""Distinct values to small numbers and back: what makes a state one integer."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

BITS = 24
"""The width of one part of a packed state."""
MASK = (1 << BITS) - 1


class Unlearnt(Exception):
    """Something new came up where nothing may be learnt."""


class Learning:
    """May new numbers be given and new steps be made?  Not in a child of a parallel search."""

    allowed: ClassVar[bool] = True


class Numbers(Generic[T]):
    """Gives distinct values the numbers 0, 1, 2, ... in the order in which they are first met."""

    __slots__ = ("of", "values")

    def __init__(self) -> None:
        self.of: dict[T, int] = {}
        self.values: list[T] = []

    def number(self, value: T) -> int:
        """Return the number of `value`; its twin met first stands for it from now on.

        Raises OverflowError beyond 2**24 distinct values.
        """
        found = self.of.get(value)
        if found is None:
            if not Learning.allowed:
                raise Unlearnt
            found = len(self.values)
            if found > MASK:
                raise OverflowError(f"more than {MASK + 1} distinct values of one part of a state")
            self.of[value] = found
            self.values.append(value)
        return found
