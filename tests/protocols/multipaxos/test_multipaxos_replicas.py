"""Replicas: performing, catching up, forgetting (PMMC, figure 1; Paxos Made Live, section 5)."""

from __future__ import annotations

from multipaxos_world import PaxosWorld, pvalue

from comitia.kernel import Ballot, Out, Propose
from comitia.machines.redis import Redis
from comitia.machines.sessions import Batch, Sessions, encode_batch
from comitia.protocols.multipaxos.messages import (
    CatchUp,
    Command,
    Decision,
    Decisions,
    InstallSnapshot,
    P2a,
)


def test_all_replicas_perform_the_same_commands_in_the_order_of_slots() -> None:
    world = PaxosWorld()
    for value in "abc":
        world.propose(1, value)
    assert [world.values(id) for id in (1, 2, 3)] == [["a", "b", "c"]] * 3


def test_a_command_decided_in_two_slots_is_executed_once() -> None:
    world = PaxosWorld()
    batch = encode_batch(Batch(1, 1, 1, 1, 0, ((b"INCR", b"n"),)))
    for _ in range(2):  # its member heard nothing the first time
        world.ask(1, Propose(batch))
    decided = [value for _, value in world.applied[2] if value]
    assert len(decided) == 2
    sessions = Sessions(Redis())
    replies = [sessions.apply(value)[2] for value in decided]
    assert replies == [[1], [1]]


def test_a_decision_speaks_of_its_own_ballot_only() -> None:
    world = PaxosWorld(leader=0)
    world.deliver((1, 3, P2a(Ballot(1, 1), 1, (Command(b"old"),), 0, 1)))
    world.lose()
    world.deliver((2, 3, Decision(Ballot(2, 2), 1, 1, 0)))  # n2 has decided another command there
    assert world.values(3) == []
    assert world.find(CatchUp, src=3, to=2)


def test_a_replica_that_missed_something_asks_for_it() -> None:
    world = PaxosWorld()
    world.isolate(3)
    for value in "abc":
        world.propose(1, value)
    world.heal()
    world.fire(1, "heartbeat")
    assert world.values(3) == ["a", "b", "c"]


def test_what_is_missing_comes_in_as_many_messages_as_it_needs() -> None:
    world = PaxosWorld(max_message_bytes=1)
    world.isolate(3)
    for value in "abcdef":
        world.propose(1, value)
    world.heal()
    world.fire(1, "heartbeat")
    assert world.values(3) == list("abcdef")


def test_a_question_that_was_lost_is_asked_again() -> None:
    world = PaxosWorld()
    world.isolate(3)
    world.propose(1, "a")
    world.heal()
    world.fire(1, "heartbeat", settle=False)
    world.pass_on(Decision, to=3)
    world.lose(CatchUp)
    world.settle()
    world.fire(3, "catch_up")
    world.fire(1, "heartbeat")
    assert world.values(3) == ["a"]


def test_whoever_lags_behind_the_snapshot_gets_it() -> None:
    world = PaxosWorld(trailing_slots=0)
    world.isolate(3)
    for value in "abc":
        world.propose(1, value)
    world.fire(1, "heartbeat")
    world.compact(1)
    world.fire(1, "heartbeat")
    assert world.nodes[1].accepted.first == 4
    world.heal()
    world.fire(1, "heartbeat")
    assert world.installed == [(3, 3)]
    world.propose(1, "d")
    assert world.values(3) == ["<snapshot>", "d"]


def test_a_replica_with_an_empty_disk_catches_up_under_a_new_name() -> None:
    world = PaxosWorld(trailing_slots=0, window=2)
    for value in "abc":
        world.propose(1, value)
    world.fire(1, "heartbeat")
    world.compact(1)
    world.crash(3)  # its disk is gone, so n3 may never come back as n3
    world.start(4)
    world.reconfigure(1, 9, (1, 2, 4))
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.answer(9) is None
    world.propose(1, "d")
    assert world.values(4)[-1] == "d"


def test_what_was_accepted_behind_a_snapshot_stays_accepted() -> None:
    world = PaxosWorld(trailing_slots=0)
    world.isolate(3)
    world.propose(1, "a")
    world.fire(1, "heartbeat")
    world.compact(1)
    world.heal()
    world.propose(1, "b", settle=False)
    world.pass_on(P2a, to=3)
    assert world.held(3, 2) == "b"
    snapshot = InstallSnapshot(world.nodes[1].snapshot)
    world.deliver((1, 3, snapshot))
    assert world.performed(3) == 1
    assert world.held(3, 2) == "b"


