"""Reconfiguration after WINDOW slots (Paxos Made Simple, section 3), and hand-over."""

from __future__ import annotations

import pytest
from multipaxos_world import PaxosWorld

from comitia.kernel import Ballot
from comitia.protocols.multipaxos.messages import (
    CatchUp,
    Decision,
    Heard,
    Inherit,
    P1a,
    P2a,
    P2b,
    TakeOver,
)


def changing(window: int = 4, size: int = 3, *newcomers: int) -> PaxosWorld:
    world = PaxosWorld(size=size, window=window)
    for id in newcomers:
        world.start(id)
    return world


def since(world: PaxosWorld, id: int = 1) -> int:
    slot: int = world.nodes[id].configurations[-1].since
    return slot


def change(world: PaxosWorld, *voters: int) -> None:
    """n1 has just proposed this change: who will decide has promised."""
    world.reconfigure(1, 9, voters, settle=False)
    while not world.nodes[1].proposed:
        world.deliver(world.flying[0])


# When a change takes effect.


def test_a_configuration_decided_at_a_slot_decides_from_window_slots_later_on() -> None:
    world = changing(4, 3, 4)
    world.propose(1, "a")
    world.propose(1, "b")
    world.reconfigure(1, 9, (1, 2, 4))
    assert since(world) == 3 + 4
    assert [c.since for c in world.nodes[4].configurations] == [7]


def test_the_slots_in_between_are_decided_by_the_old_acceptors() -> None:
    world = changing(4, 3, 4, 5)
    change(world, 1, 4, 5)
    world.isolate(4, 5)
    world.settle()
    assert world.performed(1) == 4  # no-ops up to the last slot of the old configuration
    world.propose(1, "a")
    assert world.values(1) == []  # the next slot is of n1, n4 and n5
    world.heal()
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.values(1) == world.values(4) == ["a"]


def test_a_change_takes_effect_without_any_client() -> None:
    world = changing(256, 3, 4)
    world.reconfigure(1, 9, (1, 2, 3, 4))
    world.fire(1, "heartbeat")
    assert world.answer(9) is None
    assert world.performed(1) == 256
    assert [value for _, value in world.applied[1]] == [b""] * 256


def test_new_acceptors_promise_before_anything_is_proposed_for_their_slots() -> None:
    world = changing(1, 3, 4, 5)
    change(world, 2, 4, 5)
    world.pass_on(P2a)
    world.crash(1)  # the next leader has their promises for another ballot than its own
    world.stand(2, 3, settle=False)
    while 2 not in world.leaders() or world.performed(2) < 1:
        world.lose(P1a, to=4)
        world.lose(P1a, to=5)
        world.deliver(world.flying[0])
    world.lose()
    world.start(1)
    world.propose(2, "a", settle=False)
    assert world.find(P2a) == []
    for _ in range(3):
        world.fire(2, "heartbeat")
    assert world.values(4) == ["a"]


def test_a_leader_s_own_acceptor_promises_for_the_slots_of_a_change_too() -> None:
    world = changing(2, 3, 4)
    change(world, 1, 4)
    world.lose(P2a, to=4)
    while len(world.nodes[2].configurations) < 2:
        world.deliver(world.flying[0])
    world.lose()
    world.crash(1)
    world.start(1)
    world.stand(1, 2, 3, settle=False)
    while world.leaders() != [1]:
        world.lose(P1a, src=1, to=1)  # n2 and n3 are enough for the slots of before
        world.deliver(world.flying[0])
    world.settle()
    world.propose(1, "a")
    assert world.values(4) == ["a"]


def test_any_acceptors_may_follow_any() -> None:
    world = changing(4, 3, 4, 5, 6)
    world.propose(1, "a")
    world.reconfigure(1, 9, (4, 5, 6))
    world.fire(1, "heartbeat")
    assert world.answer(9) is None
    world.crash(1, 2, 3)
    leader = world.elect()
    assert leader in (4, 5, 6)
    world.propose(leader, "b")
    assert world.values(6) == ["a", "b"]


def test_a_change_is_done_when_a_majority_of_the_new_has_performed_the_old_slots() -> None:
    world = changing(2, 3, 4, 5, 6)
    world.reconfigure(1, 9, (4, 5, 6), settle=False)
    while world.flying:  # n5 and n6 promise, but do not learn
        for kind in (P2a, Decision):
            world.lose(kind, to=5)
            world.lose(kind, to=6)
        if world.flying:
            world.deliver(world.flying[0])
    with pytest.raises(KeyError):
        world.answer(9)
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.answer(9) is None


