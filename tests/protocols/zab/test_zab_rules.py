"""The rules of ZAB, each as a test, phase by phase.  n3, with the greatest id, leads first."""

from __future__ import annotations

import pytest
from zab_world import World

from comitia.protocols.zab.messages import (
    Ack,
    AckE,
    AckLd,
    CEpoch,
    Commit,
    CommitLd,
    Diff,
    NewEpoch,
    NewLeader,
    Notification,
    Ping,
    Proposal,
    Snap,
    Synced,
    Trunc,
    Vote,
    counter_of,
    epoch_of,
    zxid_of,
)


def led(size: int = 3, **options: object) -> World:
    """n3, or n5 of five, leads, and everybody follows."""
    world = World(size, **options)
    world.lead(size)
    world.elapse(lambda: all(node.leader == size for node in world.nodes.values()))
    return world


def test_a_zxid_is_the_epoch_and_a_counter_from_one() -> None:
    assert zxid_of(3, 7) == 3 << 32 | 7
    assert (epoch_of(zxid_of(3, 7)), counter_of(zxid_of(3, 7))) == (3, 7)
    world = led()
    world.propose(3, "x")
    world.propose(3, "y")
    assert world.zxids(1) == [(1, 1), (1, 2)]


# Phase 0: Fast Leader Election.


def test_the_latest_epoch_wins_then_the_latest_zxid_then_the_greatest_id() -> None:
    votes = [
        Vote(2, zxid_of(1, 1), True, 1),
        Vote(1, zxid_of(1, 9), True, 1),
        Vote(1, zxid_of(1, 8), True, 3),
        Vote(1, zxid_of(1, 8), True, 2),
        Vote(1, zxid_of(1, 8), False, 9),
    ]
    assert sorted(votes, reverse=True) == votes


def test_the_best_history_of_a_quorum_leads() -> None:
    world = led()
    world.isolate(3)
    world.lead(2)
    world.propose(2, "x")
    world.crash(1, 2)
    world.start(1)
    world.heal()
    world.lead(1)
    world.elapse(lambda: world.values(3) == ["x"])


def test_votes_of_an_older_round_are_not_counted_and_their_sender_catches_up() -> None:
    world = World()
    world.flying.clear()
    node = world.nodes[1]
    node.round = 5
    world.deliver((2, 1, Notification(4, node.vote, "looking")))
    assert 2 not in node.received
    assert world.find(Notification, src=1, to=2)


def test_a_vote_that_was_overtaken_by_a_better_one_of_its_sender_does_not_count() -> None:
    world = World(5)
    world.flying.clear()
    node = world.nodes[4]
    better = Notification(1, Vote(0, 0, True, 5), "looking")
    world.deliver((2, 4, better), (2, 4, Notification(1, Vote(0, 0, True, 2), "looking")))
    assert node.received[2] == better.vote


def test_a_server_that_starts_late_joins_the_leader_there_is() -> None:
    world = World()
    world.flying.clear()
    world.crash(3)
    world.lead(2)
    world.propose(2, "x")
    world.start(3)
    world.elapse(lambda: world.values(3) == ["x"])
    assert world.leaders() == [2]


def test_a_follower_whose_leader_looks_again_looks_too() -> None:
    world = led()
    vote = world.nodes[3].own_vote()
    world.deliver((3, 1, Notification(9, vote, "looking")))
    assert world.nodes[1].role == "looking"


def test_a_follower_whose_leader_votes_for_another_in_the_same_round_votes_on() -> None:
    """It knew of fewer electors than those who then voted, so that all had agreed for it: it would
    follow in vain, round after round, and its voice was missing where both electorates count."""
    world = World(2)
    world.flying.clear()
    node, mine = world.nodes[1], world.nodes[2].own_vote()
    world.deliver((2, 1, Notification(1, mine, "looking")))
    assert (node.role, node.leader_id) == ("following", 2)
    better = Vote(0, 0, True, 5)
    world.deliver((2, 1, Notification(1, mine, "looking")))
    assert node.role == "following", "an old word of its leader changes nothing"
    world.deliver((2, 1, Notification(1, better, "looking")))
    assert (node.vote, node.leader_id) == (better, 5)
    assert world.find(Notification, src=1, to=5)


