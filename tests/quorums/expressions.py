"""Expressions for hypothesis, and the plain definitions they are held against."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import strategies as st

from comitia.quorums.expression import Expression, Member, choose, gate
from comitia.quorums.readwrite import ReadWrite

MEMBERS = (1, 2, 3, 4, 5)


def subsets(members: tuple[int, ...]) -> list[frozenset[int]]:
    sizes = range(len(members) + 1)
    return [frozenset(s) for s in chain.from_iterable(combinations(members, k) for k in sizes)]


def satisfying(expression: Expression, members: tuple[int, ...] = MEMBERS) -> set[frozenset[int]]:
    return {s for s in subsets(members) if expression.holds(s)}


def minimal(sets: set[frozenset[int]]) -> set[frozenset[int]]:
    return {s for s in sets if not any(other < s for other in sets)}


def chosen(terms: list[Expression]) -> st.SearchStrategy[Expression]:
    return st.integers(1, len(terms)).map(lambda need: choose(need, terms))


@st.composite
def voted(draw: st.DrawFn, terms: list[Expression]) -> Expression:
    weights = draw(st.lists(st.integers(1, 4), min_size=len(terms), max_size=len(terms)))
    return gate(draw(st.integers(1, sum(weights))), terms, weights)


expressions: st.SearchStrategy[Expression] = st.recursive(
    st.sampled_from(MEMBERS).map(Member),
    lambda inner: st.lists(inner, min_size=1, max_size=4).flatmap(
        lambda terms: st.one_of(chosen(terms), voted(terms))
    ),
    max_leaves=9,
)

systems = expressions.map(ReadWrite)
