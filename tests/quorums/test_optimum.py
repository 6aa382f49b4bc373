from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.quorums import ExpressedSystem, Majority, ReadWrite, members_of, parse
from comitia.quorums.linear import Infeasible, Program, Row, Unproved, _prove, solve
from comitia.quorums.measure import resilience
from comitia.quorums.named import grid, hierarchical, majority
from comitia.quorums.optimum import Goal, Objective, _grown, best_strategy
from comitia.quorums.strategy import Profile, Strategy, Workload, uniform
from comitia.quorums.table import TooManyQuorums, minimal_quorums
from quorums.expressions import systems

HALF = Fraction(1, 2)
PROFILES = {
    1: Profile(latency=Fraction(3)),
    2: Profile(Fraction(1, 2), Fraction(1, 4)),
    3: Profile(Fraction(3), Fraction(2), Fraction(1, 5)),
}


def load(text: str, part: Fraction = HALF) -> Fraction:
    system = ReadWrite(parse(text))
    workload = Workload(((part, Fraction(1)),))
    found = best_strategy(system, workload, exact=True).load(system.members, workload)
    assert isinstance(found, Fraction)
    return found


@pytest.mark.parametrize("part", [Fraction(0), HALF, Fraction(1)])
@pytest.mark.parametrize(
    ("text", "optimum"),
    [
        ("majority(a, b, c)", Fraction(2, 3)),
        ("majority(a, b, c, d, e)", Fraction(3, 5)),
        ("majority(a, b, c, d, e, f, g)", Fraction(4, 7)),
        ("grid((a, b, c), (d, e, f), (g, h, i))", Fraction(1, 3)),
        ("fano(a, b, c, d, e, f, g)", Fraction(3, 7)),
    ],
)
def test_the_optimal_loads_of_the_literature_are_found_exactly(
    text: str, optimum: Fraction, part: Fraction
) -> None:
    assert load(text, part) == optimum


def test_reads_of_one_and_writes_of_all_trade_load_for_each_other() -> None:
    assert load("a + b + c", Fraction(1)) == Fraction(1, 3)
    assert load("a + b + c", Fraction(0)) == 1
    assert load("a + b + c", HALF) == Fraction(1, 2) * Fraction(1, 3) + Fraction(1, 2)


def on_a_raster(system: ExpressedSystem, workload: Workload, steps: int) -> Fraction:
    """The least load of all strategies whose probabilities are multiples of 1/steps."""

    def choices(
        quorums: tuple[frozenset[int], ...],
    ) -> list[tuple[tuple[frozenset[int], Fraction], ...]]:
        return [
            tuple((q, Fraction(share, steps)) for q, share in zip(quorums, shares, strict=True))
            for shares in product(range(steps + 1), repeat=len(quorums))
            if sum(shares) == steps
        ]

    loads = [
        Strategy(reads, writes).load(system.members, workload)
        for reads in choices(minimal_quorums(system.reads))
        for writes in choices(minimal_quorums(system.writes))
    ]
    assert all(isinstance(value, Fraction) for value in loads)
    return Fraction(min(loads))


@pytest.mark.parametrize(
    "text", ["a*b + c", "choose(2, a, b, c)", "a*b + b*c", "weighted(2, a=2, b=1, c=1)"]
)
def test_no_strategy_on_a_fine_raster_is_better_and_some_is_as_good(text: str) -> None:
    system = ReadWrite(parse(text))
    workload = Workload(((HALF, Fraction(1)),))
    best = best_strategy(system, workload, exact=True).load(system.members, workload)
    assert best <= on_a_raster(system, workload, 12) <= best + Fraction(1, 24)


@settings(max_examples=40, deadline=None)
@given(
    systems,
    st.sampled_from(["load", "latency", "network"]),
    st.dictionaries(
        st.fractions(0, 1, max_denominator=5), st.just(Fraction(1)), min_size=1, max_size=3
    ),
    st.booleans(),
)
def test_exact_and_floating_optima_agree_and_beat_asking_all_quorums_alike(
    system: ReadWrite, objective: Objective, weights: dict[Fraction, Fraction], unequal: bool
) -> None:
    workload = Workload.mixed(weights, PROFILES if unequal else {})
    goal = Goal(objective)
    exact = best_strategy(system, workload, goal, exact=True)
    assert (
        sum(chance for _, chance in exact.reads) == sum(chance for _, chance in exact.writes) == 1
    )
    value = goal.value(exact, system, workload)
    assert isinstance(value, Fraction)
    floating = goal.value(best_strategy(system, workload, goal), system, workload)
    assert floating == pytest.approx(float(value), abs=1e-6)
    alike = uniform(minimal_quorums(system.reads), minimal_quorums(system.writes))
    assert value <= goal.value(alike, system, workload)


