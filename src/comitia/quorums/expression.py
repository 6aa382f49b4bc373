"""The algebra of quorums: `a*b + c*d`, `choose(2, a, b, c)`, and their duals.

An expression is a monotone condition on the set of members that answered.  `+` is "or", `*` is
"and", `choose(k, ...)` is "at least k of"; all three, and weighted votes, are one thing: a `Gate`
whose satisfied terms must weigh at least `need`.  So there is one rule for each question.

Expressions are values: immutable, hashable, in one canonical order, with sums and products
flattened, equal terms merged and weights in lowest terms.  Whittaker, Charapko, Hellerstein,
Howard and Stoica, "Read-Write Quorum Systems Made Practical" (2021), section 2, is the source of
the notation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from math import gcd
from typing import TypeAlias

Key: TypeAlias = tuple[object, ...]


class Expression:
    """A monotone condition on sets of members: what holds for a set holds for its supersets."""

    __slots__ = ("_hash", "_key", "members")

    members: tuple[int, ...]
    """Every member the condition names, ascending."""

    _key: Key
    _hash: int

    def holds(self, who: AbstractSet[int]) -> bool:
        """Does `who` satisfy the condition?"""
        raise NotImplementedError

    @property
    def dual(self) -> Expression:
        """The condition met by exactly those sets that meet every set satisfying this one."""
        raise NotImplementedError

    def given(self, member: int, present: bool) -> Expression:
        """The condition that is left when `member` is known to be in the set, or known not to."""
        raise NotImplementedError

    def show(self, names: Mapping[int, str]) -> str:
        """The expression as text that `parse` reads, with each member under its name."""
        raise NotImplementedError

    def __add__(self, other: Expression) -> Expression:
        return any_of((self, other))

    def __mul__(self, other: Expression) -> Expression:
        return all_of((self, other))

    def __iter__(self) -> Iterator[int]:
        return iter(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._key == other._key

    def __lt__(self, other: Expression) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return self.show({member: f"n{member}" for member in self.members})


class Member(Expression):
    """One member answered."""

    __slots__ = ("id",)

    id: int

    def __init__(self, id: int) -> None:
        self.id = id
        self.members = (id,)
        self._key = ((id,), 0)
        self._hash = hash(self._key)

    def holds(self, who: AbstractSet[int]) -> bool:
        return self.id in who

    @property
    def dual(self) -> Expression:
        return self

    def given(self, member: int, present: bool) -> Expression:
        if member != self.id:
            return self
        return ALWAYS if present else NEVER

    def show(self, names: Mapping[int, str]) -> str:
        return names[self.id]


class Gate(Expression):
    """The satisfied terms weigh at least `need`.  Made by `gate`, which brings it to one form."""

    __slots__ = ("_leaves", "_others", "need", "terms", "weights")

    need: int
    terms: tuple[Expression, ...]
    weights: tuple[int, ...]

    def __init__(self, need: int, terms: tuple[Expression, ...], weights: tuple[int, ...]) -> None:
        self.need = need
        self.terms = terms
        self.weights = weights
        self.members = tuple(sorted({member for term in terms for member in term.members}))
        self._key = (self.members, 1, need, weights, tuple(term._key for term in terms))
        self._hash = hash(self._key)
        pairs = tuple(zip(terms, weights, strict=True))
        # Members of weight 1 are counted by one set intersection, in C.
        leaves = frozenset(t.id for t, weight in pairs if isinstance(t, Member) and weight == 1)
        self._leaves = leaves
        self._others = tuple(
            (term, weight)
            for term, weight in pairs
            if not (isinstance(term, Member) and weight == 1)
        )

    @property
    def total(self) -> int:
        """The weight of all terms together."""
        return sum(self.weights)

    def holds(self, who: AbstractSet[int]) -> bool:
        have = len(self._leaves & who)
        if have >= self.need:
            return True
        for term, weight in self._others:
            if term.holds(who):
                have += weight
                if have >= self.need:
                    return True
        return False

    @property
    def dual(self) -> Expression:
        # Not satisfied by the complement: the others weigh more than total - need.
        duals = tuple(term.dual for term in self.terms)
        return gate(self.total - self.need + 1, duals, self.weights)

    def given(self, member: int, present: bool) -> Expression:
        if member not in self.members:
            return self
        return gate(self.need, (t.given(member, present) for t in self.terms), self.weights)

    def show(self, names: Mapping[int, str]) -> str:
        shown = [term.show(names) for term in self.terms]
        if not self.terms:
            return "always" if self.need == 0 else "never"
        if any(weight != 1 for weight in self.weights):
            votes = (f"{t}={w}" for t, w in zip(shown, self.weights, strict=True))
            return f"weighted({self.need}, {', '.join(votes)})"
        if self.need == 1:
            return " + ".join(shown)
        if self.need == len(self.terms):
            sums = (isinstance(term, Gate) and term._is_sum for term in self.terms)
            return "*".join(
                f"({text})" if is_sum else text for text, is_sum in zip(shown, sums, strict=True)
            )
        return f"choose({self.need}, {', '.join(shown)})"

    @property
    def _is_sum(self) -> bool:
        return self.need == 1 and self.total == len(self.terms)


ALWAYS: Expression = Gate(0, (), ())
NEVER: Expression = Gate(1, (), ())


def gate(need: int, terms: Iterable[Expression], weights: Iterable[int]) -> Expression:
    """Return the canonical expression for "satisfied `terms` weigh at least `need`"."""
    votes: dict[Expression, int] = {}
    for term, weight in zip(terms, weights, strict=True):
        assert weight > 0, "a term that weighs nothing says nothing"
        if term == ALWAYS:
            need -= weight
        elif term != NEVER:
            votes[term] = votes.get(term, 0) + weight
    if need <= 0:
        return ALWAYS
    # More weight than is needed counts for no more than what is needed.
    votes = {term: min(weight, need) for term, weight in votes.items()}
    total = sum(votes.values())
    if total < need:
        return NEVER
    lightest = min(votes.values())
    if lightest == need:  # any one term is enough
        return _joined(1, votes)
    if total - lightest < need:  # no term can be missed
        return _joined(len(votes), votes)
    scale = gcd(*votes.values())
    ordered = sorted(votes)
    return Gate(-(-need // scale), tuple(ordered), tuple(votes[term] // scale for term in ordered))


def _joined(need: int, votes: Iterable[Expression]) -> Expression:
    """A sum (`need` 1) or product of distinct terms, with sums in sums and products in products
    opened.
    """
    terms = set(votes)
    is_sum = need == 1
    opened: set[Expression] = set()
    for term in terms:
        same = isinstance(term, Gate) and (
            term._is_sum if is_sum else term.need == term.total == len(term.terms)
        )
        opened.update(term.terms if same and isinstance(term, Gate) else (term,))
    if len(opened) == 1:
        return next(iter(opened))
    ordered = tuple(sorted(opened))
    return Gate(1 if is_sum else len(ordered), ordered, (1,) * len(ordered))


def any_of(terms: Iterable[Expression]) -> Expression:
    """At least one of `terms`."""
    return choose(1, terms)


def all_of(terms: Iterable[Expression]) -> Expression:
    """Every one of `terms`."""
    terms = tuple(terms)
    return choose(len(terms), terms)


def choose(need: int, terms: Iterable[Expression]) -> Expression:
    """At least `need` of `terms`."""
    terms = tuple(terms)
    if not 1 <= need <= len(terms):
        raise ValueError(f"cannot choose {need} of {len(terms)} terms")
    return gate(need, terms, (1,) * len(terms))


def members_of(ids: Iterable[int]) -> tuple[Member, ...]:
    """One `Member` for each id."""
    return tuple(Member(id) for id in ids)