def test_two_that_follow_each_other_do_not_keep_who_asks_busy() -> None:
    world = World()
    for id, leader in ((2, 3), (3, 2)):
        node = world.nodes[id]
        vote = Vote(0, 0, True, leader)
        world.deliver((leader, id, Notification(1, vote, "leading")))
        assert node.leader_id == leader
    world.flying = []
    asking = world.nodes[1]
    for id, leader in ((2, 3), (3, 2)):
        world.deliver((id, 1, Notification(1, Vote(0, 0, True, leader), "following")))
    for _ in range(10):
        for flying in [f for f in world.flying if isinstance(f[2], Notification)]:
            world.flying.remove(flying)
            world.deliver(flying)
    assert asking.role == "looking"
    assert not [f for f in world.flying if isinstance(f[2], Notification)]


def test_a_leader_that_a_quorum_does_not_answer_gives_up() -> None:
    world = led()
    world.isolate(3)
    world.elapse(lambda: world.nodes[3].role == "looking")


# Phase 1: discovery.


def test_an_epoch_is_later_than_any_that_a_quorum_has_accepted() -> None:
    world = World()
    world.nodes[2].accepted_epoch = 7
    world.elapse(lambda: bool(world.leaders()))
    assert world.nodes[world.leaders()[0]].epoch == 8


def test_new_epoch_leaves_only_when_the_leaders_own_promise_is_on_disk() -> None:
    world = World()
    world.catch(NewEpoch, 1)
    world.catch(NewEpoch, 2)
    world.elapse(lambda: bool(world.caught))
    names = world.nodes[3].stable
    assert dict(zip(names, world.disk[3], strict=True))["accepted_epoch"] == 1
    assert not any(isinstance(message, NewEpoch) for message in world.early)


def test_an_epoch_is_promised_to_one_leader_only_also_across_a_restart() -> None:
    world = World()
    for leader in (3, 2):
        node = world.nodes[1]
        if node.role != "looking":
            world.restart(1)
            node = world.nodes[1]
        world.deliver((leader, 1, Notification(9, node.vote, "leading")))
        world.flying.clear()
        node.loyal = False
        world.deliver((leader, 1, NewEpoch(1)))
        answers = world.find(AckE, src=1)
        assert bool(answers) is (leader == 3)


def test_a_follower_accepts_no_earlier_epoch() -> None:
    world = World()
    node = world.nodes[1]
    node.accepted_epoch, node.accepted_leader = 5, 2
    world.deliver((3, 1, Notification(9, node.vote, "leading")))
    world.flying.clear()
    world.deliver((3, 1, NewEpoch(4)))
    assert node.epoch == 0 and not world.find(AckE) and world.find(CEpoch, to=3)


def test_a_leader_that_meets_a_better_history_gives_up() -> None:
    world = World()
    world.catch(AckE, 3)
    world.elapse(lambda: bool(world.caught))
    world.catch_nothing()
    epoch = world.nodes[3].epoch
    world.deliver((1, 3, AckE(epoch, 1, zxid_of(1, 1))))
    assert world.nodes[3].role == "looking"


def test_acknowledgements_of_an_epoch_count_by_distinct_members() -> None:
    world = World(5)
    world.catch(AckE, 5)
    world.elapse(lambda: len(world.caught) >= 4)
    one = next(flying for flying in world.caught if flying[0] == 1)
    for _ in range(5):
        world.deliver(one)
    assert not world.nodes[5].discovered


def test_a_promise_to_an_earlier_epoch_does_not_count() -> None:
    world = World(5)
    world.catch(AckE, 5)
    world.elapse(lambda: len(world.caught) >= 5)
    node = world.nodes[5]
    old = AckE(node.epoch - 1, 0, 0)
    world.deliver(*(flying for flying in world.caught if flying[0] == 5))
    world.deliver((1, 5, old), (2, 5, old))
    assert not node.discovered
    world.deliver(*(flying for flying in world.caught if flying[0] in (1, 2)))
    assert node.discovered


