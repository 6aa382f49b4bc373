"""Chapter 4: servers come and go while the cluster works."""

from __future__ import annotations

from raft_world import World

from comitia.protocols.raft import Configuration
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
)


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def test_a_learner_receives_everything_and_counts_for_nothing() -> None:
    world = led()
    world.start(4)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    world.propose(1, "a")
    assert world.answer(1) is None
    assert world.values(4) == ["a"]
    world.isolate(2, 3)
    world.cut = {(1, 2), (2, 1), (1, 3), (3, 1)}
    world.propose(1, "b")
    assert world.values(1) == ["a"]  # n1 and the learner are no majority


def test_a_learner_never_stands_for_election() -> None:
    world = led()
    world.start(4)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    for _ in range(3):
        world.fire(4, "election")
    assert world.nodes[4].role == "follower"
    assert world.nodes[4].current_term == 1


def test_a_learner_s_vote_counts_for_nothing() -> None:
    world = led()
    world.start(4)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    world.fire(2, "election", settle=False)
    world.lose()
    world.deliver((4, 2, RequestPreVoteResponse(2, True)))
    assert world.nodes[2].role == "pre-candidate"
    world.deliver((3, 2, RequestPreVoteResponse(2, True)))
    assert world.nodes[2].role == "candidate"
    world.lose(RequestVote)
    world.deliver((4, 2, RequestVoteResponse(2, True)))
    world.settle()  # its own vote, from its own disk
    assert world.nodes[2].role == "candidate"


def test_a_learner_is_promoted_by_a_simple_change() -> None:
    world = led()
    world.start(4)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    world.reconfigure(1, 2, {1, 2, 3, 4})
    assert world.answer(2) is None
    assert world.nodes[4].configuration == Configuration((1, 2, 3, 4))
    assert world.terms(1) == [1, 1, 1]  # no joint configuration was needed


def test_a_configuration_counts_from_the_moment_it_is_in_the_log() -> None:
    world = led()
    world.crash(3)
    world.reconfigure(1, 1, {1, 2, 3, 4}, settle=False)
    assert world.nodes[1].configuration.voters == (1, 2, 3, 4)
    world.settle()
    assert world.nodes[1].commit_index == 1  # n1 and n2 are two of four
    assert world.answers == []


def test_several_voters_change_through_a_joint_configuration_that_is_left_by_itself() -> None:
    world = led()
    for id in (4, 5):
        world.start(id)
    world.reconfigure(1, 1, {1, 4, 5})
    for _ in range(2):
        world.beat(1)
    assert world.answer(1) is None
    configurations = [e.configuration for e in world.nodes[1].log if e.configuration]
    assert configurations == [Configuration((1, 4, 5), (1, 2, 3)), Configuration((1, 4, 5))]
    world.propose(1, "a")
    assert world.values(5) == ["a"]


def test_a_joint_configuration_commits_only_with_both_majorities() -> None:
    world = led()
    world.reconfigure(1, 1, {1, 4, 5})
    world.beat(1)
    assert world.nodes[1].configuration.joint
    assert world.nodes[1].commit_index == 1  # n1, n2, n3 hold it: not enough
    for id in (4, 5):
        world.start(id)
    for _ in range(3):
        world.beat(1)
    assert not world.nodes[1].configuration.joint
    assert world.answer(1) is None


def test_a_joint_configuration_does_not_commit_without_the_outgoing_majority() -> None:
    world = led()
    for id in (4, 5):
        world.start(id)
    world.isolate(2, 3)
    world.reconfigure(1, 1, {1, 4, 5})
    world.beat(1)
    assert world.nodes[4].log.last == world.nodes[5].log.last == world.nodes[1].log.last
    assert world.nodes[1].commit_index == 1
    assert world.nodes[1].configuration.joint
    world.heal()
    world.beat(1)
    assert world.answer(1) is None


def test_a_new_leader_leaves_the_joint_configuration_that_another_entered() -> None:
    world = led()
    for id in (4, 5):
        world.start(id)
    world.reconfigure(1, 1, {3, 4, 5}, settle=False)
    while not world.nodes[3].configuration.joint:
        world.deliver(world.flying[0])
    world.lose()
    world.crash(1)
    world.stand(3)
    for _ in range(3):
        world.beat(3)
    assert world.nodes[3].configuration == Configuration((3, 4, 5))


def test_no_reconfiguration_before_the_first_commit_of_the_term() -> None:
    """Else two leaders' single-server changes could yield majorities that do not meet."""
    world = led()
    for id in (1, 2, 3):
        world.expire(id)
    world.fire(2, "election", settle=False)
    while world.nodes[2].role != "leader":
        world.deliver(world.flying[0])
    world.reconfigure(2, 1, {1, 2, 3, 4}, settle=False)
    assert "not committed anything in its term" in world.refusal(1)
    world.settle()
    world.beat(2)
    world.reconfigure(2, 2, {1, 2, 3, 4})
    assert world.answer(2) is None


def test_no_second_change_while_one_is_under_way() -> None:
    world = led()
    world.isolate(1)
    world.reconfigure(1, 1, {1, 2, 3, 4})
    world.reconfigure(1, 2, {1, 2})
    assert "under way" in world.refusal(2)


def test_a_change_to_what_is_already_so_is_done_at_once() -> None:
    world = led()
    world.reconfigure(1, 1, {1, 2, 3})
    assert world.answer(1) is None
    assert world.nodes[1].log.last == 1


