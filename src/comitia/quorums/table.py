"""Truth tables in one integer: bit m tells whether the set of members with bits m satisfies.

With 20 members a table has a million bits, and Python combines two of them in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from comitia.quorums.expression import Expression, Gate, Member

MAX_MEMBERS: Final = 20
MAX_QUORUMS: Final = 20_000


class TooManyQuorums(ValueError):
    """The system is too large to list its quorums."""


class Table:
    """The truth table of an expression over `members`; bit i of a set stands for `members[i]`."""

    def __init__(self, expression: Expression, members: Sequence[int]) -> None:
        if len(members) > MAX_MEMBERS:
            raise TooManyQuorums(
                f"quorums are listed for at most {MAX_MEMBERS} members, not {len(members)}"
            )
        self.members = tuple(members)
        self.size = 1 << len(members)
        self.full = (1 << self.size) - 1
        self.without = tuple(self._without(1 << at) for at in range(len(members)))
        self.bits = self._of(expression)

    def _without(self, step: int) -> int:
        """The sets that lack one member: `step` ones, `step` zeros, and so on."""
        return self.full // ((1 << step) + 1)

    def _of(self, expression: Expression) -> int:
        if isinstance(expression, Member):
            return self.full ^ self.without[self.members.index(expression.id)]
        assert isinstance(expression, Gate)
        # reached[w]: the sets for which the terms seen so far weigh at least w
        reached = [self.full] + [0] * expression.need
        for term, weight in zip(expression.terms, expression.weights, strict=True):
            bits = self._of(term)
            for have in range(expression.need, 0, -1):
                reached[have] |= reached[max(0, have - weight)] & bits
        return reached[expression.need]

    def survive(self, failures: int) -> None:
        """Keep the sets that satisfy after losing any `failures` of their members."""
        for _ in range(failures):
            kept = self.bits
            for at, without in enumerate(self.without):
                lacking = self.bits & without
                kept &= lacking | lacking << (1 << at)
            self.bits = kept

    def minimal(self) -> tuple[frozenset[int], ...]:
        """The satisfying sets that no other satisfying set is part of, smallest first."""
        larger = 0
        for at, without in enumerate(self.without):
            larger |= (self.bits & without) << (1 << at)
        least = self.bits & ~larger
        if least.bit_count() > MAX_QUORUMS:
            raise TooManyQuorums(
                f"{least.bit_count():,} quorums; strategies choose among at most {MAX_QUORUMS:,}"
            )
        sets = []
        digits = bin(least)[:1:-1]
        mask = digits.find("1")
        while mask != -1:
            sets.append(tuple(m for at, m in enumerate(self.members) if mask >> at & 1))
            mask = digits.find("1", mask + 1)
        return tuple(frozenset(s) for s in sorted(sets, key=lambda s: (len(s), s)))


def minimal_quorums(expression: Expression, failures: int = 0) -> tuple[frozenset[int], ...]:
    """Return the least sets that satisfy `expression` even when any `failures` of them fail.

    Raises TooManyQuorums beyond MAX_MEMBERS members or MAX_QUORUMS quorums.
    """
    table = Table(expression, expression.members)
    table.survive(failures)
    return table.minimal()


def equivalent(first: Expression, second: Expression) -> bool:
    """Do the same sets satisfy both?  Raises TooManyQuorums beyond MAX_MEMBERS members."""
    members = sorted({*first.members, *second.members})
    return Table(first, members).bits == Table(second, members).bits
