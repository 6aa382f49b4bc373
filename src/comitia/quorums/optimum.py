"""The best strategy of a system for a workload, by linear programming.

Variables: the probability of each read and each write quorum, and for each read fraction the load
of the busiest member.  A mean of such loads is linear, so one program covers a distribution of
read fractions (Naor and Wool 1998, section 4; Whittaker et al. 2021, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from comitia.quorums.linear import Program, Row, solve, solve_exactly
from comitia.quorums.strategy import Choices, Number, Strategy, Workload, quorum_latency
from comitia.quorums.system import ExpressedSystem
from comitia.quorums.table import minimal_quorums

Objective: TypeAlias = Literal["load", "latency", "network"]


@dataclass(frozen=True)
class Goal:
    """What to make least, and what must not be exceeded."""

    objective: Objective = "load"
    load_limit: Fraction | None = None
    latency_limit: Fraction | None = None
    network_limit: Fraction | None = None
    failures: int = 0
    """Ask so many members that any `failures` of them may fail without asking again: one of the
    least such sets, never more.
    """

    def value(self, strategy: Strategy, system: ExpressedSystem, workload: Workload) -> Number:
        """What `strategy` makes of the objective."""
        if self.objective == "load":
            return strategy.load(system.members, workload)
        if self.objective == "network":
            return strategy.network(workload)
        return strategy.latency(system.reads, system.writes, workload)


def best_strategy(
    system: ExpressedSystem,
    workload: Workload | None = None,
    goal: Goal | None = None,
    *,
    exact: bool = False,
) -> Strategy:
    """Return a strategy that is best for `goal`, in fractions proved optimal if `exact`.

    Raises `Infeasible` when no strategy keeps the limits, `TooManyQuorums` for a system too large.
    """
    workload, goal = workload or Workload(), goal or Goal()
    columns = _Columns(system, workload, goal.failures)
    program = columns.program(goal)
    x: tuple[Number, ...] = solve_exactly(program) if exact else solve(program)
    split = len(columns.reads)
    return Strategy(
        _chosen(columns.reads, x[:split]),
        _chosen(columns.writes, x[split : split + len(columns.writes)]),
    )


def _chosen(quorums: tuple[frozenset[int], ...], x: tuple[Number, ...]) -> Choices:
    """The quorums that are asked at all; what HiGHS leaves at 1e-9 is noise."""
    likely = [(quorum, chance) for quorum, chance in zip(quorums, x, strict=True) if chance > 1e-9]
    if all(isinstance(chance, Fraction) for _, chance in likely):
        return tuple((q, chance) for q, chance in zip(quorums, x, strict=True) if chance)
    total = sum(chance for _, chance in likely)
    return tuple((quorum, chance / total) for quorum, chance in likely)


class _Columns:
    """The quorums in the order of their variables, and what each adds to each measure."""

    def __init__(self, system: ExpressedSystem, workload: Workload, failures: int) -> None:
        self.members = system.members
        self.workload = workload
        self.reads = minimal_quorums(system.reads, failures)
        self.writes = minimal_quorums(system.writes, failures)
        if not self.reads or not self.writes:
            raise ValueError(f"no quorum of {system!r} survives {failures} failures")
        part = workload.read_share
        kinds = ((self.reads, system.reads, part), (self.writes, system.writes, 1 - part))
        self.quorums = (*self.reads, *self.writes)
        self.network = [share * len(q) for quorums, _, share in kinds for q in quorums]
        self.latency = [
            share * quorum_latency(q, expression, workload)
            for quorums, expression, share in kinds
            for q in quorums
        ]

    def program(self, goal: Goal) -> Program:
        quorums, split = len(self.quorums), len(self.reads)
        loads = range(quorums, quorums + len(self.workload.reads))
        one = Fraction(1)
        rows = [
            Row(dict.fromkeys(range(split), one), one, equal=True),
            Row(dict.fromkeys(range(split, quorums), one), one, equal=True),
        ]
        for load, (part, _) in zip(loads, self.workload.reads, strict=True):
            rows += [self._busy(member, part, load) for member in self.members]
        mean_load = dict(zip(loads, (chance for _, chance in self.workload.reads), strict=True))
        measures: dict[Objective, dict[int, Fraction]] = {
            "load": mean_load,
            "latency": dict(enumerate(self.latency)),
            "network": dict(enumerate(self.network)),
        }
        limits: tuple[tuple[Objective, Fraction | None], ...] = (
            ("load", goal.load_limit),
            ("latency", goal.latency_limit),
            ("network", goal.network_limit),
        )
        rows += [Row(measures[name], limit) for name, limit in limits if limit is not None]
        cost = measures[goal.objective]
        return Program([cost.get(at, Fraction(0)) for at in range(loads.stop)], rows)

    def _busy(self, member: int, part: Fraction, load: int) -> Row:
        """`member` is at most as busy as variable `load` says."""
        profile = self.workload.profile(member)
        read, write = part / profile.read_capacity, (1 - part) / profile.write_capacity
        coefficients = {
            at: read if at < len(self.reads) else write
            for at, quorum in enumerate(self.quorums)
            if member in quorum
        }
        coefficients[load] = Fraction(-1)
        return Row(coefficients, Fraction(0))