@settings(max_examples=40, deadline=None)
@given(systems, st.sampled_from(["load", "latency", "network"]), st.booleans())
def test_quorums_found_as_they_are_needed_give_the_same_optimum_as_all_of_them(
    system: ReadWrite, objective: Objective, unequal: bool
) -> None:
    parts = {Fraction(1, 5): Fraction(1), Fraction(2, 3): Fraction(2)}
    workload = Workload.mixed(parts, PROFILES if unequal else {})
    goal = Goal(objective)
    listed = goal.value(best_strategy(system, workload, goal, exact=True), system, workload)
    grown = _grown(system, workload, goal, exact=True)
    assert goal.value(grown, system, workload) == listed
    assert all(system.is_read_quorum(quorum) for quorum, _ in grown.reads)
    assert all(system.is_write_quorum(quorum) for quorum, _ in grown.writes)


@pytest.mark.parametrize(
    ("system", "optimum"),
    [
        (Majority(range(1, 32)), Fraction(16, 31)),
        (ReadWrite(grid([members_of(range(i, i + 6)) for i in range(1, 36, 6)])), Fraction(1, 6)),
        (
            ReadWrite(
                majority(
                    [
                        hierarchical([members_of(range(i + j, i + j + 3)) for j in (0, 3, 6)])
                        for i in (1, 10, 19)
                    ]
                )
            ),
            Fraction(8, 27),
        ),
    ],
    ids=["majority of 31", "grid of 36", "hierarchy of 27"],
)
def test_the_optimum_of_a_system_too_large_to_list_is_found_and_proved(
    system: ExpressedSystem, optimum: Fraction
) -> None:
    assert best_strategy(system, exact=True).load(system, Workload()) == optimum


def test_limits_on_a_system_too_large_to_list_are_refused() -> None:
    with pytest.raises(TooManyQuorums):
        best_strategy(Majority(range(1, 32)), goal=Goal(network_limit=Fraction(40)))


def test_members_with_less_capacity_are_asked_less_even_below_one() -> None:
    slow = Profile(Fraction(1, 4), Fraction(1, 4))
    system = Majority((1, 2, 3, 4))
    workload = Workload(profiles={4: slow})
    best = best_strategy(system, workload, exact=True)
    assert sum(best.use(4)) < sum(best.use(1))
    everyone = Workload(profiles=dict.fromkeys(system, slow))
    assert best_strategy(system, everyone, exact=True).load(system, everyone) == 4 * Fraction(3, 4)


def test_reads_and_writes_have_capacities_of_their_own() -> None:
    system = ReadWrite(parse("n1"))
    workload = Workload(((Fraction(1, 4), Fraction(1)),), {1: Profile(Fraction(2), Fraction(1, 2))})
    strategy = best_strategy(system, workload, exact=True)
    assert strategy.load(system, workload) == Fraction(1, 4) / 2 + Fraction(3, 4) * 2
    assert strategy.capacity(system, workload) == Fraction(8, 13)


def test_one_strategy_for_a_distribution_is_between_the_best_for_each_fraction() -> None:
    system = ReadWrite(parse("a*b*c + d*e + f"))
    parts = (Fraction(1, 10), Fraction(9, 10))
    mixed = Workload.mixed(dict.fromkeys(parts, Fraction(1)))
    together = best_strategy(system, mixed, exact=True).load(system, mixed)
    single = [Workload(((part, Fraction(1)),)) for part in parts]
    apart = [best_strategy(system, one, exact=True) for one in single]
    assert sum(s.load(system, one) for s, one in zip(apart, single, strict=True)) / 2 <= together
    assert all(together <= strategy.load(system, mixed) for strategy in apart)