def test_a_leader_that_leaves_hands_over_to_one_that_stays() -> None:
    world = changing(2, 3)
    world.reconfigure(1, 9, (2, 3))
    world.fire(1, "heartbeat")
    assert world.answer(9) is None
    assert world.leaders() in ([2], [3])
    assert not world.nodes[1].may_lead()


def test_a_leader_may_change_a_second_time_when_the_first_change_is_in_force() -> None:
    world = changing(2, 3, 4, 5)
    world.reconfigure(1, 9, (1, 2, 3, 4))
    world.fire(1, "heartbeat")
    world.reconfigure(1, 10, (1, 2, 3, 4, 5))
    world.fire(1, "heartbeat")
    assert world.answer(10) is None
    assert world.nodes[5].configurations[-1].voters == (1, 2, 3, 4, 5)


def test_the_next_leader_finishes_a_change() -> None:
    world = changing(4, 3, 4)
    change(world, 2, 3, 4)
    world.pass_on(P2a)
    world.crash(1)
    world.lose()
    world.stand(2, 3)
    world.fire(2, "heartbeat")
    assert world.nodes[4].configurations[-1].voters == (2, 3, 4)
    world.propose(2, "a")
    assert world.values(4) == ["a"]


def test_configurations_survive_a_restart_and_a_snapshot() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 2, 4))
    world.fire(1, "heartbeat")
    world.compact(1)
    world.restart(1)
    assert world.nodes[1].configurations[-1].voters == (1, 2, 4)


def test_a_configuration_that_waits_for_its_first_slot_is_part_of_the_snapshot() -> None:
    world = changing(4, 3, 4)
    change(world, 1, 2, 4)
    while world.performed(1) == 0:
        world.deliver(world.flying[0])
    world.lose()
    world.compact(1, 1)
    world.restart(1)
    assert [c.since for c in world.nodes[1].configurations] == [1, 5]


def test_who_left_tells_those_who_came_that_they_decide_now() -> None:
    world = changing(2, 3, 4, 5, 6)
    change(world, 4, 5, 6)
    world.isolate(4, 5, 6)
    world.settle()
    world.crash(1)  # the only leader that knew, and none of n4, n5 and n6 has heard of it
    world.elapse(lambda: not world.nodes[2].may_lead() and not world.nodes[3].may_lead())
    world.heal()
    world.elapse(lambda: bool(world.leaders()) and world.leaders()[0] > 3)
    assert world.nodes[4].configurations[-1].voters == (4, 5, 6)


def test_members_that_both_decide_do_not_thank_each_other_for_ever() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 2, 3, 4))
    world.fire(1, "heartbeat")
    world.deliver((3, 4, Inherit(world.performed(3))))  # late: n3 decides, too
    world.settle(limit=100)


def test_who_left_is_silent_once_those_who_came_know() -> None:
    world = changing(2, 3)
    world.reconfigure(1, 9, (2, 3))
    world.fire(1, "heartbeat")
    world.elapse(lambda: "patience" not in world.timers[1] and "lease" not in world.timers[1])
    assert world.find() == []


# Learners.


def test_a_learner_performs_everything_and_decides_nothing() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 2, 3), (4,))
    world.fire(1, "heartbeat")
    assert world.answer(9) is None
    world.propose(1, "a", settle=False)
    world.lose(P2a, to=2)
    world.lose(P2a, to=3)
    world.settle()
    assert world.values(1) == []  # n4 has accepted, and does not count
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.values(1) == world.values(4) == ["a"]


def test_a_learner_may_become_a_voter_and_a_voter_a_learner() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 2, 3), (4,))
    world.fire(1, "heartbeat")
    world.reconfigure(1, 10, (1, 2, 4), (3,))
    world.fire(1, "heartbeat")
    assert world.answer(10) is None
    world.propose(1, "a")
    assert world.values(3) == world.values(4) == ["a"]
    assert not world.nodes[3].may_lead()


# What is refused.


@pytest.mark.parametrize(
    ("voters", "learners", "why"),
    [
        ((), (), "a cluster needs a voter"),
        ((1, 2), (2,), "both voter and learner: [2]"),
    ],
)
def test_what_cannot_be_a_configuration_is_refused(
    voters: tuple[int, ...], learners: tuple[int, ...], why: str
) -> None:
    world = PaxosWorld()
    world.reconfigure(1, 9, voters, learners)
    assert world.refusal(9) == why


def test_a_second_change_is_refused_while_one_is_under_way() -> None:
    world = changing(4, 3, 4, 5)
    world.reconfigure(1, 9, (1, 2, 3, 4), settle=False)
    world.reconfigure(1, 10, (1, 2, 3, 5), settle=False)
    assert world.refusal(10) == "a change of membership is under way"


def test_a_change_is_refused_by_who_does_not_lead() -> None:
    world = PaxosWorld()
    world.reconfigure(2, 9, (1, 2))
    assert world.refusal(9) == "this member does not lead"


