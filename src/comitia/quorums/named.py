"""The quorum systems of the literature, as expressions.

Each function returns the read quorums.  The write quorums that leave nothing to be wished are the
dual (`comitia.quorums.ReadWrite`); an expression that is its own dual (majority of an odd number,
tree, Fano plane) is a coterie: one kind of quorum serves reads and writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comitia.quorums.expression import Expression, all_of, any_of, choose, gate


def majority(terms: Sequence[Expression]) -> Expression:
    """More than half (Thomas 1979)."""
    return choose(len(terms) // 2 + 1, terms)


def weighted(need: int, votes: Mapping[Expression, int]) -> Expression:
    """Terms with at least `need` votes together (Gifford 1979)."""
    if any(weight < 0 for weight in votes.values()):
        raise ValueError("a number of votes is not negative")
    voters = {term: weight for term, weight in votes.items() if weight}
    if not 1 <= need <= sum(voters.values()):
        raise ValueError(f"cannot have {need} of {sum(voters.values())} votes")
    return gate(need, voters, voters.values())


def grid(rows: Sequence[Sequence[Expression]]) -> Expression:
    """Any full row; the dual is one of every row (Cheung, Ammar and Ahamad 1992)."""
    if not rows or not all(len(row) == len(rows[0]) > 0 for row in rows):
        raise ValueError("a grid has rows of one length")
    return any_of(all_of(row) for row in rows)


def hierarchical(groups: Sequence[Sequence[Expression]]) -> Expression:
    """A majority of the groups, in each a majority of its terms (Kumar 1991).

    Terms may themselves be hierarchies, so that any number of levels can be built.
    """
    return majority([majority(group) for group in groups])


def tree(terms: Sequence[Expression], children: int = 2) -> Expression:
    """The root and a quorum of one subtree, or quorums of all subtrees; `terms` in heap order.

    Without failures a path from the root to a leaf; a missing node is stood in for by all of its
    children (Agrawal and El Abbadi 1991, for two children; the same rule serves any number).
    """
    if not terms or children < 2:
        raise ValueError("a tree needs a root and at least two children at each inner node")
    below: list[Expression] = list(terms)
    for at in reversed(range(len(terms))):
        first = at * children + 1
        subtrees = below[first : first + children]
        if 0 < len(subtrees) < children:
            raise ValueError(
                f"a tree of {len(terms)} terms leaves an inner node with {len(subtrees)} of "
                f"{children} children"
            )
        if subtrees:
            # The root weighs one less than is needed, so it wants one subtree; without it, all.
            weights = (children - 1, *(1 for _ in subtrees))
            below[at] = gate(children, (terms[at], *subtrees), weights)
    return below[0]


def wall(rows: Sequence[Sequence[Expression]]) -> Expression:
    """A full row and one of every row below it (Peleg and Wool 1995, "Crumbling walls")."""
    if not rows or not all(rows):
        raise ValueError("a wall has at least one row, and no row is empty")
    above = all_of(rows[0])
    for row in rows[1:]:
        above = above * any_of(row) + all_of(row)
    return above


FANO_LINES = ((0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5))


def fano(points: Sequence[Expression]) -> Expression:
    """A line of the projective plane of order 2: seven lines of three, any two share one point
    (Maekawa 1985 for finite projective planes).
    """
    if len(points) != 7:
        raise ValueError(f"the Fano plane has 7 points, not {len(points)}")
    return any_of(all_of(points[point] for point in line) for line in FANO_LINES)