def test_a_member_that_accepted_a_later_epoch_is_taken_in_by_one_later_still() -> None:
    world = led()
    world.crash(1)
    world.start(1)
    world.nodes[1].accepted_epoch, world.nodes[1].accepted_leader = 6, 2
    world.elapse(lambda: world.nodes[1].leader is not None and world.nodes[1].current_epoch == 7)


# Phase 2: synchronisation.


def test_a_follower_that_lacks_the_end_is_sent_a_diff_of_just_that() -> None:
    world = led()
    world.propose(3, "x")
    world.crash(1)
    world.propose(3, "y")
    world.crash(3)
    world.start(1)
    world.catch(Diff, 1)
    world.elapse(lambda: bool(world.caught))
    assert [txn.value for txn in world.caught[0][2].txns] == [b"y"]
    world.catch_nothing()
    world.elapse(lambda: world.values(1) == ["x", "y"])


def test_a_follower_that_has_something_else_leaves_it_out() -> None:
    world = led()
    world.propose(3, "x")
    world.isolate(3)
    world.propose(3, "nobody else has it")
    world.lead(2)
    world.propose(2, "y")
    world.heal()
    world.elapse(lambda: world.values(3) == ["x", "y"])
    assert world.zxids(3) == [(1, 1), (2, 1)]


def test_trunc_and_diff_take_nothing_from_the_disk_before_new_leader() -> None:
    world = led()
    world.propose(3, "x")
    world.isolate(3)
    world.propose(3, "nobody else has it")
    world.lead(2)
    world.propose(2, "y")
    world.heal()
    world.catch(NewLeader, 3)
    world.elapse(lambda: bool(world.caught))
    assert world.zxids(3) == [(1, 1), (1, 2)]
    assert world.nodes[3].current_epoch == 1


def test_a_follower_behind_the_history_is_given_a_snapshot() -> None:
    world = led(trailing_txns=0)
    world.crash(1)
    for value in "abc":
        world.propose(3, value)
    world.compact(3)
    world.start(1)
    world.elapse(lambda: world.nodes[1].leader == 3)
    assert (1, 3) in world.installed
    world.propose(3, "d")
    world.elapse(lambda: world.values(1)[-1] == "d")


def test_a_snapshot_that_the_history_covers_is_not_installed() -> None:
    world = led(trailing_txns=0)
    world.catch(Commit, 1)
    world.catch(Ping, 1)
    world.propose(3, "x")
    assert world.values(1) == []
    node = world.nodes[1]
    world.compact(3)
    world.deliver((3, 1, Snap(node.epoch, world.nodes[3].snapshot)))
    assert world.values(1) == ["x"] and not world.installed


def test_ack_ld_leaves_when_history_and_epoch_are_on_disk() -> None:
    world = led()
    world.crash(1)
    world.propose(3, "x")
    world.crash(3)
    world.start(1)
    world.catch(NewLeader, 1)
    world.elapse(lambda: bool(world.caught))
    names = world.nodes[1].stable
    before = dict(zip(names, world.disk[1], strict=True))
    assert (before["current_epoch"], before["history"].last) == (1, 0)
    world.deliver(world.caught[0])
    after = dict(zip(names, world.disk[1], strict=True))
    assert after["current_epoch"] == 2
    assert [txn.value for txn in after["history"]][1:] == [b"x"]
    assert world.find(AckLd, src=1) and AckLd not in map(type, world.early)


def test_new_leader_is_not_accepted_before_all_that_it_speaks_of_is_here() -> None:
    world = led()
    world.propose(3, "x")
    world.crash(1)
    world.propose(3, "y")
    world.crash(3)
    world.start(1)
    world.catch(Diff, 1)
    world.catch(NewLeader, 1)
    world.elapse(lambda: any(isinstance(f[2], NewLeader) for f in world.caught))
    world.deliver(next(f for f in world.caught if isinstance(f[2], NewLeader)))
    assert world.nodes[1].current_epoch == 1 and world.zxids(1) == [(1, 1)]


def test_nobody_is_established_by_less_than_a_quorum() -> None:
    world = World(5)
    world.catch(AckLd, 5)
    world.elapse(lambda: len(world.caught) >= 5)
    world.catching.clear()
    for flying in [f for f in world.caught if f[0] in (1, 5)] * 3:
        world.deliver(flying)
    assert not world.nodes[5].established
    world.deliver(next(f for f in world.caught if f[0] == 2))
    assert world.nodes[5].established


