"""Search over quorum systems, each visited once.

The systems searched are those whose read quorums an expression of `+`, `*` and `choose` gives in
which every member occurs once; write quorums are the dual.  Two such expressions in canonical form
(no sum in a sum, no product in a product, `choose(k of n)` only for 1 < k < n) mean the same only
when they are the same: a monotone function has one modular decomposition, and sums, products and
thresholds are its three kinds of node.  Members that cost the same are interchangeable: systems
that differ by exchanging such members are one system, built once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, groupby, product
from typing import TypeAlias

from comitia.quorums.expression import Expression, Member, choose
from comitia.quorums.linear import Infeasible
from comitia.quorums.measure import Number, resilience
from comitia.quorums.optimum import Goal, best_strategy
from comitia.quorums.readwrite import ReadWrite
from comitia.quorums.strategy import Strategy, Workload
from comitia.quorums.table import TooManyQuorums

Counts: TypeAlias = tuple[int, ...]
"""How many members of each kind."""

Shape: TypeAlias = "int | tuple[int, tuple[Shape, ...]]"
"""A member's kind, or (k, terms) for "k of the terms"."""


@dataclass(frozen=True)
class Found:
    """A system looked at."""

    system: ReadWrite
    strategy: Strategy
    value: Number
    """What the goal makes least."""


def systems(kinds: Sequence[Sequence[int]]) -> Iterator[Expression]:
    """Each expression over all members, once; members of one kind are interchangeable."""
    for shape in _generate(tuple(len(kind) for kind in kinds)):
        yield _labelled(shape, [iter(kind) for kind in kinds])


def kinds_of(members: Iterable[int], workload: Workload) -> tuple[tuple[int, ...], ...]:
    """Members grouped by what they can bear, hence interchangeable in a system."""
    profile = workload.profile

    def key(member: int) -> tuple[object, ...]:
        mine = profile(member)
        return (mine.read_capacity, mine.write_capacity, mine.latency)

    ordered = sorted(members, key=lambda m: (key(m), m))
    return tuple(tuple(group) for _, group in groupby(ordered, key))


def search(
    members: Iterable[int], workload: Workload, goal: Goal, survive: int = 0
) -> Iterator[Found | None]:
    """Look at every system once; yield each that is better than all before, else None.

    Only systems whose reads and writes survive any `survive` failures count.  The caller decides
    how long to go on: a step is one system, and flat systems come first.
    """
    best: Number | None = None
    for reads in systems(kinds_of(members, workload)):
        found = _judged(ReadWrite(reads), workload, goal, survive)
        if found is not None and (best is None or found.value < best - 1e-9):
            best = found.value
            yield found
        else:
            yield None


def _judged(system: ReadWrite, workload: Workload, goal: Goal, survive: int) -> Found | None:
    if min(resilience(system.reads), resilience(system.writes)) < max(survive, goal.failures):
        return None
    try:
        strategy = best_strategy(system, workload, goal)
    except (Infeasible, TooManyQuorums):
        return None
    return Found(system, strategy, goal.value(strategy, system, workload))


def _labelled(shape: Shape, names: list[Iterator[int]]) -> Expression:
    if isinstance(shape, int):
        return Member(next(names[shape]))
    need, terms = shape
    return choose(need, [_labelled(term, names) for term in terms])


@cache
def _shapes(counts: Counts) -> tuple[Shape, ...]:
    return tuple(_generate(counts))


def _generate(counts: Counts) -> Iterator[Shape]:
    """Every canonical shape that uses exactly `counts`, flat ones first."""
    if sum(counts) == 1:
        yield counts.index(1)
    for terms in _forests(counts):
        for need in range(1, len(terms) + 1):
            # A sum has no sums for terms, a product no products: they would be opened.
            if need == 1 and any(_is(term, "sum") for term in terms):
                continue
            if need == len(terms) and any(_is(term, "product") for term in terms):
                continue
            yield need, terms


def _is(shape: Shape, kind: str) -> bool:
    return isinstance(shape, tuple) and shape[0] == (1 if kind == "sum" else len(shape[1]))


def _forests(counts: Counts) -> Iterator[tuple[Shape, ...]]:
    """Every multiset of at least two shapes that together use exactly `counts`."""
    for parts in _partitions(counts, counts):
        if len(parts) < 2:
            continue
        # Equal parts are interchangeable: a multiset of their shapes; different parts are not.
        choices = [
            tuple(combinations_with_replacement(_shapes(part), len(list(same))))
            for part, same in groupby(parts)
        ]
        for chosen in product(*choices):
            yield tuple(shape for group in chosen for shape in group)


def _partitions(counts: Counts, largest: Counts) -> Iterator[tuple[Counts, ...]]:
    """Every multiset of non-empty parts that add up to `counts`, none above `largest`."""
    if not any(counts):
        yield ()
        return
    for part in product(*(range(count + 1) for count in counts)):
        if any(part) and part <= largest:
            rest = tuple(count - used for count, used in zip(counts, part, strict=True))
            for parts in _partitions(rest, part):
                yield (part, *parts)
