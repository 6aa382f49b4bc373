"""Strategies: which quorum to ask how often, and what that costs.

Load, capacity and strategies after Naor and Wool, "The load, capacity, and availability of quorum
systems" (1998); read fractions, unequal members, latency and network load after Whittaker et al.
(2021), sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias

from comitia.quorums.expression import Expression
from comitia.quorums.measure import Number

Choices: TypeAlias = tuple[tuple[frozenset[int], Number], ...]


@dataclass(frozen=True)
class Profile:
    """What a member can bear: reads and writes a unit of time (both may be below 1), and how long
    it takes to answer.
    """

    read_capacity: Fraction = Fraction(1)
    write_capacity: Fraction = Fraction(1)
    latency: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.read_capacity <= 0 or self.write_capacity <= 0 or self.latency < 0:
            raise ValueError("capacities are above 0 and latencies are not below 0")


PLAIN: Final = Profile()


@dataclass(frozen=True)
class Workload:
    """How often which fraction of operations reads, and on what members."""

    reads: tuple[tuple[Fraction, Fraction], ...] = ((Fraction(1, 2), Fraction(1)),)
    """(read fraction, probability); probabilities add up to 1."""
    profiles: Mapping[int, Profile] = field(default_factory=dict)
    """Members not named have capacity 1 and latency 1."""

    def __post_init__(self) -> None:
        if not all(0 <= part <= 1 and chance > 0 for part, chance in self.reads):
            raise ValueError("read fractions lie in 0..1 and their probabilities above 0")
        if sum(chance for _, chance in self.reads) != 1:
            raise ValueError("the probabilities of the read fractions do not add up to 1")

    @classmethod
    def mixed(
        cls, weights: Mapping[Fraction, Fraction], profiles: Mapping[int, Profile] | None = None
    ) -> Workload:
        """Read fractions with weights, which are scaled to add up to 1."""
        total = sum(weights.values(), Fraction(0))
        if total <= 0:
            raise ValueError("some read fraction needs a weight above 0")
        reads = tuple((part, weight / total) for part, weight in weights.items() if weight)
        return cls(reads, profiles or {})

    def profile(self, member: int) -> Profile:
        return self.profiles.get(member, PLAIN)

    @property
    def read_share(self) -> Fraction:
        """The expected fraction of operations that read."""
        return sum((part * chance for part, chance in self.reads), Fraction(0))


@dataclass(frozen=True)
class Strategy:
    """Probabilities of asking each read and each write quorum; either kind adds up to 1."""

    reads: Choices
    writes: Choices

    def use(self, member: int) -> tuple[Number, Number]:
        """How often `member` takes part in a read, and in a write."""
        return _use(self.reads, member), _use(self.writes, member)

    def member_load(self, member: int, part: Fraction, profile: Profile) -> Number:
        """The share of its time `member` is busy when `part` of one operation a unit reads."""
        reads, writes = self.use(member)
        return reads * part / profile.read_capacity + writes * (1 - part) / profile.write_capacity

    def load_at(self, part: Fraction, members: Iterable[int], workload: Workload) -> Number:
        """The load of the busiest member when `part` of the operations read."""
        return max(self.member_load(m, part, workload.profile(m)) for m in members)

    def load(self, members: Iterable[int], workload: Workload) -> Number:
        """The load of the busiest member, expected over the read fractions."""
        members = tuple(members)
        return _sum(
            chance * self.load_at(part, members, workload) for part, chance in workload.reads
        )

    def capacity(self, members: Iterable[int], workload: Workload) -> Number:
        """Operations a unit of time that no member is too slow for, expected over the fractions."""
        members = tuple(members)
        return _sum(
            chance / self.load_at(part, members, workload) for part, chance in workload.reads
        )

    def network(self, workload: Workload) -> Number:
        """Members asked an operation, on average."""
        part = workload.read_share
        reads = _sum(chance * len(quorum) for quorum, chance in self.reads)
        writes = _sum(chance * len(quorum) for quorum, chance in self.writes)
        return part * reads + (1 - part) * writes

    def latency(self, reads: Expression, writes: Expression, workload: Workload) -> Number:
        """Time until a quorum of those asked has answered, on average."""
        part = workload.read_share
        read = _sum(chance * quorum_latency(q, reads, workload) for q, chance in self.reads)
        write = _sum(chance * quorum_latency(q, writes, workload) for q, chance in self.writes)
        return part * read + (1 - part) * write


def uniform(reads: Iterable[frozenset[int]], writes: Iterable[frozenset[int]]) -> Strategy:
    """Ask every quorum equally often."""

    def evenly(quorums: Iterable[frozenset[int]]) -> Choices:
        quorums = tuple(quorums)
        return tuple((quorum, Fraction(1, len(quorums))) for quorum in quorums)

    return Strategy(evenly(reads), evenly(writes))


def quorum_latency(asked: frozenset[int], expression: Expression, workload: Workload) -> Fraction:
    """Time until those of `asked` that answered satisfy `expression`; not always the slowest."""
    answered: set[int] = set()
    for member in sorted(asked, key=lambda m: (workload.profile(m).latency, m)):
        answered.add(member)
        if expression.holds(answered):
            return workload.profile(member).latency
    raise ValueError(f"{sorted(asked)} is no quorum of {expression!r}")


def _use(choices: Choices, member: int) -> Number:
    return _sum(chance for quorum, chance in choices if member in quorum)


def _sum(numbers: Iterable[Number]) -> Number:
    total: Number = Fraction(0)
    for number in numbers:
        total = total + number
    return total