def test_who_took_over_the_history_of_an_earlier_epoch_establishes_nobody_in_this_one() -> None:
    world = World(5)
    world.catch(AckLd, 5)
    world.elapse(lambda: len(world.caught) >= 5)
    node = world.nodes[5]
    old = AckLd(node.epoch - 1, 0)
    world.deliver(*(flying for flying in world.caught if flying[0] == 5))
    world.deliver((1, 5, old), (2, 5, old))
    assert not node.established
    world.deliver(*(flying for flying in world.caught if flying[0] in (1, 2)))
    assert node.established


def test_what_an_earlier_leader_left_is_committed_by_ack_ld_of_a_quorum() -> None:
    world = led()
    world.catch(Ack, 3)
    world.propose(3, "x")
    assert world.values(3) == []
    world.catch_nothing()
    world.crash(3)
    world.lead(2)
    assert world.values(2) == world.values(1) == ["x"]


def test_proposals_go_to_who_acknowledged_the_epoch_not_only_the_new_leader() -> None:
    world = led()
    world.start(4)
    world.catch(AckLd, 3)
    world.reconfigure(3, 1, (1, 2, 3), (4,))
    world.elapse(lambda: bool(world.caught))
    world.propose(3, "x", settle=False)
    assert world.find(Proposal, src=3, to=4)
    world.settle()
    assert world.zxids(4) == [(1, 1), (1, 2)]


def test_messages_of_another_epoch_or_of_who_is_not_followed_change_nothing() -> None:
    world = led()
    before = world.disk[1]
    for src, epoch in ((2, 1), (3, 0), (3, 2)):
        world.deliver(
            (src, 1, Proposal(epoch, 0, 0, (), 9)),
            (src, 1, Diff(epoch, 0, 0, ())),
            (src, 1, NewLeader(epoch, 0, 0)),
            (src, 1, CommitLd(epoch, 0)),
            (src, 1, Trunc(epoch, 0)),
        )
    assert world.disk[1] == before and not world.find(src=1)


# Phase 3: broadcast.


def test_a_transaction_is_committed_when_a_quorum_has_it_on_disk() -> None:
    world = led(5)
    for to in (5,):
        world.catch(Ack, to)
    world.propose(5, "x")
    assert world.values(5) == []
    acks = {src: (src, to, ack) for src, to, ack in world.caught}
    world.deliver(acks[5], acks[1], acks[1], acks[1])
    assert world.values(5) == []
    world.deliver(acks[2])
    assert world.values(5) == ["x"]


def test_the_leader_counts_itself_only_when_its_own_disk_has_the_transaction() -> None:
    world = led()
    world.crash(1)
    world.propose(3, "x", settle=False, durable=False)
    world.settle()
    assert world.zxids(2) == [(1, 1)] and 3 not in world.nodes
    assert world.values(2) == []


def test_proposals_overtake_the_leaders_disk_and_nothing_that_promises_does() -> None:
    world = led()
    world.propose(3, "x")
    world.read(1, 1)
    assert {type(message) for message in world.early} <= {Proposal, Diff, Commit, Ping}


def test_a_leader_that_restarts_never_leads_its_epoch_again() -> None:
    world = led()
    world.propose(3, "x", settle=False, durable=False)
    world.start(3)
    world.settle()
    world.elapse(lambda: bool(world.leaders()))
    assert world.nodes[world.leaders()[0]].epoch > 1


def test_an_acknowledgement_of_an_older_epoch_is_not_counted() -> None:
    world = led()
    world.transfer(3, 1, to=2)
    world.elapse(lambda: world.leaders() == [2])
    world.catch(Ack, 2)
    world.propose(2, "x")
    epoch = world.nodes[2].epoch
    world.deliver((2, 2, Ack(epoch, 1)), (1, 2, Ack(epoch - 1, 1)))
    assert world.values(2) == []