def test_a_slot_is_forgotten_when_a_majority_has_performed_it_and_not_before() -> None:
    world = PaxosWorld(trailing_slots=0)
    for value in "ab":
        world.propose(1, value)
    world.compact(1)
    assert world.nodes[1].snapshot.slot == 2
    assert world.nodes[1].accepted.first == 1  # nobody has said yet that it has performed them
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    assert world.nodes[1].accepted.first == 3


def test_a_slot_is_kept_until_a_majority_of_five_has_performed_it() -> None:
    world = PaxosWorld(size=5, trailing_slots=0)
    for value in "ab":
        world.propose(1, value, settle=False)
    world.pass_on(P2a, to=2)
    world.pass_on(P2a, to=3)
    world.cut = {(1, 3), (1, 4), (1, 5)}  # these do not hear that it is decided
    world.lose(P2a)
    world.settle()
    assert [world.performed(id) for id in world.voters] == [2, 2, 0, 0, 0]
    for id in (1, 2):
        world.compact(id)
    for _ in range(2):
        world.fire(1, "heartbeat")
    assert [world.nodes[id].accepted.first for id in (1, 2)] == [1, 1]
    world.cut -= {(1, 3)}
    for _ in range(2):
        world.fire(1, "heartbeat")
    assert world.performed(3) == 2
    assert [world.nodes[id].accepted.first for id in (1, 2)] == [3, 3]


def test_nobody_says_that_it_has_performed_a_snapshot_before_it_is_on_disk() -> None:
    world = PaxosWorld(trailing_slots=0)
    world.isolate(3)
    world.propose(1, "a")
    for _ in range(2):
        world.fire(1, "heartbeat")
    world.compact(1)
    world.heal()
    node, ballot_num = world.nodes[3], world.nodes[1].leader_ballot_num
    installed = InstallSnapshot(world.nodes[1].snapshot)
    asked = Decision(ballot_num, 1, 99, 1)

    def turn(out: Out) -> None:
        node.on_message(1, installed, out)
        node.on_message(1, asked, out)

    world.step(3, turn, durable=False)
    assert node.performed == 1
    assert world.find(src=3) == []


def test_what_is_learnt_takes_the_place_of_what_was_accepted_in_a_lower_ballot() -> None:
    world = PaxosWorld(leader=0)
    world.known("b")
    world.deliver((1, 3, P2a(Ballot(4, 1), 1, (Command(b"a"),), 0, 1)))
    world.deliver((2, 3, Decisions((pvalue(6, 2, 1, "b"),), 1)))
    assert world.values(3) == ["b"]
    assert world.nodes[3].pvalue_at(1) == pvalue(6, 2, 1, "b")


def test_what_was_accepted_in_a_higher_ballot_than_is_learnt_stays() -> None:
    world = PaxosWorld(leader=0)
    world.known("a")
    world.deliver((2, 3, P2a(Ballot(6, 2), 1, (Command(b"a"),), 0, 1)))
    world.deliver((1, 3, Decisions((pvalue(4, 1, 1, "a"),), 1)))
    assert world.values(3) == ["a"]
    assert world.nodes[3].pvalue_at(1) == pvalue(6, 2, 1, "a")


def test_some_slots_are_kept_behind_the_snapshot_for_laggards() -> None:
    world = PaxosWorld(trailing_slots=2)
    for value in "abcd":
        world.propose(1, value)
    world.fire(1, "heartbeat")
    world.fire(1, "heartbeat")
    world.compact(1)
    assert world.nodes[1].accepted.first == 3


def test_all_members_may_restart_at_once() -> None:
    world = PaxosWorld()
    for value in "abc":
        world.propose(1, value)
    world.crash(1, 2, 3)
    for id in (1, 2, 3):
        world.start(id)
    leader = world.elect()
    world.propose(leader, "d")
    assert {tuple(world.values(id)) for id in (1, 2, 3)} == {("a", "b", "c", "d")}


def test_a_restarted_replica_performs_at_once_what_it_knew_to_be_decided() -> None:
    world = PaxosWorld()
    for value in "abc":
        world.propose(1, value)
    world.isolate(3)
    world.restart(3)
    assert world.values(3) == ["a", "b"]  # that "c" is decided had not been worth a sync


def test_what_is_decided_may_be_learnt_from_anybody() -> None:
    world = PaxosWorld()
    world.isolate(3)
    world.propose(1, "a")
    world.heal()
    answer = Decisions(world.nodes[1].accepted.slice(1, 1), 1)  # type: ignore[arg-type]
    world.deliver((2, 3, answer))
    assert world.values(3) == ["a"]
