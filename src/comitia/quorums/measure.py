"""What a system withstands: resilience, availability, the cheapest quorum.

Gates whose terms share no member are solved by dynamic programming over the weight reached; a
member that occurs in several terms is decided first, both ways, after which it occurs in none.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from comitia.quorums.expression import ALWAYS, NEVER, Expression, Gate, Member


def cheapest_quorum(expression: Expression, cost: Mapping[int, int]) -> int | None:
    """Return the least total cost of members that satisfy `expression`; None if none do."""
    solved: dict[Expression, int | None] = {}

    def solve(e: Expression) -> int | None:
        if e in solved:
            return solved[e]
        solved[e] = least = compute(e)
        return least

    def compute(e: Expression) -> int | None:
        if e in (ALWAYS, NEVER):
            return 0 if e == ALWAYS else None
        if isinstance(e, Member):
            return cost[e.id]
        member = _shared(e)
        if member is not None:
            without = solve(e.given(member, False))
            within = solve(e.given(member, True))
            within = None if within is None else within + cost[member]
            return min((c for c in (without, within) if c is not None), default=None)
        assert isinstance(e, Gate)
        reach: dict[int, int] = {0: 0}  # weight reached: least cost
        for term, weight in zip(e.terms, e.weights, strict=True):
            price = solve(term)
            for have, paid in list(reach.items()) if price is not None else ():
                weighs = min(e.need, have + weight)
                assert price is not None
                reach[weighs] = min(reach.get(weighs, paid + price), paid + price)
        return reach.get(e.need)

    return solve(expression)


def resilience(expression: Expression) -> int:
    """Return how many members, whichever they are, can fail and leave a quorum; -1 if none is."""
    hitting = expression.dual
    least = cheapest_quorum(hitting, dict.fromkeys(hitting.members, 1))
    if least is None:  # nothing hits every quorum: the empty set is one
        return len(expression.members)
    return least - 1


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
