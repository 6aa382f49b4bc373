from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.quorums import Majority, parse
from comitia.quorums.expression import ALWAYS, NEVER, Expression
from comitia.quorums.measure import availability, cheapest_quorum, resilience
from comitia.quorums.table import TooManyQuorums, minimal_quorums
from quorums.expressions import MEMBERS, expressions, minimal, satisfying, subsets

chances = st.fractions(0, 1, max_denominator=7)


@given(expressions, st.lists(chances, min_size=5, max_size=5))
def test_availability_is_the_chance_of_all_sets_that_hold(
    expression: Expression, ups: list[Fraction]
) -> None:
    up = dict(zip(MEMBERS, ups, strict=True))
    total = Fraction(0)
    for alive in satisfying(expression):
        chance = Fraction(1)
        for member in MEMBERS:
            chance *= up[member] if member in alive else 1 - up[member]
        total += chance
    assert availability(expression, up) == total


@given(expressions)
def test_resilience_is_the_most_failures_that_always_leave_a_quorum(expression: Expression) -> None:
    survived = resilience(expression)
    for dead in subsets(expression.members):
        left = expression.holds(frozenset(expression.members) - dead)
        if len(dead) <= survived:
            assert left
    assert any(
        not expression.holds(frozenset(expression.members) - dead)
        for dead in subsets(expression.members)
        if len(dead) == survived + 1
    )


@given(expressions, st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_the_cheapest_quorum_is_the_least_of_all(expression: Expression, costs: list[int]) -> None:
    cost = dict(zip(MEMBERS, costs, strict=True))
    least = min(sum(cost[member] for member in quorum) for quorum in satisfying(expression))
    found = cheapest_quorum(expression, cost)
    assert found is not None
    assert found.cost == least == sum(cost[member] for member in found.quorum)
    assert expression.holds(found.quorum)


@given(expressions)
def test_minimal_quorums_are_those_without_a_quorum_inside(expression: Expression) -> None:
    quorums = minimal_quorums(expression)
    assert set(quorums) == minimal(satisfying(expression, expression.members))
    assert list(quorums) == sorted(quorums, key=lambda q: (len(q), sorted(q)))


@given(expressions, st.integers(1, 2))
def test_sets_asked_for_f_failures_hold_whichever_f_fail(expression: Expression, f: int) -> None:
    lasting = {
        asked
        for asked in subsets(expression.members)
        if all(expression.holds(asked - dead) for dead in subsets(MEMBERS) if len(dead) == f)
    }
    assert set(minimal_quorums(expression, f)) == minimal(lasting)


def test_the_availability_of_a_large_majority_is_the_binomial_tail() -> None:
    majority, up = Majority(range(1, 42)), Fraction(9, 10)
    tail = sum(comb(41, k) * up**k * (1 - up) ** (41 - k) for k in range(21, 42))
    assert availability(majority.reads, dict.fromkeys(majority, up)) == tail


def test_conditions_without_members_have_the_obvious_measures() -> None:
    assert cheapest_quorum(NEVER, {}) is None
    assert cheapest_quorum(ALWAYS, {}) == (0, frozenset())
    assert resilience(NEVER) == -1
    assert availability(ALWAYS, {}) == 1


@pytest.mark.parametrize(("members", "why"), [(19, "92,378 quorums"), (21, "at most 20 members")])
def test_a_system_too_large_to_list_is_refused_with_its_size(members: int, why: str) -> None:
    with pytest.raises(TooManyQuorums, match=why):
        minimal_quorums(Majority(range(1, members + 1)).reads)


def test_a_member_in_several_terms_is_decided_once() -> None:
    expression = parse("a*b + b*c + c*a")
    up = dict.fromkeys(expression.members, Fraction(1, 2))
    assert availability(expression, up) == Fraction(1, 2)
    assert resilience(expression) == 1
