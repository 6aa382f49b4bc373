"""Acceptors, scouts and commanders: the rules of Paxos, slot by slot (PMMC, figures 4, 6 and 7)."""

from __future__ import annotations

from multipaxos_world import PaxosWorld, pvalue

from comitia.kernel import ZERO, Ballot
from comitia.protocols.multipaxos.messages import (
    NO_OP,
    Command,
    Decision,
    P1a,
    P1b,
    P2a,
    P2b,
    Preempted,
)


def p1a(round: int, proposer: int, first: int = 1, window: int = 256) -> P1a:
    return P1a(Ballot(round, proposer), first, window, ZERO)


def p2a(round: int, proposer: int, first: int, *values: str, decided: int = 0) -> P2a:
    commands = tuple(Command(value.encode()) for value in values)
    return P2a(Ballot(round, proposer), first, commands, decided, 1)


# Acceptors.


def test_an_acceptor_promises_only_upwards_and_says_what_it_has_promised() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((2, 3, p1a(5, 2)))
    assert [m.ballot_num for m in world.proposals(P1b, src=3)] == [Ballot(5, 2)]
    world.lose()
    world.deliver((1, 3, p1a(4, 1)))
    assert world.proposals(P1b, src=3) == []
    assert [m.ballot_num for m in world.proposals(Preempted, src=3)] == [Ballot(5, 2)]


def test_a_promise_is_kept_across_a_crash() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((2, 3, p1a(5, 2)))
    world.restart(3)
    world.expire(3)
    world.deliver((1, 3, p1a(4, 1)))
    assert world.proposals(Preempted, src=3, to=1)


def test_what_is_below_the_promise_is_not_accepted() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((2, 3, p1a(5, 2)), (1, 3, p2a(4, 1, 1, "a")))
    assert world.held(3, 1) is None
    assert world.proposals(P2b, src=3) == []


def test_accepting_is_promising_too() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((1, 3, p2a(4, 1, 1, "a")))
    assert world.held(3, 1) == "a"
    world.expire(3)
    world.deliver((2, 3, p1a(3, 2)))
    assert world.proposals(P1b, src=3) == []


def test_what_was_accepted_is_kept_across_a_crash_and_reported() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((1, 3, p2a(4, 1, 1, "a")))
    world.restart(3)
    world.expire(3)
    world.lose()
    world.deliver((2, 3, p1a(5, 2)))
    assert world.proposals(P1b, src=3)[0].pvalues == (pvalue(4, 1, 1, "a"),)


def test_of_a_slot_only_the_pvalue_of_the_highest_ballot_is_kept() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((1, 3, p2a(4, 1, 1, "a", "b")), (2, 3, p2a(6, 2, 2, "c")))
    world.expire(3)
    world.lose()
    world.deliver((1, 3, p1a(7, 1)))
    reported = world.proposals(P1b, src=3)[0].pvalues
    assert reported == (pvalue(4, 1, 1, "a"), pvalue(6, 2, 2, "c"))


def test_a_slot_may_be_accepted_before_those_in_front_of_it() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((1, 3, p2a(4, 1, 3, "c")))
    assert [world.held(3, slot) for slot in (1, 2, 3)] == [None, None, "c"]
    world.deliver((1, 3, p2a(4, 1, 1, "a")))
    world.restart(3)
    assert [world.held(3, slot) for slot in (1, 2, 3)] == ["a", None, "c"]


def test_an_acceptor_that_lags_by_more_than_the_window_catches_up_first() -> None:
    world = PaxosWorld(leader=0, window=4)
    world.deliver((1, 3, p2a(4, 1, 5, "e")))
    assert world.nodes[3].accepted.last == 0
    assert world.proposals(P2b, src=3) == []


def test_an_acceptor_founded_with_another_window_promises_nothing() -> None:
    world = PaxosWorld(leader=0, window=4)
    world.deliver((2, 3, p1a(5, 2, window=5)))
    assert world.proposals(P1b, src=3) == []
    assert world.nodes[3].ballot_num == ZERO


def test_nothing_is_answered_before_it_is_on_disk() -> None:
    for message in (p1a(5, 2), p2a(5, 2, 1, "a")):
        world = PaxosWorld(leader=0)
        node = world.nodes[3]
        world.step(3, lambda out, n=node, m=message: n.on_message(2, m, out), durable=False)
        assert world.flying == []


# Scouts.


def test_a_leader_needs_the_promises_of_a_majority_of_distinct_acceptors() -> None:
    world = PaxosWorld(size=5, leader=0)
    world.stand(1, settle=False)
    world.pass_on(P1a, to=2)
    (promise,) = world.find(P1b, src=2)
    world.lose(P1a)
    world.deliver(promise, promise, promise)
    world.settle()
    assert world.leaders() == []
    world.stand(1)
    assert world.leaders() == [1]


