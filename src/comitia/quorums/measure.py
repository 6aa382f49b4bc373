"""What a system withstands: resilience, availability, the cheapest quorum.

Gates whose terms share no member are solved by dynamic programming over the weight reached; a
member that occurs in several terms is decided first, both ways, after which it occurs in none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from comitia.quorums.expression import ALWAYS, NEVER, Expression, Gate, Member

Number: TypeAlias = Fraction | float


class Priced(NamedTuple):
    """A quorum and what its members cost together."""

    cost: Number
    quorum: frozenset[int]


def cheapest_quorum(expression: Expression, cost: Mapping[int, Number]) -> Priced | None:
    """Return a quorum whose members cost least together, None if there is no quorum.

    Costs are not negative.
    """
    solved: dict[Expression, Priced | None] = {ALWAYS: Priced(0, frozenset()), NEVER: None}

    def solve(e: Expression) -> Priced | None:
        if e not in solved:
            solved[e] = compute(e)
        return solved[e]

    def compute(e: Expression) -> Priced | None:
        if isinstance(e, Member):
            return Priced(cost[e.id], frozenset((e.id,)))
        member = _shared(e)
        if member is not None:
            within, without = solve(e.given(member, True)), solve(e.given(member, False))
            if within is not None:
                within = Priced(within.cost + cost[member], within.quorum | {member})
            return min((p for p in (without, within) if p is not None), key=_cost, default=None)
        assert isinstance(e, Gate)
        terms = [(solve(t), weight) for t, weight in zip(e.terms, e.weights, strict=True)]
        return _cheapest_terms(e.need, [(p, weight) for p, weight in terms if p is not None])

    return solve(expression)


def _cost(priced: Priced) -> Number:
    return priced.cost


def _cheapest_terms(need: int, terms: Sequence[tuple[Priced, int]]) -> Priced | None:
    """Choose terms that weigh at least `need` and cost least; they share no member."""
    if all(weight == 1 for _, weight in terms):
        chosen = sorted((priced for priced, _ in terms), key=_cost)[:need]
        return _together(chosen) if len(chosen) == need else None
    reach: dict[int, Priced] = {0: Priced(0, frozenset())}  # by weight reached
    for priced, weight in terms:
        for have, paid in list(reach.items()):
            weighs, more = min(need, have + weight), _together((paid, priced))
            if weighs not in reach or more.cost < reach[weighs].cost:
                reach[weighs] = more
    return reach.get(need)


def _together(several: Sequence[Priced]) -> Priced:
    total: Number = 0
    for priced in several:
        total = total + priced.cost
    return Priced(total, frozenset().union(*(priced.quorum for priced in several)))


def resilience(expression: Expression) -> int:
    """Return how many members, whichever they are, can fail and leave a quorum; -1 if none is."""
    hitting = expression.dual
    least = cheapest_quorum(hitting, dict.fromkeys(hitting.members, 1))
    if least is None:  # nothing hits every quorum: the empty set is one
        return len(expression.members)
    return len(least.quorum) - 1


def availability(expression: Expression, up: Mapping[int, Fraction]) -> Fraction:
    """Return the probability that the members that are up satisfy `expression`.

    `up` gives the probability that each member is up, independently of the others.
    """
    solved: dict[Expression, Fraction] = {ALWAYS: Fraction(1), NEVER: Fraction(0)}

    def solve(e: Expression) -> Fraction:
        if e not in solved:
            solved[e] = compute(e)
        return solved[e]

    def compute(e: Expression) -> Fraction:
        if isinstance(e, Member):
            return up[e.id]
        member = _shared(e)
        if member is not None:
            within, without = solve(e.given(member, True)), solve(e.given(member, False))
            return up[member] * within + (1 - up[member]) * without
        assert isinstance(e, Gate)
        reach: dict[int, Fraction] = {0: Fraction(1)}  # weight reached: probability
        for term, weight in zip(e.terms, e.weights, strict=True):
            chance = solve(term)
            after: dict[int, Fraction] = {}
            for have, likely in reach.items():
                weighs = min(e.need, have + weight)
                after[weighs] = after.get(weighs, Fraction(0)) + likely * chance
                after[have] = after.get(have, Fraction(0)) + likely * (1 - chance)
            reach = after
        return reach.get(e.need, Fraction(0))

    return solve(expression)


def _shared(expression: Expression) -> int | None:
    """Return a member that two terms of one gate name, if there is one."""
    if not isinstance(expression, Gate):
        return None
    seen: set[int] = set()
    for term in expression.terms:
        for member in term.members:
            if member in seen:
                return member
            seen.add(member)
    return next((m for m in map(_shared, expression.terms) if m is not None), None)
