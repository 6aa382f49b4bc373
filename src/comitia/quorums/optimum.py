"""The best strategy of a system for a workload, by linear programming.

Variables: the probability of each read and each write quorum, and for each read fraction the load
of the busiest member.  A mean of such loads is linear, so one program covers a distribution of
read fractions (Naor and Wool 1998, section 4; Whittaker et al. 2021, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from comitia.quorums.expression import Expression
from comitia.quorums.linear import Optimum, Program, Row, solve
from comitia.quorums.measure import Number, Priced, cheapest_quorum
from comitia.quorums.strategy import Choices, Strategy, Workload, quorum_latency
from comitia.quorums.system import ExpressedSystem
from comitia.quorums.table import TooManyQuorums, minimal_quorums

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

    @property
    def limits(self) -> tuple[tuple[Objective, Fraction | None], ...]:
        """Every limit under the name of what it limits."""
        return (
            ("load", self.load_limit),
            ("latency", self.latency_limit),
            ("network", self.network_limit),
        )

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

    Where the quorums are too many to list they are found as they are needed, unless `goal` sets
    limits or failures: then raises `TooManyQuorums`.  Raises `Infeasible` when no strategy keeps
    the limits.
    """
    workload, goal = workload or Workload(), goal or Goal()
    try:
        reads = minimal_quorums(system.reads, goal.failures)
        writes = minimal_quorums(system.writes, goal.failures)
    except TooManyQuorums:
        if goal.failures or any(limit is not None for _, limit in goal.limits):
            raise
        return _grown(system, workload, goal, exact)
    if not reads or not writes:
        raise ValueError(f"no quorum of {system!r} survives {goal.failures} failures")
    columns = _Columns(system, workload, reads, writes)
    return columns.strategy(solve(columns.program(goal), exact=exact))


def _grown(system: ExpressedSystem, workload: Workload, goal: Goal, exact: bool) -> Strategy:
    """Column generation: solve for the quorums found so far, ask whether any other would lower the
    cost at the prices of that optimum, and take it in, until none would.
    """
    unit: dict[int, Number] = dict.fromkeys(system.members, 1)
    first = [cheapest_quorum(kind, unit) for kind in (system.reads, system.writes)]
    assert first[0] is not None
    assert first[1] is not None
    columns = _Columns(system, workload, (first[0].quorum,), (first[1].quorum,))
    proving = False
    while True:
        optimum = solve(columns.program(goal), exact=proving)
        reads, writes = columns.wanted(goal, optimum.prices)
        if reads or writes:
            reads, writes = (*columns.reads, *reads), (*columns.writes, *writes)
            columns = _Columns(system, workload, reads, writes)
        elif exact and not proving:
            proving = True  # with exact prices a quorum may turn up that rounding had hidden
        else:
            return columns.strategy(optimum)


class _Columns:
    """The quorums in the order of their variables, and what each adds to each measure."""

    def __init__(
        self,
        system: ExpressedSystem,
        workload: Workload,
        reads: tuple[frozenset[int], ...],
        writes: tuple[frozenset[int], ...],
    ) -> None:
        self.members = system.members
        self.workload = workload
        self.reads, self.writes = reads, writes
        part = workload.read_share
        self.kinds = ((reads, system.reads, part), (writes, system.writes, 1 - part))
        self.quorums = (*reads, *writes)

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
        measures = {
            "load": dict(zip(loads, (chance for _, chance in self.workload.reads), strict=True)),
            "latency": dict(enumerate(self._latencies())),
            "network": dict(enumerate(s * len(q) for some, _, s in self.kinds for q in some)),
        }
        rows += [Row(measures[name], limit) for name, limit in goal.limits if limit is not None]
        cost = measures[goal.objective]
        return Program([cost.get(at, Fraction(0)) for at in range(loads.stop)], rows)

    def _latencies(self) -> list[Fraction]:
        return [
            share * quorum_latency(quorum, expression, self.workload)
            for quorums, expression, share in self.kinds
            for quorum in quorums
        ]

    def _busy(self, member: int, part: Fraction, load: int) -> Row:
        """`member` is at most as busy as variable `load` says."""
        read, write = self._work(member, part)
        coefficients = {
            at: read if at < len(self.reads) else write
            for at, quorum in enumerate(self.quorums)
            if member in quorum
        }
        coefficients[load] = Fraction(-1)
        return Row(coefficients, Fraction(0))

    def _work(self, member: int, part: Fraction) -> tuple[Fraction, Fraction]:
        """How busy a read quorum and a write quorum keep `member` when `part` of all is reads."""
        profile = self.workload.profile(member)
        return part / profile.read_capacity, (1 - part) / profile.write_capacity

    def wanted(
        self, goal: Goal, prices: tuple[Number, ...]
    ) -> tuple[tuple[frozenset[int], ...], tuple[frozenset[int], ...]]:
        """Return read and write quorums that would lower the cost at `prices`, at most one each.

        `prices` are those of the rows of `program` for a goal without limits.
        """
        found: list[tuple[frozenset[int], ...]] = []
        for kind, (quorums, expression, share) in enumerate(self.kinds):
            costs: dict[int, Number] = dict.fromkeys(self.members, Fraction(0))
            busy = iter(prices[2:])
            for part, _ in self.workload.reads:
                for member in self.members:
                    costs[member] = costs[member] - next(busy) * self._work(member, part)[kind]
            if goal.objective == "network":
                costs = {member: cost + share for member, cost in costs.items()}
            slowness = share if goal.objective == "latency" else Fraction(0)
            best = self._cheapest(expression, costs, slowness)
            gain = prices[kind] - best.cost
            noise = 0 if isinstance(gain, Fraction) else 1e-7
            found.append((best.quorum,) if gain > noise and best.quorum not in quorums else ())
        return found[0], found[1]

    def _cheapest(
        self, expression: Expression, costs: dict[int, Number], slowness: Fraction
    ) -> Priced:
        """The quorum that is cheapest when it costs its members and `slowness` times its latency:
        for each latency, the cheapest of those members that are as fast.
        """
        latency = {member: self.workload.profile(member).latency for member in self.members}
        best: Priced | None = None
        for bound in sorted(set(latency.values())) if slowness else [max(latency.values())]:
            fast = expression
            for member in expression.members:
                fast = fast if latency[member] <= bound else fast.given(member, False)
            priced = cheapest_quorum(fast, costs)
            if priced is not None:
                priced = Priced(priced.cost + slowness * bound, priced.quorum)
                best = priced if best is None or priced.cost < best.cost else best
        assert best is not None, "a system has quorums"
        return best

    def strategy(self, optimum: Optimum) -> Strategy:
        """The strategy that `optimum` describes."""
        split, end = len(self.reads), len(self.quorums)
        return Strategy(
            _chosen(self.reads, optimum.x[:split]), _chosen(self.writes, optimum.x[split:end])
        )


def _chosen(quorums: tuple[frozenset[int], ...], x: tuple[Number, ...]) -> Choices:
    """The quorums that are asked at all; what HiGHS leaves at 1e-9 is noise."""
    chances = dict(zip(quorums, x, strict=True))
    if all(isinstance(chance, Fraction) for chance in x):
        return tuple((quorum, chance) for quorum, chance in chances.items() if chance)
    likely = {quorum: chance for quorum, chance in chances.items() if chance > 1e-9}
    total = sum(likely.values())
    return tuple((quorum, chance / total) for quorum, chance in likely.items())
