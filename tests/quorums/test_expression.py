from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given

from comitia.quorums import Member, all_of, any_of, choose, members_of, parse
from comitia.quorums.expression import ALWAYS, NEVER, Expression, gate
from comitia.quorums.table import equivalent
from quorums.expressions import MEMBERS, expressions, satisfying, subsets

A, B, C, D = members_of(range(1, 5))


@given(expressions)
def test_the_dual_of_the_dual_means_the_same(expression: Expression) -> None:
    assert equivalent(expression.dual.dual, expression)


@given(expressions)
def test_the_dual_holds_for_exactly_the_sets_that_meet_every_quorum(expression: Expression) -> None:
    quorums = satisfying(expression)
    for who in subsets(MEMBERS):
        assert expression.dual.holds(who) == all(who & quorum for quorum in quorums)


@given(expressions)
def test_a_condition_that_holds_keeps_holding_when_more_answer(expression: Expression) -> None:
    quorums = satisfying(expression)
    assert all(quorum | {member} in quorums for quorum in quorums for member in MEMBERS)


@given(expressions)
def test_knowing_about_a_member_leaves_the_condition_on_the_others(expression: Expression) -> None:
    for who in subsets(MEMBERS[1:]):
        assert expression.given(1, True).holds(who) == expression.holds(who | {1})
        assert expression.given(1, False).holds(who) == expression.holds(who)


@given(expressions)
def test_what_is_shown_is_parsed_back_to_the_same_expression(expression: Expression) -> None:
    assert parse(repr(expression)) == expression


def test_choose_counts_its_terms() -> None:
    expression = choose(2, (A, B * C, D))
    for who in subsets((1, 2, 3, 4)):
        assert expression.holds(who) == ((1 in who) + ({2, 3} <= who) + (4 in who) >= 2)


def test_votes_are_counted_by_weight() -> None:
    expression = gate(3, (A, B, C, D), (2, 1, 1, 1))
    for who in subsets((1, 2, 3, 4)):
        assert expression.holds(who) == (2 * (1 in who) + len(who & {2, 3, 4}) >= 3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (A + (B + C), (C + A) + B),
        (A * (B * C), (C * A) * B),
        (A + A, A),
        (A * A, A),
        (choose(1, (A, B)), A + B),
        (choose(2, (A, B)), A * B),
        (gate(4, (A, B, C), (2, 2, 2)), choose(2, (A, B, C))),
        (gate(3, (A, B), (5, 7)), A + B),
        (gate(3, (A, B, C), (2, 1, 1)).dual, gate(2, (A, B, C), (2, 1, 1))),
    ],
)
def test_ways_of_writing_one_condition_are_one_value(one: Expression, other: Expression) -> None:
    assert one == other
    assert hash(one) == hash(other)


def test_expressions_that_differ_are_not_equal() -> None:
    several = (A, B, A + B, A * B, choose(2, (A, B, C)), gate(2, (A, B, C), (2, 1, 1)), ALWAYS)
    assert all(one != other for one, other in combinations(several, 2))


def test_nothing_is_left_to_ask_once_a_condition_is_decided() -> None:
    assert (A + B).given(1, True) == ALWAYS
    assert (A * B).given(1, False) == NEVER
    assert ALWAYS.dual == NEVER


@pytest.mark.parametrize("need", [0, 4])
def test_choosing_none_or_more_than_there_are_is_refused(need: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {need} of 3"):
        choose(need, (A, B, C))


def test_sums_and_products_of_one_term_are_that_term() -> None:
    assert any_of([A]) == all_of([A]) == Member(1)
