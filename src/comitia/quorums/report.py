"""Everything there is to say about one system under one workload."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from comitia.quorums.expression import Expression
from comitia.quorums.measure import Number, availability, cheapest_quorum, resilience
from comitia.quorums.optimum import Goal, best_strategy
from comitia.quorums.strategy import Strategy, Workload
from comitia.quorums.system import ExpressedSystem
from comitia.quorums.table import TooManyQuorums, minimal_quorums


@dataclass(frozen=True)
class Side:
    """One kind of quorum."""

    quorums: int | None
    """None: too many to list."""
    smallest: int
    """Members in the smallest quorum."""
    largest: int | None
    resilience: int
    availability: Fraction


@dataclass(frozen=True)
class Report:
    reads: Side
    writes: Side
    strategy: Strategy
    load: Number
    capacity: Number
    network: Number
    latency: Number
    member_load: dict[int, Number]
    """By member, expected over the read fractions."""


def analyse(
    system: ExpressedSystem,
    workload: Workload,
    goal: Goal,
    up: Fraction = Fraction(99, 100),
    *,
    exact: bool = False,
) -> Report:
    """Measure `system` under its best strategy; `up` is the chance that a member is up."""
    strategy = best_strategy(system, workload, goal, exact=exact)
    chances = dict.fromkeys(system.members, up)

    return Report(
        reads=_side(system.reads, chances),
        writes=_side(system.writes, chances),
        strategy=strategy,
        load=strategy.load(system.members, workload),
        capacity=strategy.capacity(system.members, workload),
        network=strategy.network(workload),
        latency=strategy.latency(system.reads, system.writes, workload),
        member_load={
            member: strategy.member_load(member, workload.read_share, workload.profile(member))
            for member in system.members
        },
    )


def _side(expression: Expression, chances: dict[int, Fraction]) -> Side:
    smallest = cheapest_quorum(expression, dict.fromkeys(expression.members, 1))
    assert smallest is not None, "a system has quorums"
    try:
        listed = minimal_quorums(expression)
    except TooManyQuorums:
        listed = ()
    return Side(
        quorums=len(listed) or None,
        smallest=len(smallest.quorum),
        largest=len(listed[-1]) if listed else None,
        resilience=resilience(expression),
        availability=availability(expression, chances),
    )