def test_a_promise_for_another_ballot_does_not_count() -> None:
    world = PaxosWorld(size=5, leader=0)
    world.stand(1, settle=False)
    world.lose()
    for acceptor in (2, 3, 4):
        world.deliver((acceptor, 1, P1b(Ballot(9, 1), 1, 0, ())))
        world.deliver((acceptor, 1, P1b(Ballot(0, 1), 1, 0, ())))
    assert world.nodes[1].promised == frozenset()


def test_a_promise_that_does_not_cover_the_first_slots_does_not_count() -> None:
    # Of an earlier life of this member that used the same ballot and knew more to be decided.
    world = PaxosWorld(leader=0)
    world.stand(1, settle=False)
    world.lose()
    world.deliver((2, 1, P1b(Ballot(1, 1), 7, 6, ())))
    assert world.nodes[1].promised == frozenset()


def test_a_leader_proposes_the_command_of_the_highest_ballot_not_the_most_frequent() -> None:
    world = PaxosWorld(size=5, leader=0)
    world.known("late", "old")
    world.deliver((5, 2, p2a(3, 5, 1, "late")), (1, 3, p2a(1, 1, 1, "old")))
    world.deliver((1, 4, p2a(1, 1, 1, "old")))
    world.lose()
    world.crash(5)
    world.nodes[1].preempted = Ballot(3, 5)
    world.stand(1, 2, 3, 4)
    assert world.leaders() == [1]
    assert world.values(1) == ["late"]


def test_holes_are_filled_with_no_ops() -> None:
    world = PaxosWorld(leader=0)
    world.known("c")
    world.deliver((1, 3, p2a(1, 1, 3, "c")))
    world.lose()
    world.crash(1)
    world.stand(3)
    assert world.applied[3] == [(1, b""), (2, b""), (3, b"c")]


def test_no_ballot_is_used_twice_even_after_a_crash() -> None:
    world = PaxosWorld()
    first = world.nodes[1].leader_ballot_num
    world.restart(1)
    world.stand(1, 2, 3)
    assert world.nodes[1].leader_ballot_num > first


def test_no_ballot_is_used_twice_even_if_its_leader_crashed_as_it_began() -> None:
    world = PaxosWorld(leader=0)
    world.stand(1, settle=False)
    world.pass_on(P1a)
    promises, node = world.lose(P1b, to=1), world.nodes[1]
    world.deliver(promises[0])
    # Its disk has nothing of the turn in which it begins to lead, others may have a P2a of it.
    (own,) = world.lose(P1a, src=1, to=1)
    world.crash(1)
    world.start(1)
    world.stand(1, 2, 3, settle=False)
    assert world.nodes[1].leader_ballot_num > own[2].ballot_num  # type: ignore[attr-defined]
    assert node.leader_ballot_num == own[2].ballot_num  # type: ignore[attr-defined]


def test_a_ballot_is_on_disk_before_its_scout_goes_out() -> None:
    world = PaxosWorld(leader=0)
    node = world.nodes[1]
    world.step(1, lambda out: node.on_timer("patience", out), durable=False)
    assert world.find(P1a) == []


def test_a_scout_asks_its_own_acceptor_last() -> None:
    world = PaxosWorld()
    world.isolate(3)
    for _ in range(5):
        world.stand(3)
    assert world.nodes[3].ballot_num == Ballot(1, 1)
    world.heal()
    world.propose(1, "a")
    assert world.values(3) == ["a"]
    assert world.nodes[1].leader_ballot_num == Ballot(1, 1)


def test_a_scout_gives_up_when_it_hears_a_leader() -> None:
    world = PaxosWorld()
    world.stand(3)
    assert world.nodes[3].scouting
    world.fire(1, "heartbeat")
    assert not world.nodes[3].scouting
    assert "patience" not in world.timers[3]


def test_a_scout_first_learns_what_others_know_to_be_decided() -> None:
    world = PaxosWorld()
    world.isolate(3)
    for value in "abc":
        world.propose(1, value)
    world.heal()
    world.crash(1)
    world.stand(3, 2)
    assert world.leaders() == [3]
    assert world.values(3) == ["a", "b", "c"]


def test_two_scouts_do_not_both_lead() -> None:
    world = PaxosWorld(leader=0)
    world.stand(1, settle=False)
    world.stand(2)
    assert len(world.leaders()) == 1


# Commanders.


def test_a_command_is_decided_by_a_majority_and_not_by_fewer() -> None:
    world = PaxosWorld(size=5)
    world.propose(1, "a", settle=False)
    world.pass_on(P2a, to=2)
    accepted = world.pass_on(P2b)
    assert {src for src, _, _ in accepted} == {1, 2}
    assert world.values(1) == []
    world.deliver(*accepted)  # counted by member, not by message
    assert world.values(1) == []
    world.pass_on(P2a, to=3)
    world.pass_on(P2b, src=3)
    assert world.values(1) == ["a"]


