"""Section 3.10: a leader hands over."""

from __future__ import annotations

from raft_world import World

from comitia.protocols.raft.messages import AppendEntries, TimeoutNow


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def test_leadership_moves_without_waiting_for_a_timeout() -> None:
    world = led()
    world.transfer(1, 1, 3)
    assert world.leaders() == [3]
    assert world.answer(1) is None
    assert world.nodes[1].leader == 3
    world.propose(3, "a")
    assert world.values(1) == ["a"]


def test_the_target_is_brought_up_to_date_first() -> None:
    world = led()
    world.isolate(3)
    world.propose(1, "a")
    world.heal()
    world.transfer(1, 1, 3, settle=False)
    assert world.find(TimeoutNow) == []
    world.settle()
    world.beat(1)
    world.settle()
    assert world.leaders() == [3]
    assert world.values(3) == ["a"]


def test_no_proposals_are_taken_during_a_transfer_but_all_after_it_failed() -> None:
    world = led()
    world.isolate(3)
    world.propose(1, "a")
    world.transfer(1, 1, 3)
    world.propose(1, "b")
    assert world.refusals[-1][2] == "leadership is being transferred"
    world.fire(1, "transfer")
    assert world.refusal(1) == "the target did not catch up in time"
    world.propose(1, "c")
    assert world.values(1) == ["a", "c"]


def test_a_transfer_to_oneself_is_done_and_to_a_stranger_refused() -> None:
    world = led()
    world.transfer(1, 1, 1)
    assert world.answer(1) is None
    world.transfer(1, 2, 9)
    assert world.refusal(2) == "n9 is not a voter"
    world.transfer(2, 3, 2)
    assert world.refusal(3) == "not the leader"


def test_a_second_transfer_waits_for_the_end_of_the_first() -> None:
    world = led()
    world.isolate(3)
    world.propose(1, "a")
    world.transfer(1, 1, 3)
    world.transfer(1, 2, 2)
    assert world.refusal(2) == "another transfer is under way"


def test_an_old_order_to_stand_is_ignored() -> None:
    world = led()
    world.transfer(1, 1, 3, settle=False)
    (order,) = world.lose(TimeoutNow)
    world.stand(2)
    world.deliver(order)
    assert world.leaders() == [2]
    assert world.nodes[3].current_term == 2


def test_voters_that_hear_the_leader_still_vote_in_a_transfer() -> None:
    world = led(5)
    world.beat(1)
    assert all(world.nodes[id].leader_heard for id in (2, 4, 5))
    world.transfer(1, 1, 3)
    assert world.leaders() == [3]


def test_a_leader_goes_on_with_replication_while_it_hands_over() -> None:
    world = led()
    world.cut = {(1, 3)}
    world.propose(1, "a", settle=False)
    world.transfer(1, 1, 3, settle=False)
    assert len(world.find(AppendEntries, to=2)) == 1
    world.settle()
    assert world.values(2) == ["a"]
