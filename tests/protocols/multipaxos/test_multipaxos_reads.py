"""Reads without a slot: leases and rounds (Paxos Made Live, section 5.2)."""

from __future__ import annotations

import pytest
from hand_world import Flying
from multipaxos_world import PaxosWorld

from comitia.kernel import ZERO, Ballot
from comitia.protocols.multipaxos.messages import (
    Decision,
    Heard,
    P1a,
    P1b,
    P2a,
    P2b,
    ReadReply,
    ReadRequest,
    TakeOver,
)


def unanswered(world: PaxosWorld, token: int) -> bool:
    with pytest.raises(KeyError):
        world.answer(token)
    return True


# What acceptors grant.


def test_an_acceptor_that_hears_the_leader_promises_nothing_to_others() -> None:
    world = PaxosWorld()
    world.fire(1, "heartbeat")
    world.deliver((2, 3, P1a(Ballot(9, 2), 1, 256, ZERO)))
    assert world.find(P1b, src=3) == []
    assert world.nodes[3].ballot_num == Ballot(1, 1)
    world.expire(3)
    world.deliver((2, 3, P1a(Ballot(9, 2), 1, 256, ZERO)))
    assert world.find(P1b, src=3, to=2)


def test_a_lease_is_counted_from_when_the_leader_was_heard_last() -> None:
    world = PaxosWorld()
    before = world.armed_ms[3, "lease"]
    world.time_ms += 50
    world.propose(1, "a")
    assert world.armed_ms[3, "lease"] == before + 50
    assert world.timers[3]["lease"] == (300, 300)


def test_an_acceptor_that_restarts_keeps_the_lease_that_it_may_have_granted() -> None:
    world = PaxosWorld()
    world.restart(3)
    world.deliver((2, 3, P1a(Ballot(9, 2), 1, 256, ZERO)))
    assert world.find(P1b, src=3) == []
    world.expire(3)
    world.deliver((2, 3, P1a(Ballot(9, 2), 1, 256, ZERO)))
    assert world.find(P1b, src=3)


def test_a_fresh_acceptor_has_granted_nothing() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((2, 3, P1a(Ballot(1, 2), 1, 256, ZERO)))
    assert world.find(P1b, src=3)


def test_an_acceptor_listens_to_who_was_asked_by_the_leader_itself_to_take_over() -> None:
    world = PaxosWorld()
    world.fire(1, "heartbeat")
    world.deliver((2, 3, P1a(Ballot(9, 2), 1, 256, Ballot(1, 1))))
    assert world.find(P1b, src=3, to=2)


# What leaders count.


def test_a_lease_answers_at_once_and_ends_before_anybody_may_promise_to_others() -> None:
    world = PaxosWorld()
    world.propose(1, "a")
    world.fire(1, "heartbeat")
    world.read(1, 7, settle=False)
    assert world.answer(7) == 1
    world.clock[1] += 270_000  # lease_ms - clock_drift_ms
    world.isolate(1)
    world.read(1, 8)
    assert unanswered(world, 8)


def test_a_lease_is_counted_from_before_its_round_was_sent_not_from_the_answers() -> None:
    world = PaxosWorld()
    world.clock[1] += 1_000_000  # the first lease is over
    world.fire(1, "heartbeat", settle=False)
    world.clock[1] += 200_000  # the answers take their time
    world.settle()
    world.clock[1] += 100_000
    world.isolate(1)
    world.read(1, 7)
    assert unanswered(world, 7)


def test_a_lease_needs_a_majority() -> None:
    world = PaxosWorld(size=5)
    world.clock[1] += 1_000_000
    world.fire(1, "heartbeat", settle=False)
    world.lose(Decision, to=3)
    world.lose(Decision, to=4)
    world.lose(Decision, to=5)
    world.settle()
    world.isolate(1)
    world.read(1, 7)
    assert unanswered(world, 7)


def test_a_clock_that_jumps_back_gives_no_lease() -> None:
    world = PaxosWorld()
    world.fire(1, "heartbeat")
    world.clock[1] -= 1_000_000
    world.isolate(1)
    world.read(1, 7)
    assert unanswered(world, 7)


def test_a_leader_that_has_asked_another_to_take_over_has_no_lease_in_its_ballot() -> None:
    world = PaxosWorld()
    world.fire(1, "heartbeat")
    world.transfer(1, 9, 2, settle=False)
    world.lose()
    world.fire(1, "heartbeat")
    world.isolate(1)
    world.read(1, 7)
    assert unanswered(world, 7)


def test_a_leader_whom_nobody_succeeded_leads_on_with_a_new_ballot() -> None:
    world = PaxosWorld()
    world.transfer(1, 9, 2, settle=False)
    world.lose()
    world.fire(1, "transfer")
    assert world.leaders() == [1]
    assert world.nodes[1].leader_ballot_num == Ballot(2, 1)
    world.propose(1, "a")
    world.fire(1, "heartbeat")
    world.read(1, 7, settle=False)
    assert world.answer(7) == 1


def failed_hand_over() -> tuple[PaxosWorld, tuple[Flying, ...]]:
    """n1 asks n2 to take over, and what they say is late: n1 leads on with a new ballot.  What was
    late is returned: n1's order, and n2's scout on its way to n3.
    """
    world = PaxosWorld()
    world.transfer(1, 9, 2, settle=False)
    (order,) = world.lose(TakeOver)
    world.deliver(order)
    (scout,) = world.lose(P1a, src=2, to=3)
    world.lose()
    world.fire(1, "transfer")
    world.fire(1, "heartbeat")
    assert world.nodes[1].leader_ballot_num == Ballot(2, 1)
    assert world.leaders() == [1]
    return world, (order, scout)