def test_a_gap_is_noticed_and_filled() -> None:
    world = led()
    world.propose(3, "x", settle=False)
    world.lose(Proposal, to=1)
    world.settle()
    world.propose(3, "y")
    world.settle()
    assert world.values(1) == [] or world.values(1) == ["x", "y"]
    world.elapse(lambda: world.values(1) == ["x", "y"])


def test_a_lost_last_proposal_is_noticed_by_the_next_ping() -> None:
    world = led()
    world.propose(3, "x", settle=False)
    world.lose(Proposal, to=1)
    world.settle()
    world.fire(3, "ping")
    assert world.values(1) == ["x"]


def test_a_proposal_that_comes_twice_or_late_changes_nothing() -> None:
    world = led()
    world.propose(3, "x", settle=False)
    again = world.find(Proposal, to=1)
    world.settle()
    world.propose(3, "y")
    before = world.disk[1]
    world.deliver(*again)
    world.settle()
    assert world.disk[1] == before and world.values(1) == ["x", "y"]


def test_what_cannot_be_proposed_is_refused_with_the_reason() -> None:
    world = led(max_uncommitted=1)
    world.propose(1, "x")
    world.catch(Ack, 3)
    world.propose(3, "y")
    world.propose(3, "z")
    assert [reason for _, _, reason in world.refusals] == [
        "this server is not the leader",
        "too many transactions are not committed yet",
    ]


# Reads.


def test_a_lease_answers_a_read_at_once_and_ends_before_another_leader_can_exist() -> None:
    world = led()
    world.fire(3, "ping")
    world.propose(3, "x")
    world.isolate(3)
    world.read(3, 1)
    assert world.answer(1) == 1
    world.clock[3] += 270_001
    world.read(3, 2)
    with pytest.raises(KeyError):
        world.answer(2)


def test_a_lease_counts_from_before_its_round_was_sent() -> None:
    world = led()
    world.clock[3] += 10_000_000
    world.fire(3, "ping", settle=False)
    world.clock[3] += 200_000
    world.settle()
    world.isolate(3)
    world.clock[3] += 100_000
    world.read(3, 1)
    with pytest.raises(KeyError):
        world.answer(1)


def test_without_leases_a_round_that_begins_after_the_read_confirms_it() -> None:
    world = led(reads="index")
    world.fire(3, "ping", settle=False)
    old = world.lose(Ping)
    world.read(3, 1, settle=False)
    world.lose(Ping)
    world.deliver(*old)
    world.settle()
    with pytest.raises(KeyError):
        world.answer(1)
    world.fire(3, "ping")
    assert world.answer(1) == 0


def test_a_read_at_a_follower_is_answered_by_way_of_the_leader() -> None:
    world = led()
    world.propose(3, "x")
    world.read(1, 1)
    assert world.answer(1) == 1


def test_an_answer_from_before_a_restart_serves_no_read_of_after_it() -> None:
    world = led()
    world.read(1, 1, settle=False)
    world.catch(Synced, 1)
    world.settle()
    (old,) = world.caught
    world.catch_nothing()
    world.restart(1)
    world.elapse(lambda: world.nodes[1].leader == 3)
    world.read(1, 2, settle=False)
    world.deliver(old)
    with pytest.raises(KeyError):
        world.answer(2)


def test_a_follower_that_hears_its_leader_accepts_no_other_epoch_also_after_a_restart() -> None:
    world = led()
    world.fire(3, "ping")
    world.restart(1)
    node = world.nodes[1]
    assert node.loyal
    world.flying.clear()
    world.deliver((2, 1, Notification(9, node.vote, "leading")), (2, 1, NewEpoch(5)))
    assert node.accepted_epoch == 1
    world.fire(1, "silence", settle=False)
    world.deliver((2, 1, NewEpoch(5)))
    assert node.accepted_epoch == 5


# Reconfiguration, handing over, disks.


def test_a_newcomer_observes_then_votes() -> None:
    world = led()
    world.propose(3, "x")
    world.start(4)
    world.reconfigure(3, 1, (1, 2, 3), (4,))
    world.elapse(lambda: world.values(4) == ["x"])
    assert world.answer(1) is None
    world.reconfigure(3, 2, (1, 2, 3, 4))
    assert world.answer(2) is None
    assert world.nodes[4].configuration.voters == (1, 2, 3, 4)


