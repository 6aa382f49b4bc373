from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.quorums import (
    ExpressedSystem,
    Joint,
    Majority,
    QuorumSystem,
    ReadWrite,
    all_of,
    any_of,
    members_of,
    parse,
)
from comitia.quorums.byzantine import (
    check_dissemination,
    check_masking,
    dissemination,
    masking,
    masking_quorum_size,
    quorum_size,
)
from comitia.quorums.expression import Expression
from comitia.quorums.overlap import TooLittleShared, least_overlap
from quorums.expressions import MEMBERS, expressions, satisfying, subsets


@given(expressions, expressions)
def test_a_system_is_accepted_iff_its_reads_meet_its_writes(
    reads: Expression, writes: Expression
) -> None:
    meet = all(r & w for r in satisfying(reads) for w in satisfying(writes))
    if meet:
        assert ReadWrite(reads, writes).members
    else:
        with pytest.raises(TooLittleShared) as refused:
            ReadWrite(reads, writes)
        read, write = refused.value.shared.first, refused.value.shared.second
        assert reads.holds(read)
        assert writes.holds(write)
        assert not read & write


@given(expressions, expressions)
def test_the_least_overlap_is_the_least_of_all_pairs(first: Expression, second: Expression) -> None:
    found = least_overlap(first, second)
    assert found is not None
    pairs = [(a, b) for a in satisfying(first) for b in satisfying(second)]
    assert found.size == min(len(a & b) for a, b in pairs) == len(found.first & found.second)
    assert (found.first, found.second) in pairs


def test_a_large_majority_is_checked_without_listing_its_quorums() -> None:
    found = least_overlap(Majority(range(1, 42)).reads, Majority(range(1, 42)).writes)
    assert found is not None
    assert found.size == 1


def test_a_system_that_does_not_intersect_can_be_made_only_by_asking_for_it() -> None:
    reads, writes = parse("n1 + n2"), parse("n1*n3")
    with pytest.raises(ValueError, match=r"\{n2\} and write quorum \{n1, n3\}: 0 in common"):
        ReadWrite(reads, writes)
    broken = ReadWrite.unchecked(reads, writes)
    assert broken.is_read_quorum({2})
    assert broken.is_write_quorum({1, 3})


def test_the_writes_of_a_system_given_by_its_reads_are_the_dual_and_the_other_way_round() -> None:
    assert ReadWrite(parse("n1*n2 + n3")).writes == parse("(n1 + n2)*n3")
    assert ReadWrite(writes=parse("(n1 + n2)*n3")).reads == parse("n1*n2 + n3")


@pytest.mark.parametrize("n", range(1, 8))
def test_a_majority_and_its_expression_agree(n: int) -> None:
    majority = Majority(range(1, n + 1))
    for who in subsets(majority.members):
        assert majority.is_read_quorum(who) == majority.reads.holds(who)
        assert majority.is_write_quorum(who) == majority.writes.holds(who)


@given(expressions, st.sampled_from([Majority((1, 2, 3)), Majority((3, 4, 5))]))
def test_a_joint_quorum_is_one_in_both(expression: Expression, new: Majority) -> None:
    old = ReadWrite(expression)
    joint: ExpressedSystem = Joint(old, new)
    assert joint.members == tuple(sorted({*old, *new})) == tuple(joint)
    for who in subsets(MEMBERS):
        for kind in ("is_read_quorum", "is_write_quorum"):
            both = getattr(old, kind)(who) and getattr(new, kind)(who)
            assert getattr(joint, kind)(who) == both
        assert joint.reads.holds(who) == joint.is_read_quorum(who)
        assert joint.writes.holds(who) == joint.is_write_quorum(who)


def test_quorums_of_a_joint_system_meet_those_of_both_its_parts() -> None:
    old, new = Majority((1, 2, 3)), Majority((4, 5, 6))
    joint = Joint(old, new)
    assert joint.is_write_quorum({1, 2, 4, 5})
    assert not joint.is_write_quorum({1, 2, 3, 4})
    for part in (old, new):
        shared = least_overlap(joint.reads, part.writes)
        assert shared is not None
        assert shared.size == 1


@pytest.mark.parametrize(
    "build",
    [
        lambda: Majority((3, 1, 2)),
        lambda: ReadWrite(parse("n1*n2 + n3")),
        lambda: Joint(Majority((1, 2, 3)), Majority((2, 3, 4))),
    ],
)
def test_systems_are_values_and_take_any_kind_of_set(build: type[QuorumSystem]) -> None:
    one, other = build(), build()
    assert one == other
    assert hash(one) == hash(other)
    assert one != Majority((8, 9))
    assert repr(one) == repr(other)
    sent = pickle.loads(pickle.dumps(one))  # noqa: S301  (as campaigns do)
    assert sent == one
    assert hash(sent) == hash(one)
    assert sent.is_write_quorum({1, 2, 3, 4})
    for who in ({1, 2, 3, 4}, frozenset((1, 2, 3, 4)), dict.fromkeys((1, 2, 3, 4)).keys()):
        assert one.is_write_quorum(who)
    assert not one.is_write_quorum({99})


@pytest.mark.parametrize("f", range(4))
def test_byzantine_quorums_are_the_smallest_that_share_a_correct_member(f: int) -> None:
    for n in range(3 * f + 1, 25):
        size = quorum_size(n, f)
        assert 2 * size - n >= f + 1
        assert 2 * (size - 1) - n < f + 1
        assert size <= n - f  # the silent cannot stop it
    for n in range(4 * f + 1, 25):
        size = masking_quorum_size(n, f)
        assert 2 * size - n >= 2 * f + 1
        assert 2 * (size - 1) - n < 2 * f + 1
        assert size <= n - f


def test_2f_plus_1_is_too_small_a_quorum_for_more_members_than_3f_plus_1() -> None:
    members = members_of(range(1, 6))
    from comitia.quorums import choose

    mistaken = ReadWrite(choose(3, members), choose(3, members))
    with pytest.raises(TooLittleShared):
        check_dissemination(mistaken, 1)
    assert quorum_size(5, 1) == 4


@pytest.mark.parametrize("f", [1, 2])
def test_the_byzantine_systems_pass_their_checks_and_no_smaller_cluster_exists(f: int) -> None:
    check_dissemination(dissemination(range(3 * f + 1), f), f)
    check_masking(masking(range(4 * f + 1), f), f)
    with pytest.raises(ValueError, match="at least"):
        dissemination(range(3 * f), f)
    with pytest.raises(ValueError, match="at least"):
        masking(range(4 * f), f)


def test_a_dissemination_system_masks_nothing_and_a_majority_disseminates_nothing() -> None:
    with pytest.raises(TooLittleShared):
        check_masking(dissemination(range(1, 5), 1), 1)
    with pytest.raises(TooLittleShared):
        check_dissemination(Majority(range(1, 6)), 1)


def test_a_byzantine_system_that_f_silent_members_can_stop_is_refused() -> None:
    everyone = members_of(range(1, 5))
    with pytest.raises(ValueError, match="1 silent members"):
        check_dissemination(ReadWrite(all_of(everyone), all_of(everyone)), 1)


def test_writes_that_miss_each_other_are_no_byzantine_system() -> None:
    members = members_of(range(1, 4))
    with pytest.raises(TooLittleShared, match="write quorum"):
        check_dissemination(ReadWrite(all_of(members), any_of(members)), 0)
