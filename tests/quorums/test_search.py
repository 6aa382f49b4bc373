from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product

import pytest

from comitia.quorums import Majority, parse
from comitia.quorums.expression import Expression
from comitia.quorums.measure import resilience
from comitia.quorums.optimum import Goal
from comitia.quorums.search import Found, kinds_of, search, systems
from comitia.quorums.strategy import Profile, Workload
from comitia.quorums.table import Table, equivalent


def meaning(expression: Expression, order: Sequence[int]) -> int:
    return Table(expression, order).bits


@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 2), (3, 9), (4, 74), (5, 885)])
def test_no_two_systems_visited_mean_the_same(n: int, count: int) -> None:
    members = range(1, n + 1)
    visited = list(systems([[member] for member in members]))
    assert len(visited) == len({meaning(e, members) for e in visited}) == count
    assert all(e.members == tuple(members) for e in visited)


@pytest.mark.parametrize(
    "kinds",
    [[[1, 2, 3, 4]], [[1, 2], [3, 4]], [[1, 2, 3], [4]], [[1], [2], [3, 4]], [[1, 2, 3, 4, 5]]],
)
def test_of_systems_that_differ_by_exchanging_equal_members_one_is_visited(
    kinds: list[list[int]],
) -> None:
    members = [member for kind in kinds for member in kind]
    orders = [
        [member for kind in mixed for member in kind]
        for mixed in product(*(list(permutations(kind)) for kind in kinds))
    ]

    def orbit(expression: Expression) -> int:
        return min(meaning(expression, order) for order in orders)

    visited = [orbit(expression) for expression in systems(kinds)]
    every = {orbit(expression) for expression in systems([[member] for member in members])}
    assert len(visited) == len(set(visited))
    assert set(visited) == every


def test_members_that_bear_the_same_are_of_one_kind() -> None:
    fast = Profile(read_capacity=Fraction(2))
    assert sorted(kinds_of(range(1, 5), Workload(profiles={2: fast, 4: fast}))) == [(1, 3), (2, 4)]


def best(found: Sequence[Found | None]) -> Found:
    return [one for one in found if one is not None][-1]


def test_each_system_found_is_better_than_the_one_before_and_the_last_is_best_of_all() -> None:
    everything = list(search((1, 2, 3, 4), Workload(), Goal(), survive=1))
    values = [found.value for found in everything if found is not None]
    assert values == sorted(values, reverse=True)
    assert len(everything) == 16
    assert best(everything).value == pytest.approx(0.5)
    assert equivalent(best(everything).system.reads, parse("(n1 + n2)*(n3 + n4)"))


def test_only_systems_that_survive_enough_failures_are_found() -> None:
    free = best(list(search(range(1, 6), Workload(), Goal())))
    safe = best(list(search(range(1, 6), Workload(), Goal(), survive=2)))
    assert min(resilience(free.system.reads), resilience(free.system.writes)) < 2
    assert min(resilience(safe.system.reads), resilience(safe.system.writes)) >= 2
    assert free.value < safe.value
    assert equivalent(safe.system.reads, Majority(range(1, 6)).reads)


def test_a_search_can_be_left_at_any_moment() -> None:
    steps = search(
        range(1, 9), Workload(profiles={m: Profile(Fraction(m)) for m in range(1, 9)}), Goal()
    )
    assert next(steps) is not None
