"""Everything there is to say about one system under one workload."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from comitia.quorums.measure import availability, resilience
from comitia.quorums.optimum import Goal, best_strategy
from comitia.quorums.strategy import Number, Strategy, Workload
from comitia.quorums.system import ExpressedSystem
from comitia.quorums.table import minimal_quorums


@dataclass(frozen=True)
class Side:
    """One kind of quorum."""

    quorums: int
    smallest: int
    largest: int
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

    def side(writes: bool) -> Side:
        expression = system.writes if writes else system.reads
        quorums = minimal_quorums(expression)
        return Side(
            quorums=len(quorums),
            smallest=len(quorums[0]),
            largest=len(quorums[-1]),
            resilience=resilience(expression),
            availability=availability(expression, chances),
        )

    return Report(
        reads=side(writes=False),
        writes=side(writes=True),
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
