from __future__ import annotations

from itertools import combinations

import pytest

from comitia.quorums import ReadWrite, members_of, threshold, voting
from comitia.quorums.expression import Expression
from comitia.quorums.named import fano, grid, hierarchical, majority, tree, wall, weighted
from comitia.quorums.table import equivalent, minimal_quorums
from quorums.expressions import minimal, satisfying

NINE = members_of(range(1, 10))
ROWS = (NINE[:3], NINE[3:6], NINE[6:])
SEVEN = NINE[:7]


def sizes(expression: Expression) -> list[int]:
    return [len(quorum) for quorum in minimal_quorums(expression)]


COTERIES = {
    "majority": majority(NINE[:5]),
    "weighted": weighted(4, dict(zip(NINE[:5], (3, 1, 1, 1, 1), strict=True))),
    "hierarchical": hierarchical(ROWS),
    "tree": tree(SEVEN),
    "ternary tree": tree(NINE[:4], children=3),
    "fano": fano(SEVEN),
}


@pytest.mark.parametrize("name", COTERIES)
def test_in_a_coterie_any_two_quorums_meet(name: str) -> None:
    assert all(a & b for a, b in combinations(minimal_quorums(COTERIES[name]), 2))


@pytest.mark.parametrize("name", COTERIES)
def test_a_coterie_that_cannot_be_bettered_is_its_own_dual(name: str) -> None:
    assert equivalent(COTERIES[name], COTERIES[name].dual)


def test_a_grid_reads_a_row_and_writes_one_of_every_row() -> None:
    system = ReadWrite(grid(ROWS))
    assert minimal_quorums(system.reads) == tuple(
        frozenset(member.id for member in row) for row in ROWS
    )
    assert sizes(system.writes) == [3] * 27
    assert system.is_write_quorum({1, 5, 9})
    assert not system.is_write_quorum({1, 2, 3, 4, 5, 6})


def test_a_hierarchy_of_nine_needs_four() -> None:
    assert sizes(hierarchical(ROWS)) == [4] * 27


def test_a_path_of_the_tree_is_a_quorum_and_children_stand_in_for_a_parent() -> None:
    expression = tree(SEVEN)
    assert expression.holds({1, 2, 4})  # root, left child, its left child
    assert expression.holds({2, 4, 3, 7})  # the root failed: a path in both subtrees
    assert expression.holds({4, 5, 3, 7})  # the left child failed too
    assert not expression.holds({1, 2, 3})
    assert min(sizes(expression)) == 3


def test_a_quorum_of_a_wall_is_a_row_and_one_of_every_row_below() -> None:
    expression = wall(((NINE[0],), NINE[1:3], NINE[3:6]))
    rows: tuple[set[int], ...] = ({1}, {2, 3}, {4, 5, 6})
    for who in satisfying(expression, (1, 2, 3, 4, 5, 6)):
        assert any(
            row <= who and all(below & who for below in rows[at + 1 :])
            for at, row in enumerate(rows)
        )
    quorums = minimal_quorums(expression)
    assert sorted(map(len, quorums)) == [3] * 10  # 1x2x3 paths, 3 of row two, row three
    assert all(a & b for a, b in combinations(quorums, 2))


def test_the_fano_plane_has_seven_lines_any_two_with_one_point_in_common() -> None:
    lines = minimal_quorums(fano(SEVEN))
    assert sizes(fano(SEVEN)) == [3] * 7
    assert {len(a & b) for a, b in combinations(lines, 2)} == {1}
    assert minimal(satisfying(fano(SEVEN), tuple(range(1, 8)))) == set(lines)


def test_a_member_without_votes_is_no_member() -> None:
    assert weighted(1, {NINE[0]: 1, NINE[1]: 0}).members == (1,)
    assert voting({1: 1, 2: 0}, 1, 1).members == (1,)


@pytest.mark.parametrize(("read", "write"), [(2, 3), (1, 4), (3, 2)])
def test_gifford_refuses_votes_that_let_quorums_miss_each_other(read: int, write: int) -> None:
    votes = {1: 2, 2: 1, 3: 1, 4: 1}  # V = 5
    with pytest.raises(ValueError, match="may miss"):
        voting(votes, read, write)


def test_gifford_accepts_votes_that_keep_both_rules() -> None:
    system = voting({1: 2, 2: 1, 3: 1, 4: 1}, read=2, write=4)
    assert system.is_read_quorum({1})
    assert not system.is_read_quorum({2})
    assert system.is_write_quorum({1, 2, 3})
    assert not system.is_write_quorum({2, 3, 4})


def test_a_threshold_system_is_held_to_intersection() -> None:
    assert threshold(range(1, 5), 2, 3).is_read_quorum({1, 2})
    with pytest.raises(ValueError, match="in common"):
        threshold(range(1, 5), 2, 2)
