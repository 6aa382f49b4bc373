"""Section 6.4: reads that are linearizable without writing to the log."""

from __future__ import annotations

import pytest
from raft_world import World

from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
)

MS = 1000
LEASE = (300 - 30) * MS


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def tick(world: World, us: int) -> None:
    for id in world.clock:
        world.clock[id] += us


def test_a_leader_with_a_lease_answers_alone_and_at_once() -> None:
    world = led()
    world.propose(1, "a")
    world.read(1, 1, settle=False)
    assert world.flying == []
    assert world.answer(1) == 2


def test_without_leases_a_read_waits_for_a_quorum_that_answers_after_it_was_asked() -> None:
    world = led(reads="index")
    world.propose(1, "a")
    world.read(1, 1, settle=False)
    assert world.answers == []
    asked = [f for f in world.flying if f[0] == 1]
    assert [f[1] for f in asked] == [2, 3]
    world.deliver(asked[0])
    world.deliver(*world.find(AppendEntriesResponse, src=2))
    assert world.answer(1) == 2


def test_answers_to_older_rounds_confirm_no_read() -> None:
    world = led(reads="index")
    world.fire(1, "heartbeat", settle=False)
    world.deliver(*[f for f in world.flying if f[0] == 1])
    old = world.lose()
    assert len(old) == 2
    world.read(1, 1, settle=False)
    world.lose()
    world.deliver(*old)
    assert world.answers == []


def test_what_is_late_of_an_older_term_confirms_no_round_of_one_that_is_led_again() -> None:
    """Found by a campaign, one seed in 25,255: n1 led term 1 for long, and leads term 3 for a short
    while.  What it sent then reaches n2 now, and n2's answer, of term 3, named the old round.
    """
    world = led(reads="index")
    for _ in range(9):
        late = world.find(AppendEntries, to=2)
        world.lose()
        world.fire(1, "heartbeat", settle=False)
    world.transfer(1, 10, 2)
    world.transfer(2, 11, 1)
    world.answers.clear()
    assert world.leaders() == [1] and world.nodes[1].round < late[0][2].round
    world.deliver(late[0])
    answers = world.find(AppendEntriesConflict, src=2)
    assert [answer[2].term for answer in answers] == [3]
    world.isolate(1)
    world.read(1, 1, settle=False)
    world.deliver(answers[0])
    assert world.answers == []


def test_a_deposed_leader_answers_no_read() -> None:
    world = led(reads="index")
    world.isolate(1)
    world.overtake(2)
    world.propose(2, "a")
    world.read(1, 1)
    assert world.answers == []
    world.heal()
    world.beat(1)
    assert world.refusal(1) == "leadership was lost"


def test_all_reads_of_a_turn_share_one_round() -> None:
    world = led(reads="index")
    for token in range(5):
        world.read(1, token, settle=False)
    rounds = world.nodes[1].round
    assert len({c.round for c in world.nodes[1].confirming}) == 5  # a turn each, here
    world.settle()
    assert [world.answer(token) for token in range(5)] == [1] * 5
    assert world.nodes[1].round == rounds


@pytest.mark.parametrize("reads", ["lease", "index"])
def test_a_new_leaders_reads_cover_what_its_predecessors_committed(reads: str) -> None:
    """Its commit index may be behind until its no-op is committed: the no-op stands for it."""
    world = led(reads=reads)
    world.propose(1, "a")
    leader = world.nodes[2]
    for id in (1, 2, 3):
        world.expire(id)
    world.fire(2, "election", settle=False)
    while leader.role != "leader":
        world.deliver(world.flying[0])
    leader.commit_index = 1  # as if the news of the last commit had been lost
    world.applied[2] = world.applied[2][:1]
    world.promises = []
    world.read(2, 1, settle=False)
    world.settle()
    world.beat(2)
    assert world.answer(1) == leader.term_start == 3


@pytest.mark.parametrize("reads", ["lease", "index"])
def test_a_follower_asks_the_leader_and_answers_its_own_clients(reads: str) -> None:
    world = led(reads=reads)
    world.propose(1, "a")
    world.read(3, 1)
    assert world.answers[-1][0] == 3
    assert world.answer(1) == 2


