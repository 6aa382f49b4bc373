"""Majorities: any more than half.  Two majorities intersect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet

from comitia.quorums.expression import Expression, choose, members_of


def reached_by_most(members: tuple[int, ...], of: Callable[[int], int]) -> int:
    """Return the greatest number that a majority of `members`, at least one, has reached."""
    return sorted([of(member) for member in members])[(len(members) - 1) // 2]


class Majority:
    """Any more-than-half of `members` reads and writes (Thomas 1979)."""

    __slots__ = ("_set", "members")

    members: tuple[int, ...]

    def __init__(self, members: Iterable[int]) -> None:
        self.members = tuple(sorted(members))
        self._set = frozenset(self.members)
        if not self.members or len(self._set) != len(self.members):
            raise ValueError(f"a majority needs distinct members, at least one: {self.members}")

    @property
    def size(self) -> int:
        """Members in the smallest quorum."""
        return len(self.members) // 2 + 1

    def is_read_quorum(self, who: AbstractSet[int]) -> bool:
        return 2 * len(self._set & who) > len(self.members)

    is_write_quorum = is_read_quorum

    def reached(self, of: Callable[[int], int]) -> int:
        """Return the greatest number that a quorum has reached, each being at `of(member)`."""
        return reached_by_most(self.members, of)

    @property
    def reads(self) -> Expression:
        return choose(self.size, members_of(self.members))

    writes = reads

    def __iter__(self) -> Iterator[int]:
        return iter(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Majority) and self.members == other.members

    def __hash__(self) -> int:
        return hash(self.members)

    def __repr__(self) -> str:
        return f"Majority({self.members})"
