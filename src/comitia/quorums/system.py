"""What every quorum system answers; protocols ask nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Protocol

from comitia.quorums.expression import Expression


class QuorumSystem(Protocol):
    """Read and write quorums over a set of members.

    Every read quorum meets every write quorum: that is what makes a protocol safe.  Single-decree
    Paxos takes its phase 1 from read quorums and its phase 2 from write quorums (Howard, Malkhi,
    Spiegelman, "Flexible Paxos", 2016).  Values of a system are immutable and hashable.
    """

    @property
    def members(self) -> tuple[int, ...]:
        """All members, ascending."""
        ...

    def __iter__(self) -> Iterator[int]:
        """The members, ascending."""
        ...

    def is_read_quorum(self, who: AbstractSet[int]) -> bool:
        """Does `who` contain a read (phase 1) quorum?"""
        ...

    def is_write_quorum(self, who: AbstractSet[int]) -> bool:
        """Does `who` contain a write (phase 2) quorum?"""
        ...


class ExpressedSystem(QuorumSystem, Protocol):
    """A quorum system that can be analysed, because its quorums are given as expressions."""

    @property
    def reads(self) -> Expression:
        """The read quorums."""
        ...

    @property
    def writes(self) -> Expression:
        """The write quorums."""
        ...
