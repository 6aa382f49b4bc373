"""Majorities, joint majorities, and the way from one configuration to another (chapter 4)."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.protocols.raft import Configuration, Tally
from comitia.quorums.electorate import UNBOUNDED

ids = st.frozensets(st.integers(1, 6), max_size=5)


def conf(
    voters: str, outgoing: str = "", learners: str = "", learners_next: str = ""
) -> Configuration:
    return Configuration(*(tuple(map(int, s)) for s in (voters, outgoing, learners, learners_next)))


@pytest.mark.parametrize(
    ("voters", "granted", "refused", "tally"),
    [
        ("1", "", "", Tally.PENDING),
        ("1", "1", "", Tally.WON),
        ("1", "", "1", Tally.LOST),
        ("123", "1", "", Tally.PENDING),
        ("123", "1", "2", Tally.PENDING),
        ("123", "13", "2", Tally.WON),
        ("123", "1", "23", Tally.LOST),
        ("12", "1", "2", Tally.LOST),
        ("1234", "12", "3", Tally.PENDING),
        ("1234", "12", "34", Tally.LOST),
        ("123", "1456789", "", Tally.PENDING),
        ("", "", "", Tally.WON),
    ],
)
def test_a_majority_of_the_voters_decides(
    voters: str, granted: str, refused: str, tally: Tally
) -> None:
    assert conf(voters).tally({*map(int, granted)}, {*map(int, refused)}) is tally


@pytest.mark.parametrize(
    ("voters", "outgoing", "granted", "refused", "tally"),
    [
        ("1", "2", "1", "", Tally.PENDING),
        ("1", "2", "12", "", Tally.WON),
        ("1", "2", "1", "2", Tally.LOST),
        ("1", "2", "", "2", Tally.LOST),
        ("123", "456", "12", "", Tally.PENDING),
        ("123", "456", "1245", "", Tally.WON),
        ("123", "456", "123", "45", Tally.LOST),
        ("123", "345", "123", "", Tally.PENDING),
        ("123", "345", "1234", "", Tally.WON),
        ("123", "123", "12", "3", Tally.WON),
    ],
)
def test_a_joint_decision_needs_both_majorities_and_either_can_refuse(
    voters: str, outgoing: str, granted: str, refused: str, tally: Tally
) -> None:
    for joint in (conf(voters, outgoing), conf(outgoing, voters)):
        assert joint.tally({*map(int, granted)}, {*map(int, refused)}) is tally


@pytest.mark.parametrize(
    ("voters", "outgoing", "indexes", "reached"),
    [
        ("1", "", {1: 7}, 7),
        ("12", "", {1: 7, 2: 5}, 5),
        ("123", "", {1: 100, 2: 101, 3: 99}, 100),
        ("1234", "", {1: 4, 2: 3, 3: 2, 4: 1}, 2),
        ("12345", "", {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}, 3),
        ("123", "", {1: 9}, 0),
        ("1", "2", {1: 13, 2: 100}, 13),
        ("123", "456", {1: 9, 2: 9, 4: 3, 5: 2}, 2),
        ("", "", {}, UNBOUNDED),
        ("1", "", {1: 3, 9: 99}, 3),
    ],
)
def test_the_reached_index_is_the_greatest_on_a_quorum(
    voters: str, outgoing: str, indexes: dict[int, int], reached: int
) -> None:
    assert conf(voters, outgoing).reached(lambda voter: indexes.get(voter, 0)) == reached


@given(ids.filter(bool), ids, st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_reached_agrees_with_asking_everybody_for_a_vote(
    voters: frozenset[int], outgoing: frozenset[int], indexes: list[int]
) -> None:
    """An index is reached if a vote of those who are there would be won."""
    joint = Configuration(tuple(sorted(voters)), tuple(sorted(outgoing)))
    reached = joint.reached(lambda voter: indexes[voter - 1])
    for index in range(10):
        there = {voter for voter in range(1, 7) if indexes[voter - 1] >= index}
        won = joint.tally(there, set(range(1, 7)) - there) is Tally.WON
        assert won == (index <= reached)


def test_one_voter_more_or_less_is_a_simple_change() -> None:
    assert conf("123").enter({1, 2, 3, 4}, ()) == conf("1234")
    assert conf("123").enter({1, 2}, ()) == conf("12")
    assert conf("123").enter({1, 2}, {3}) == conf("12", learners="3")
    assert conf("12", learners="3").enter({1, 2, 3}, ()) == conf("123")
    assert conf("12").enter({1, 2}, {3, 4, 5}) == conf("12", learners="345")


def test_more_than_one_voter_at_once_goes_through_a_joint_configuration() -> None:
    joint = conf("123").enter({1, 4, 5}, ())
    assert joint == conf("145", outgoing="123")
    assert joint.leave() == conf("145")
    assert conf("1").enter({2}, ()) == conf("2", outgoing="1")


def test_a_voter_that_becomes_a_learner_waits_until_the_joint_configuration_is_left() -> None:
    joint = conf("1").enter({2}, {1})
    assert joint == conf("2", outgoing="1", learners_next="1")
    assert joint.is_voter(1)
    assert joint.leave() == conf("2", learners="1")
    joint = conf("123", learners="4").enter({4, 5}, {1, 4 + 2})
    assert joint == conf("45", outgoing="123", learners="6", learners_next="1")
    assert joint.leave() == conf("45", learners="16")


def test_members_are_all_who_receive_entries() -> None:
    assert conf("45", "123", "6", "1").members() == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("configuration", "voters", "learners", "reason"),
    [
        (conf("1", "2"), {1, 3}, set(), "not been left"),
        (conf("123"), set(), {1}, "needs a voter"),
        (conf("123"), {1, 2}, {2}, "both voter and learner"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    configuration: Configuration, voters: set[int], learners: set[int], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        configuration.enter(voters, learners)


@given(ids.filter(bool), ids.filter(bool), ids)
def test_every_decision_before_meets_every_decision_on_the_way_and_after(
    voters: frozenset[int], target: frozenset[int], learners: frozenset[int]
) -> None:
    """What makes membership change safe (section 4.1): consecutive quorums intersect."""
    before = Configuration(tuple(sorted(voters)))
    path = [before, before.enter(target, learners - target)]
    if path[-1].joint:
        path.append(path[-1].leave())
    assert (set(path[-1].voters), set(path[-1].learners)) == (target, learners - target)
    everybody = range(1, 7)
    subsets = [set(c) for size in range(7) for c in combinations(everybody, size)]
    for old, new in pairwise(path):
        wins = [
            [s for s in subsets if c.tally(s, set(everybody) - s) is Tally.WON] for c in (old, new)
        ]
        assert all(a & b for a, b in product(*wins))