def test_a_change_to_what_is_so_already_is_done_at_once() -> None:
    world = PaxosWorld()
    world.reconfigure(1, 9, (1, 2, 3), settle=False)
    assert world.answer(9) is None
    assert world.find(P2a) == []


def test_a_change_that_got_no_slot_when_its_leader_steps_down_is_refused() -> None:
    world = changing(1, 3)
    world.propose(1, "a", settle=False)
    world.reconfigure(1, 9, (1, 2), settle=False)
    world.lose()
    world.deliver((2, 1, Decision(Ballot(9, 2), 0, 0, 0)))
    assert "preempted" in world.refusal(9)


def test_newcomers_that_do_not_run_are_named_and_nothing_changes() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 4, 5, 6))
    world.propose(1, "a")
    world.fire(1, "newcomers")
    assert world.refusal(9) == "n5, n6 did not catch up; do they run?"
    assert world.nodes[1].peers == (2, 3)
    world.propose(1, "b")
    assert world.values(2) == ["a", "b"]


def test_a_change_waits_until_a_majority_of_who_will_decide_has_caught_up() -> None:
    world = changing(2, 3, 4)
    for value in "abcdef":
        world.propose(1, value)
    world.reconfigure(1, 9, (1, 4), settle=False)
    world.lose(CatchUp)
    while world.flying:
        world.deliver(world.flying[0])
        world.lose(CatchUp)
    assert not world.nodes[1].proposed
    world.fire(4, "catch_up")
    for _ in range(4):
        world.fire(1, "heartbeat")
    assert world.answer(9) is None


def test_a_change_of_learners_alone_is_done_when_it_is_decided() -> None:
    world = changing(2, 3, 4)
    world.reconfigure(1, 9, (1, 2, 3), (4,), settle=False)
    world.lose(P2a)
    world.settle()
    with pytest.raises(KeyError):
        world.answer(9)
    for _ in range(3):
        world.fire(1, "heartbeat")
    assert world.answer(9) is None


# Leases while members change.


def test_a_lease_takes_the_word_of_the_next_acceptors_too() -> None:
    world = changing(4, 3, 4, 5, 6)
    world.fire(1, "heartbeat")
    change(world, 1, 4, 5, 6)
    world.isolate(4, 5, 6)
    while world.performed(1) == 0:
        world.deliver(world.flying[0])
    world.lose()  # the change is decided, and not yet in force
    world.fire(1, "heartbeat", settle=False)
    world.pass_on(Decision)
    world.pass_on(Heard)
    world.read(1, 7, settle=False)
    with pytest.raises(KeyError):
        world.answer(7)
    world.heal()
    for _ in range(3):
        world.fire(1, "heartbeat")
    assert world.answer(7) >= 1


# Hand-over.


@pytest.mark.parametrize("to", [2, 3])
def test_leadership_is_handed_to_whom_the_operator_names(to: int) -> None:
    world = PaxosWorld()
    world.propose(1, "a")
    world.transfer(1, 9, to)
    assert world.answer(9) is None
    assert world.leaders() == [to]
    world.propose(to, "b")
    assert world.values(1) == ["a", "b"]


def test_what_is_under_way_is_decided_before_leadership_is_handed_over() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    world.transfer(1, 9, 2, settle=False)
    assert world.find(TakeOver) == []
    world.propose(1, "b", settle=False)
    assert [reason for _, _, reason in world.refusals] == ["leadership is being handed over"]
    world.settle()
    assert world.leaders() == [2]
    assert world.values(3) == ["a"]


def test_an_heir_that_lags_is_told_only_when_it_has_caught_up() -> None:
    world = PaxosWorld()
    world.settle()
    world.isolate(2)
    world.propose(1, "a")
    world.transfer(1, 9, 2)
    assert world.find(TakeOver) == [] and world.leaders() == [1]
    world.heal()
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.leaders() == [2] and world.values(2) == ["a"]


def test_a_hand_over_that_cannot_begin_in_time_is_refused() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    world.lose(P2a)
    world.transfer(1, 9, 2)
    world.lose(P2b)
    world.fire(1, "transfer")
    assert world.refusal(9) == "what was proposed was not decided in time"
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    world.propose(1, "b")
    assert world.values(1) == ["a", "b"]


def test_leadership_is_handed_to_no_learner_and_to_no_stranger() -> None:
    world = PaxosWorld()
    world.transfer(1, 9, 7)
    assert world.refusal(9) == "n7 is not a voter"
    world.transfer(2, 10, 1)
    assert world.refusal(10) == "this member does not lead"
    world.transfer(1, 11, 1)
    assert world.answer(11) is None