def test_a_joint_change_does_not_commit_without_the_outgoing_majority() -> None:
    world = led()
    for id in (4, 5):
        world.start(id)
    world.reconfigure(3, 1, (1, 2, 3), (4, 5))
    world.elapse(lambda: world.nodes[4].leader == world.nodes[5].leader == 3)
    world.isolate(1, 2)
    world.reconfigure(3, 2, (3, 4, 5))
    with pytest.raises(KeyError):
        world.answer(2)
    assert world.nodes[3].configuration.joint


def test_what_cannot_be_changed_is_refused_with_the_reason() -> None:
    world = led()
    world.reconfigure(1, 1, (1, 2))
    assert world.refusal(1) == "this server is not the leader"
    world.reconfigure(3, 2, ())
    assert world.refusal(2) == "an ensemble needs a voter"
    world.reconfigure(3, 3, (1, 2, 3), (3,))
    assert world.refusal(3) == "both voter and observer: [3]"
    world.reconfigure(3, 4, (3, 7, 8))
    assert "n7, n8 do not; let them be learners first" in world.refusal(4)
    world.catch(Ack, 3)
    world.reconfigure(3, 5, (1, 2, 3), (4,))
    world.reconfigure(3, 6, (1, 2, 3), (5,))
    assert world.refusal(6) == "a change of membership is under way"


def test_a_leader_that_is_removed_hands_over() -> None:
    world = led()
    world.reconfigure(3, 1, (1, 2))
    assert world.answer(1) is None
    world.elapse(lambda: bool(world.leaders()))
    assert world.leaders() == [2] and world.nodes[2].configuration.voters == (1, 2)


def test_all_voters_of_a_finished_change_restart_without_those_that_left() -> None:
    world = led()
    world.reconfigure(3, 1, (1, 2))
    world.crash(1, 2, 3)
    world.start(1)
    world.start(2)
    world.elapse(lambda: bool(world.leaders()))


@pytest.mark.parametrize("to", [1, 2])
def test_the_leader_hands_over_to_whom_it_is_told(to: int) -> None:
    world = led()
    world.propose(3, "x")
    world.transfer(3, 1, to)
    assert world.answer(1) is None
    world.elapse(lambda: world.leaders() == [to])
    assert world.values(to) == ["x"]
    world.transfer(to, 2, to=9)
    assert world.refusal(2) == "n9 is not a voter"


def test_a_leader_that_hands_over_has_no_lease_any_more() -> None:
    world = led()
    world.fire(3, "ping")
    world.transfer(3, 1, to=2, settle=False)
    world.read(3, 2, settle=False)
    with pytest.raises(KeyError):
        world.answer(2)


def test_all_servers_restart_at_once_and_nothing_is_lost() -> None:
    world = led()
    world.propose(3, "x")
    world.crash(1, 2, 3)
    for id in (1, 2, 3):
        world.start(id)
    world.elapse(lambda: bool(world.leaders()))
    assert all(world.values(id) == ["x"] for id in (1, 2, 3))


def test_a_server_that_lost_its_disk_comes_back_as_a_newcomer() -> None:
    world = led(trailing_txns=0)
    world.propose(3, "x")
    world.crash(1)
    world.reconfigure(3, 1, (2, 3))
    world.compact(3)
    del world.disk[1]
    world.reconfigure(3, 2, (2, 3), (1,))
    world.start(1)
    world.elapse(lambda: world.nodes[1].leader == 3)
    world.reconfigure(3, 3, (1, 2, 3))
    assert world.answer(3) is None
    world.propose(3, "y")
    world.elapse(lambda: world.values(1)[-1] == "y")


def test_a_counter_that_is_nearly_used_up_begins_a_new_epoch() -> None:
    world = led()
    world.propose(3, "x")
    node = world.nodes[3]
    last = node.history[1]
    full = type(last)(zxid_of(1, (1 << 32) - 9), last.value)
    node.history = node.history.cut_after(0).append((full,))
    world.promises = []
    world.fire(3, "ping")
    assert world.nodes[3].epoch == 2