def test_a_followers_lost_question_is_asked_again() -> None:
    world = led()
    world.read(2, 1, settle=False)
    assert len(world.lose(ReadIndex)) == 1
    world.beat(1)
    assert world.answers == []
    world.fire(2, "ask")
    assert world.answer(1) == 1


def test_one_answer_serves_every_read_asked_before_the_question() -> None:
    world = led()
    world.read(2, 1, settle=False)
    world.read(2, 2, settle=False)
    first, second = world.find(ReadIndex)
    world.lose()
    world.deliver(second)
    world.settle()
    assert (world.answer(1), world.answer(2)) == (1, 1)
    assert first[2].sequence == 1


def test_an_answer_from_before_a_restart_serves_no_read_of_after_it() -> None:
    world = led()
    world.read(2, 1, settle=False)
    world.deliver(*world.find(ReadIndex))
    (late,) = world.lose(ReadIndexResponse)
    world.restart(2)
    world.propose(1, "a")
    world.read(2, 2, settle=False)
    assert world.nodes[2].sequence == 1
    world.deliver(late)
    with pytest.raises(KeyError):
        world.answer(2)


def test_without_a_leader_reads_wait_for_one_and_are_refused_after_a_timeout() -> None:
    world = World()
    world.read(2, 1)
    assert world.answers == world.refusals == []
    world.expire(2)
    assert world.refusal(1) == "no leader answers"


def test_reads_that_wait_move_to_a_new_leader() -> None:
    world = led()
    world.cut = {(2, 1)}
    world.read(2, 1)
    assert world.answers == []
    world.isolate(1)
    world.expire(3)
    world.nodes[2].leader_heard = False  # its own timer is late
    world.fire(3, "election")
    assert world.leaders() == [1, 3]
    assert world.answer(1) == world.nodes[3].term_start


def test_a_lease_ends_before_another_server_can_be_elected() -> None:
    world = led()
    tick(world, LEASE - 1)
    world.read(1, 1, settle=False)
    assert world.answer(1) == 1
    tick(world, 1)
    world.read(1, 2, settle=False)
    with pytest.raises(KeyError):
        world.answer(2)
    world.settle()  # a round of its own confirms it
    assert world.answer(2) == 1


def test_a_lease_counts_from_before_its_round_was_sent_not_from_the_answers() -> None:
    world = led()
    world.fire(1, "heartbeat", settle=False)
    tick(world, 200 * MS)
    world.settle()
    tick(world, LEASE - 200 * MS)
    world.read(1, 1, settle=False)
    assert world.answers == []


def test_a_leader_that_was_paused_beyond_its_lease_does_not_answer_alone() -> None:
    world = led()
    world.propose(1, "a")
    world.isolate(1)
    tick(world, 10_000 * MS)
    world.overtake(2)
    world.propose(2, "b")
    world.read(1, 1)  # the first thing it does when it wakes
    assert world.answers == []


def test_a_leader_whose_clock_jumped_ahead_or_far_back_does_not_answer_alone() -> None:
    for jump in (10_000 * MS, -1):
        world = led()
        world.clock[1] += jump
        world.read(1, 1, settle=False)
        assert world.answers == []


def test_a_followers_clock_does_not_matter_to_leases() -> None:
    world = led()
    world.clock[2] += 10_000 * MS
    world.deliver((3, 2, RequestVote(2, 99, 99)))
    assert world.nodes[2].voted_for == 1
    assert world.nodes[2].current_term == 1


def test_a_leader_that_told_another_to_take_over_has_no_lease_any_more() -> None:
    """The order to stand may arrive at any time, and nobody refuses that election."""
    world = led()
    world.transfer(1, 1, 2, settle=False)
    world.lose()
    world.beat(1)
    world.read(1, 2, settle=False)
    with pytest.raises(KeyError):
        world.answer(2)
    world.settle()
    assert world.answer(2) == 1


def test_the_only_voter_reads_alone_in_both_modes() -> None:
    for reads in ("lease", "index"):
        world = led(1, reads=reads)
        world.propose(1, "a")
        world.read(1, 1)
        assert world.answer(1) == 2


def test_reads_that_wait_are_bounded() -> None:
    world = World()
    for token in range(1030):
        world.read(1, token, settle=False)
    assert len(world.refusals) == 6
    assert world.refusals[0][2] == "too many reads are waiting"
