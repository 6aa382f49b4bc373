"""Any quorum system there is: read quorums and write quorums, each an expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from comitia.quorums.expression import Expression, Member, choose, gate, members_of
from comitia.quorums.overlap import check_overlap


class ReadWrite:
    """Read quorums `reads` and write quorums `writes`; by default each is the dual of the other.

    Refused (TooLittleShared) unless every read quorum meets every write quorum;
    `ReadWrite.unchecked` makes the broken systems that simulator and model checker must catch.
    """

    __slots__ = ("_hash", "is_read_quorum", "is_write_quorum", "members", "reads", "writes")

    members: tuple[int, ...]
    reads: Expression
    writes: Expression
    is_read_quorum: Callable[[AbstractSet[int]], bool]
    is_write_quorum: Callable[[AbstractSet[int]], bool]

    def __init__(self, reads: Expression | None = None, writes: Expression | None = None) -> None:
        if reads is None:
            if writes is None:
                raise ValueError("a quorum system needs reads, writes or both")
            reads = writes.dual
        elif writes is None:
            writes = reads.dual
        else:
            check_overlap(("read", "write"), reads, writes, needed=1)
        self._set(reads, writes)

    @classmethod
    def unchecked(cls, reads: Expression, writes: Expression) -> ReadWrite:
        """A system that need not be one: for showing what breaks when quorums do not meet."""
        system: ReadWrite = object.__new__(cls)
        system._set(reads, writes)
        return system

    def _set(self, reads: Expression, writes: Expression) -> None:
        self.reads, self.writes = reads, writes
        self.members = tuple(sorted({*reads.members, *writes.members}))
        if not self.members:
            raise ValueError("a quorum system has at least one member")
        self._hash = hash((reads, writes))
        # Bound once: protocols ask on every vote.
        self.is_read_quorum = reads.holds
        self.is_write_quorum = writes.holds

    def __iter__(self) -> Iterator[int]:
        return iter(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReadWrite) and (self.reads, self.writes) == (
            other.reads,
            other.writes,
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"ReadWrite(reads={self.reads!r}, writes={self.writes!r})"


def threshold(members: Iterable[int], read: int, write: int) -> ReadWrite:
    """Any `read` members read, any `write` members write."""
    terms = members_of(members)
    return ReadWrite(choose(read, terms), choose(write, terms))


def voting(votes: Mapping[int, int], read: int, write: int) -> ReadWrite:
    """Gifford's weighted voting: quorums have `read` and `write` of all V votes, r+w > V, 2w > V.

    (Gifford 1979, section 3.)  The second rule makes two writes meet, so that version numbers grow.
    A member with no votes is a weak representative: never needed, so no member of the system.
    """
    total = sum(votes.values())
    if min(votes.values(), default=0) < 0 or not 1 <= read <= total or not 1 <= write <= total:
        raise ValueError(f"votes are not negative and quorums have 1 to {total} of them")
    if read + write <= total:
        raise ValueError(f"a read with {read} and a write with {write} of {total} votes may miss")
    if 2 * write <= total:
        raise ValueError(f"two writes with {write} of {total} votes each may miss each other")
    voters = tuple(Member(member) for member in sorted(votes) if votes[member])
    weights = tuple(votes[voter.id] for voter in voters)
    return ReadWrite(gate(read, voters, weights), gate(write, voters, weights))