def test_limits_are_kept_and_cost_something() -> None:
    system = ReadWrite(parse("a*b*c + d*e"))
    workload = Workload(
        profiles={1: Profile(latency=Fraction(10)), 4: Profile(latency=Fraction(2))}
    )
    free = best_strategy(system, workload, exact=True)

    def latency(strategy: Strategy) -> Fraction:
        return Fraction(strategy.latency(system.reads, system.writes, workload))

    bound = latency(free) - Fraction(1, 2)
    held = best_strategy(system, workload, Goal(latency_limit=bound), exact=True)
    assert latency(held) <= bound
    assert held.load(system, workload) > free.load(system, workload)
    thrifty = best_strategy(system, workload, Goal("network"), exact=True).network(workload)
    assert thrifty < free.network(workload)
    both = Goal(
        "latency", load_limit=Fraction(3, 4), network_limit=Fraction(thrifty) + Fraction(1, 9)
    )
    kept = best_strategy(system, workload, both, exact=True)
    assert kept.load(system, workload) <= Fraction(3, 4)
    assert kept.network(workload) <= thrifty + Fraction(1, 9)


@pytest.mark.parametrize("exact", [False, True])
def test_limits_that_nothing_keeps_are_told(exact: bool) -> None:
    with pytest.raises(Infeasible, match="no strategy is within these limits"):
        best_strategy(Majority((1, 2, 3)), goal=Goal(load_limit=Fraction(1, 2)), exact=exact)


@pytest.mark.parametrize("failures", [1, 2])
def test_what_a_resilient_strategy_asks_holds_whichever_members_fail(failures: int) -> None:
    system = Majority(range(1, 6))
    strategy = best_strategy(system, goal=Goal(failures=failures), exact=True)
    assert {len(quorum) for quorum, _ in strategy.reads} == {3 + failures}
    assert strategy.load(system, Workload()) == Fraction(3 + failures, 5)


def test_resilience_beyond_that_of_the_system_is_refused() -> None:
    assert resilience(Majority((1, 2, 3)).reads) == 1
    with pytest.raises(ValueError, match="survives 2 failures"):
        best_strategy(Majority((1, 2, 3)), goal=Goal(failures=2))


def test_latency_is_that_of_the_first_quorum_among_those_asked() -> None:
    system = Majority((1, 2, 3))
    workload = Workload(profiles={3: Profile(latency=Fraction(100))})
    everyone = uniform([frozenset((1, 2, 3))], [frozenset((1, 2, 3))])
    assert everyone.latency(system.reads, system.writes, workload) == 1
    assert everyone.network(workload) == 3


def test_a_basis_that_is_not_optimal_is_never_proved() -> None:
    # Least x0 + 2*x1 with x0 + x1 == 1: the vertex (1, 0) is optimal, (0, 1) is not.
    one = Fraction(1)
    program = Program([one, 2 * one], [Row({0: one, 1: one}, one, equal=True)])
    assert solve(program, exact=True).x == _prove(program, [0]).x == (1, 0)
    assert solve(program).x == pytest.approx((1, 0))
    assert solve(program).prices == pytest.approx(solve(program, exact=True).prices) == (1,)
    with pytest.raises(Unproved, match="lower the cost"):
        _prove(program, [1])
    with pytest.raises(Unproved, match="an equation is not met"):
        _prove(program, [2])


def test_a_basis_that_breaks_a_row_is_never_proved() -> None:
    one = Fraction(1)
    # x0 == 1 and x0 <= 1/2 contradict each other: the slack of the second row is negative.
    program = Program([one], [Row({0: one}, one, equal=True), Row({0: one}, one / 2)])
    with pytest.raises(Unproved, match="negative"):
        _prove(program, [0, 2])
    with pytest.raises(Infeasible):
        solve(program)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Workload(((Fraction(2), Fraction(1)),)),
        lambda: Workload(((HALF, HALF),)),
        lambda: Workload.mixed({}),
        lambda: Profile(read_capacity=Fraction(0)),
        lambda: Profile(latency=Fraction(-1)),
    ],
)
def test_workloads_that_mean_nothing_are_refused(build: type[Workload]) -> None:
    with pytest.raises(ValueError, match=r"lie in|add up|weight above|capacities"):
        build()