def test_the_late_scout_of_a_hand_over_that_came_to_nothing_finds_no_promise() -> None:
    world, (_, scout) = failed_hand_over()
    asks = scout[2]
    assert isinstance(asks, P1a)
    assert (asks.ballot_num, asks.given_up) == (Ballot(2, 2), Ballot(1, 1))
    world.deliver(scout)  # of a higher ballot, and n1's lease in its new ballot runs
    assert world.find(P1b, src=3) == []
    assert world.nodes[3].ballot_num == Ballot(2, 1)
    world.read(1, 7, settle=False)
    assert world.answer(7) == 0


def test_a_late_order_to_take_over_is_not_obeyed_once_there_is_a_later_ballot() -> None:
    world, (order, _) = failed_hand_over()
    world.deliver(order)
    assert not world.nodes[2].scouting
    assert world.find(P1a) == []


# Rounds.


def test_a_read_by_a_round_waits_for_answers_to_a_round_that_began_after_it() -> None:
    world = PaxosWorld(reads="index")
    world.fire(1, "heartbeat", settle=False)
    world.pass_on(Decision)
    before = world.lose(Heard, to=1)
    world.read(1, 7, settle=False)
    world.lose()
    world.deliver(*before)
    assert unanswered(world, 7)
    world.fire(1, "heartbeat")
    assert world.answer(7) == 0


def test_an_acceptance_answers_a_round_too() -> None:
    world = PaxosWorld(reads="index")
    world.read(1, 7, settle=False)
    world.lose()
    world.propose(1, "a", settle=False)
    world.pass_on(P2a, to=2)
    world.pass_on(P2b, src=2)
    assert world.answer(7) in (0, 1)


def read_of_a_second_life(late: list[Flying]) -> PaxosWorld:
    """n1 led, got as far as round 9, restarted and leads again, cut off.  It is asked to read."""
    world = PaxosWorld(reads="index")
    for _ in range(8):
        world.fire(1, "heartbeat")
    world.propose(1, "a", settle=False)
    world.pass_on(P2a, to=2)
    world.fire(1, "heartbeat", settle=False)
    world.pass_on(Decision)
    late += world.lose(Heard, to=1) + world.lose(P2b, src=2)
    world.settle()
    world.restart(1)  # rounds begin from 0 again
    world.stand(1, 2, 3)
    assert world.leaders() == [1]
    world.isolate(1)
    world.read(1, 7)
    assert world.nodes[1].settled
    assert all(message.round > world.nodes[1].round for _, _, message in late)  # type: ignore[attr-defined]
    return world


def test_an_answer_to_a_round_of_an_earlier_life_confirms_no_read() -> None:
    late: list[Flying] = []
    world = read_of_a_second_life(late)
    heard = [flying for flying in late if isinstance(flying[2], Heard)]
    assert {src for src, _, _ in heard} == {2, 3}
    world.deliver(*heard)
    assert unanswered(world, 7)


def test_an_acceptance_of_an_earlier_life_confirms_no_read() -> None:
    late: list[Flying] = []
    world = read_of_a_second_life(late)
    accepted = [flying for flying in late if isinstance(flying[2], P2b)]
    assert [src for src, _, _ in accepted] == [2]
    world.deliver(*accepted)
    assert unanswered(world, 7)


def test_a_read_at_another_member_is_answered_by_way_of_the_leader() -> None:
    world = PaxosWorld()
    world.propose(1, "a")
    world.read(3, 7)
    assert world.answer(7) == 1


def test_a_question_or_an_answer_that_is_lost_is_asked_again() -> None:
    world = PaxosWorld()
    world.read(3, 7, settle=False)
    world.lose(ReadRequest)
    world.fire(3, "reads")
    assert world.answer(7) == 0


def test_the_next_leader_is_asked_what_the_last_did_not_answer() -> None:
    world = PaxosWorld()
    world.read(3, 7, settle=False)
    world.lose(ReadRequest)
    world.crash(1)
    world.stand(2, 3)
    assert world.leaders() == [2]
    assert world.answer(7) == 0


def test_an_answer_to_the_process_that_ran_here_before_serves_no_read() -> None:
    world = PaxosWorld()
    world.read(3, 7, settle=False)
    world.pass_on(ReadRequest)
    old = world.lose(ReadReply)
    world.restart(3)
    world.lose()
    world.propose(1, "a")
    world.read(3, 8, settle=False)
    world.lose()
    world.deliver(*old)
    assert unanswered(world, 8)


def test_a_new_leader_serves_no_read_before_it_has_performed_what_others_may_have() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    world.pass_on(P2a, to=2)
    world.pass_on(P2b, to=1)
    assert world.values(1) == ["a"]  # a client may know; n2 and n3 do not yet
    world.crash(1)
    world.lose()
    world.stand(3, 2, settle=False)
    while 3 not in world.leaders():
        world.deliver(world.flying[0])
    world.read(3, 7, settle=False)
    assert unanswered(world, 7)
    world.settle()
    assert world.answer(7) == 1


def test_too_many_reads_at_once_are_refused() -> None:
    world = PaxosWorld(leader=0)
    for token in range(1025):
        world.read(3, token, settle=False)
    assert [r.token for _, r, _ in world.refusals] == [1024]  # type: ignore[attr-defined]
