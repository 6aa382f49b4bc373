"""How little can two quorums share?  The question behind every proof of safety.

Byzantine systems (Malkhi and Reiter, "Byzantine quorum systems", 1998): with at most f liars, two
quorums of a *dissemination* system share a correct member, hence at least f+1 members; of a
*masking* system, where data is not signed, the correct members they share outnumber the liars,
hence at least 2f+1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from comitia.quorums.expression import ALWAYS, NEVER, Expression


class Overlap(NamedTuple):
    """Two quorums that share as few members as any two do."""

    size: int
    first: frozenset[int]
    second: frozenset[int]


class TooLittleShared(ValueError):
    """Two quorums share fewer members than they must."""

    def __init__(self, kinds: tuple[str, str], shared: Overlap, needed: int) -> None:
        self.kinds = kinds
        self.shared = shared
        self.needed = needed
        members = shared.first | shared.second
        super().__init__(self.show({member: f"n{member}" for member in members}))

    def show(self, names: Mapping[int, str]) -> str:
        """The two quorums, with each member under its name."""
        first, second = (
            f"{kind} quorum {{{', '.join(names[member] for member in sorted(quorum))}}}"
            for kind, quorum in zip(self.kinds, self.shared[1:], strict=True)
        )
        return f"{first} and {second}: {self.shared.size} in common, {self.needed} needed"


def check_overlap(
    kinds: tuple[str, str], first: Expression, second: Expression, needed: int
) -> None:
    """Raise TooLittleShared unless any two quorums share `needed` members."""
    shared = least_overlap(first, second)
    if shared is not None and shared.size < needed:
        raise TooLittleShared(kinds, shared, needed)


def least_overlap(first: Expression, second: Expression) -> Overlap | None:
    """Return the pair of quorums that shares least; None when one side has no quorum at all.

    Decides member by member who is in which quorum.  What is left to satisfy repeats often (any
    two of these three), so each remainder is solved once.
    """
    solved: dict[tuple[Expression, Expression], Overlap | None] = {}

    def solve(f: Expression, g: Expression) -> Overlap | None:
        if f == NEVER or g == NEVER:
            return None
        if f == ALWAYS or g == ALWAYS:
            return Overlap(0, frozenset(f.members), frozenset(g.members))
        found = solved.get((f, g))
        if found is None:
            found = solved[f, g] = branch(f, g)
        return found

    def branch(f: Expression, g: Expression) -> Overlap | None:
        member = min(f.members[0], g.members[0])
        one = frozenset((member,))
        with_f, with_g = f.given(member, True), g.given(member, True)
        without_f, without_g = f.given(member, False), g.given(member, False)
        best: Overlap | None = None
        for found, a, b in (
            (solve(with_f, without_g), one, frozenset()),
            (solve(without_f, with_g), frozenset(), one),
            (solve(with_f, with_g), one, one),
        ):
            if found is not None:
                size = found.size + len(a & b)
                if best is None or size < best.size:
                    best = Overlap(size, found.first | a, found.second | b)
        return best

    return solve(first, second)