def test_a_leader_counts_its_own_acceptor_only_when_that_is_on_disk() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    assert {type(message) for message in world.early} <= {P2a, Decision}
    own = world.lose(P2b, src=1, to=1)
    world.pass_on(P2a, to=2)
    world.pass_on(P2b, src=2)
    assert world.values(1) == []
    world.deliver(*own)
    assert world.values(1) == ["a"]


def test_what_was_accepted_in_another_ballot_is_not_counted() -> None:
    world = PaxosWorld(size=5)
    world.propose(1, "a", settle=False)
    world.lose(P2a)
    world.settle()
    for acceptor in (2, 3, 4):
        world.deliver((acceptor, 1, P2b(Ballot(0, 1), 1, 1, 1)))
    assert world.values(1) == []


def test_a_stable_leader_needs_one_round_trip_for_all_commands_of_a_turn() -> None:
    world = PaxosWorld()
    node = world.nodes[1]
    world.known("a", "b", "c")
    del world.early[:]
    world.nodes[1].requests = (Command(b"a"), Command(b"b"), Command(b"c"))
    world.step(1, lambda out: node.on_timer("reads", out))
    assert [type(message) for message in world.early] == [P2a, P2a]  # one to each, before its disk
    assert len(world.early[0].commands) == 3  # type: ignore[attr-defined]
    world.pass_on(P2b, src=1, to=1)
    world.pass_on(P2a, to=2)
    world.pass_on(P2b, src=2)
    assert world.values(1) == ["a", "b", "c"]


def test_slots_are_decided_in_any_order_and_performed_in_theirs() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    first = world.lose(P2a)
    world.propose(1, "b", settle=False)
    world.settle()
    assert [c.chosen for c in world.nodes[1].commanders] == [False, True]
    assert world.values(1) == []
    world.deliver(*first)
    world.settle()
    assert world.values(1) == world.values(2) == ["a", "b"]


def test_no_more_than_the_window_is_under_way() -> None:
    world = PaxosWorld(window=2)
    for value in "abc":
        world.propose(1, value, settle=False)
    assert [m.first for m in world.proposals(P2a, to=2)] == [1, 2]
    world.settle()
    assert world.values(2) == ["a", "b", "c"]


def test_commands_that_find_no_slot_wait_and_too_many_are_refused() -> None:
    world = PaxosWorld(window=1, max_waiting=1)
    for value in "abc":
        world.propose(1, value, settle=False)
    assert [reason for _, _, reason in world.refusals] == ["too many commands wait for a slot"]
    world.settle()
    assert world.values(1) == ["a", "b"]


def test_a_lost_p2a_is_sent_again_by_the_second_heartbeat() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    world.lose(P2a)
    world.settle()
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.values(2) == ["a"]


def test_a_proposal_to_another_than_the_leader_is_refused() -> None:
    world = PaxosWorld()
    world.propose(2, "a")
    assert [reason for _, _, reason in world.refusals] == ["this member does not lead"]


def test_what_waits_for_a_slot_when_the_leader_steps_down_is_refused_and_never_decided() -> None:
    world = PaxosWorld(window=1)
    world.propose(1, "a", settle=False)
    world.propose(1, "b", settle=False)
    world.lose()
    world.deliver((2, 1, Decision(Ballot(9, 2), 0, 0, 0)))
    assert [request.value for _, request, _ in world.refusals] == [b"b"]  # type: ignore[attr-defined]
    world.stand(1, 2, 3)
    assert world.leaders() == [1]
    world.propose(1, "c")
    assert [world.values(id) for id in (1, 2, 3)] == [["c"]] * 3  # "a" might have been, "b" not


def test_a_leader_that_one_acceptor_preempts_goes_on_and_takes_it_back() -> None:
    world = PaxosWorld()
    world.nodes[3].ballot_num = Ballot(7, 3)
    world.propose(1, "a")
    assert world.leaders() == [1]
    assert world.values(2) == ["a"]
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.leaders() == [1]
    assert world.nodes[1].leader_ballot_num == Ballot(8, 1)
    world.propose(1, "b")
    assert world.values(3) == ["a", "b"]


def test_a_leader_that_hears_no_majority_leads_no_more() -> None:
    world = PaxosWorld()
    world.isolate(1)
    world.expire(1)
    assert 1 not in world.leaders()


def test_a_value_is_decided_again_by_the_next_leader_if_a_majority_may_have_it() -> None:
    world = PaxosWorld()
    world.propose(1, "a", settle=False)
    world.pass_on(P2a, to=2)
    world.pass_on(P2b, to=1)
    assert world.values(1) == ["a"]  # decided, and n2 does not know
    world.crash(1)
    world.lose()
    world.stand(3, 2)
    assert world.leaders() == [3]
    assert world.values(2) == world.values(3) == ["a"]


def test_an_empty_value_is_refused_since_it_is_the_no_ops() -> None:
    world = PaxosWorld()
    world.propose(1, "")
    assert [reason for _, _, reason in world.refusals] == ["an empty value says nothing"]
    assert Command() == NO_OP