def test_a_configuration_goes_when_its_entry_is_removed_from_the_log() -> None:
    world = led()
    world.isolate(1)
    world.reconfigure(1, 1, {1, 2})
    assert world.nodes[1].configuration.voters == (1, 2)
    world.overtake(2)
    world.heal()
    world.beat(2)
    assert world.nodes[1].configuration.voters == (1, 2, 3)
    assert world.answers == []  # unknown is all that may be said


def test_a_configuration_survives_a_restart_in_the_log_and_in_the_snapshot() -> None:
    world = led(trailing_entries=0)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    world.restart(2)
    assert world.nodes[2].configuration.learners == (4,)
    world.beat(1)
    world.compact(2)
    world.restart(2)
    assert world.nodes[2].configuration.learners == (4,)


def test_a_leader_that_removes_itself_serves_until_that_is_committed() -> None:
    world = led()
    world.reconfigure(1, 1, {2, 3}, settle=False)
    assert world.leaders() == [1]
    world.settle()
    assert world.answer(1) is None
    assert world.nodes[1].role == "follower"
    assert len(world.leaders()) == 1  # the most advanced voter took over at once
    (leader,) = world.leaders()
    world.beat(leader)
    assert leader in (2, 3)
    world.propose(leader, "a")
    assert world.values(5 - leader) == ["a"]
    assert world.values(1) == []


def test_a_leader_that_removes_itself_does_not_count_itself() -> None:
    world = led()
    world.crash(3)
    world.reconfigure(1, 1, {2, 3})
    assert world.nodes[2].log.last == 2
    assert world.nodes[1].commit_index == 1  # n2 is one of two voters
    assert world.answers == []


def test_two_servers_become_one_by_removing_the_other() -> None:
    world = led(2)
    world.reconfigure(1, 1, {1})
    assert world.answer(1) is None
    world.crash(2)
    world.propose(1, "a")
    assert world.values(1) == ["a"]


def test_two_servers_become_one_by_the_leader_removing_itself() -> None:
    world = led(2)
    world.reconfigure(1, 1, {2})
    assert world.answer(1) is None
    assert world.leaders() == [2]
    world.crash(1)
    world.propose(2, "a")
    assert world.values(2) == ["a"]


def test_a_removed_server_hears_that_it_is_removed_and_stays_silent() -> None:
    world = led()
    world.reconfigure(1, 1, {1, 2})
    assert world.nodes[3].configuration.voters == (1, 2)
    for _ in range(3):
        world.fire(3, "election")
    assert world.nodes[3].role == "follower"
    world.fire(1, "heartbeat", settle=False)
    assert world.find(AppendEntries, to=3) == []


def test_a_removed_server_that_does_not_know_cannot_depose_the_leader() -> None:
    world = led()
    world.isolate(3)
    world.reconfigure(1, 1, {1, 2})
    world.heal()
    for _ in range(3):
        world.fire(3, "election")
    world.deliver((3, 1, RequestVote(50, 99, 99)), (3, 2, RequestVote(50, 99, 99)))
    world.deliver((3, 1, RequestPreVote(50, 99, 99)))
    world.settle()
    assert world.leaders() == [1]
    assert world.nodes[1].current_term == world.nodes[2].current_term == 1


def test_the_later_term_of_a_removed_server_does_not_depose_the_leader() -> None:
    """It does not know that it is removed and answers what it was sent before (section 4.2.3)."""
    world = led()
    world.reconfigure(1, 1, {1, 2})
    world.deliver((3, 1, AppendEntriesResponse(50, 1, 0)))
    world.deliver((3, 1, AppendEntriesConflict(50, 1, 1, 1, 0)))
    assert world.leaders() == [1]
    assert world.nodes[1].current_term == 1


def test_a_server_removed_by_an_uncommitted_change_still_stands_for_election() -> None:
    """Section 4.2.2.  It holds the longest log: nobody else can win, and without it nobody could
    commit the change or anything else again.
    """
    world = World(2)
    world.stand(1)
    for id in (3, 4):
        world.start(id)
    world.reconfigure(1, 1, {2, 3, 4}, settle=False)
    leader = world.nodes[1]
    for _ in range(40):  # until the leader has left the joint configuration in its own log alone
        if leader.log.last == 3 and not leader.configuration.joint:
            break
        world.deliver(world.flying[0])
    world.lose()
    assert leader.configuration == Configuration((2, 3, 4))
    world.crash(1)
    world.start(1)
    for id in (2, 3, 4):
        assert world.nodes[id].configuration.joint
        world.expire(id)
    for id in (2, 3, 4):
        world.fire(id, "election")
        assert world.leaders() == []
    world.fire(1, "election")
    for _ in range(4):
        for id in world.leaders():
            world.beat(id)
    assert world.nodes[2].configuration == Configuration((2, 3, 4))
    assert world.leaders()
    assert 1 not in world.leaders()


def test_a_voter_votes_for_a_candidate_that_its_configuration_does_not_name() -> None:
    world = led()
    world.start(4)
    world.isolate(3)
    world.reconfigure(1, 1, {1, 2, 3, 4})
    world.heal()
    world.crash(1)
    assert world.nodes[3].configuration.voters == (1, 2, 3)
    world.stand(4)
    assert world.leaders() == [4]
