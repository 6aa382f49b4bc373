"""Sections 3.4, 3.6.1, 4.2.3, 6.2 and 9.6: who leads, and who may not."""

from __future__ import annotations

import pytest
from raft_world import World

from comitia.protocols.raft import Options
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
)


def silent_world(size: int = 3, **options: object) -> World:
    """Nobody has heard a leader for an election timeout."""
    world = World(size, **options)
    for id in world.voters:
        world.expire(id)
    return world


def test_a_majority_of_votes_makes_a_leader_and_its_no_op_is_committed() -> None:
    world = silent_world()
    world.fire(2, "election")
    assert world.leaders() == [2]
    assert world.nodes[2].commit_index == 1
    assert world.nodes[2].log[1].value == b""
    assert world.applied[2] == [(1, b"")]


def test_the_only_voter_elects_itself_and_commits_alone() -> None:
    world = World(1)
    world.fire(1, "election")
    world.propose(1, "a")
    assert world.values(1) == ["a"]


def test_a_vote_is_never_given_twice_in_one_term() -> None:
    world = silent_world()
    ask = RequestVote(1, 0, 0)
    world.deliver((1, 3, ask), (2, 3, ask))
    assert [f[1:] for f in world.find(RequestVoteResponse, src=3)] == [
        (1, RequestVoteResponse(1, True)),
        (2, RequestVoteResponse(1, False)),
    ]


def test_a_vote_is_never_given_twice_in_one_term_across_a_restart() -> None:
    world = silent_world()
    world.deliver((1, 3, RequestVote(1, 0, 0)))
    world.restart(3)
    world.expire(3)
    world.lose()
    world.deliver((2, 3, RequestVote(1, 0, 0)))
    assert world.find(RequestVoteResponse, src=3) == [(3, 2, RequestVoteResponse(1, False))]


def test_a_repeated_request_gets_the_same_vote_again() -> None:
    world = silent_world()
    ask = RequestVote(1, 0, 0)
    world.deliver((1, 3, ask), (1, 3, ask))
    assert world.find(RequestVoteResponse) == [(3, 1, RequestVoteResponse(1, True))] * 2


def test_votes_are_counted_by_distinct_members_not_by_messages() -> None:
    world = silent_world(5)
    world.fire(1, "election", settle=False)
    for _ in range(3):
        world.deliver((2, 1, RequestPreVoteResponse(1, True)))
    assert world.nodes[1].role == "pre-candidate"
    world.deliver((3, 1, RequestPreVoteResponse(1, True)))
    assert world.nodes[1].role == "candidate"
    world.lose(RequestVote)
    for _ in range(3):
        world.deliver((2, 1, RequestVoteResponse(1, True)))
    world.settle()  # its own vote, from its own disk
    assert world.nodes[1].role == "candidate"


def test_a_candidate_counts_its_own_vote_only_when_it_is_durable() -> None:
    world = World(1)
    world.fire(1, "election", settle=False)
    assert world.nodes[1].role == "candidate"
    assert world.find(RequestVoteResponse) == [(1, 1, RequestVoteResponse(1, True))]
    world.settle()
    assert world.leaders() == [1]


def test_a_vote_waits_for_the_disk() -> None:
    world = silent_world()
    world.deliver((1, 3, RequestVote(1, 0, 0)))
    assert len(world.find(RequestVoteResponse)) == 1
    assert not [m for m in world.early if isinstance(m, RequestVoteResponse)]


def test_half_of_the_votes_is_not_enough() -> None:
    world = silent_world(4, pre_vote=False)
    world.isolate(1, 2)
    world.fire(1, "election")
    assert len(world.nodes[1].votes) == 2
    assert world.leaders() == []


def test_votes_of_an_older_term_are_not_counted() -> None:
    world = silent_world(pre_vote=False)
    world.fire(1, "election", settle=False)
    old = world.nodes[1].current_term
    world.fire(1, "election", settle=False)
    world.deliver((2, 1, RequestVoteResponse(old, True)))
    assert len(world.nodes[1].votes) == 0


def test_two_refusals_of_three_end_the_candidacy() -> None:
    world = silent_world()
    world.fire(1, "election", settle=False)
    for voter in (2, 3):
        world.deliver((voter, 1, RequestPreVoteResponse(0, False)))
    assert world.nodes[1].role == "follower"


LOGS = pytest.mark.parametrize(
    ("last_log_index", "last_log_term", "granted"),
    [(3, 1, True), (2, 2, True), (9, 1, True), (2, 1, False), (9, 0, False), (1, 2, True)],
)


@LOGS
def test_a_vote_goes_only_to_a_log_at_least_as_complete(
    last_log_index: int, last_log_term: int, granted: bool
) -> None:
    world = World()
    world.stand(1)
    world.propose(1, "a")
    world.propose(1, "b")
    assert world.terms(3) == [1, 1, 1]
    world.expire(3)
    world.deliver((2, 3, RequestVote(9, last_log_index, last_log_term)))
    assert world.find(RequestVoteResponse) == [(3, 2, RequestVoteResponse(9, granted))]


@LOGS
def test_a_pre_vote_goes_only_to_a_log_at_least_as_complete(
    last_log_index: int, last_log_term: int, granted: bool
) -> None:
    """Else a server whose log is too short would win the pre-votes and disturb for nothing."""
    world = World()
    world.stand(1)
    world.propose(1, "a")
    world.propose(1, "b")
    world.expire(3)
    world.deliver((2, 3, RequestPreVote(9, last_log_index, last_log_term)))
    answer = RequestPreVoteResponse(9 if granted else 1, granted)
    assert world.find(RequestPreVoteResponse) == [(3, 2, answer)]


def test_pre_votes_for_an_older_term_are_not_counted() -> None:
    world = World()
    world.stand(1)
    world.fire(3, "election", settle=False)
    world.lose()
    for voter in (1, 2):  # as 3 was told when it stood for term 1
        world.deliver((voter, 3, RequestPreVoteResponse(1, True)))
    assert world.nodes[3].role == "pre-candidate"
    assert world.nodes[3].current_term == 1
    world.deliver((2, 3, RequestPreVoteResponse(2, True)))
    assert world.nodes[3].role == "candidate"


def test_a_pre_vote_changes_nothing_on_the_voter() -> None:
    world = silent_world()
    before = world.disk[3]
    world.deliver((1, 3, RequestPreVote(7, 0, 0)))
    assert world.find(RequestPreVoteResponse) == [(3, 1, RequestPreVoteResponse(7, True))]
    assert world.disk[3] == before


def test_a_server_that_was_cut_off_does_not_raise_its_term() -> None:
    world = World()
    world.stand(1)
    world.isolate(3)
    for _ in range(5):
        world.fire(3, "election")
    assert world.nodes[3].current_term == 1
    world.heal()
    world.fire(3, "election")
    world.beat(1)
    assert world.leaders() == [1]
    assert world.nodes[1].current_term == 1
    assert world.nodes[3].leader == 1


def test_nobody_votes_against_a_leader_that_it_hears() -> None:
    world = World()
    world.stand(1)
    world.propose(1, "a")
    before = world.disk[2]
    world.deliver((3, 2, RequestPreVote(2, 9, 9)), (3, 2, RequestVote(2, 9, 9)))
    assert world.find(RequestPreVoteResponse) == [(2, 3, RequestPreVoteResponse(1, False))]
    assert world.find(RequestVoteResponse) == []
    assert world.disk[2] == before  # not even the term was taken over


def test_a_leader_is_not_deposed_by_a_vote_request_of_a_higher_term() -> None:
    world = World()
    world.stand(1)
    world.deliver((3, 1, RequestVote(9, 9, 9)))
    assert world.leaders() == [1]
    assert world.nodes[1].current_term == 1


def test_a_restarted_server_votes_for_nobody_until_its_election_timer_fires() -> None:
    """It may have promised the leader an election timeout just before it crashed."""
    world = World()
    world.stand(1)
    world.restart(2)
    world.deliver((3, 2, RequestVote(2, 9, 9)))
    assert world.find(RequestVoteResponse) == []
    world.expire(2)
    world.deliver((3, 2, RequestVote(2, 9, 9)))
    assert world.find(RequestVoteResponse) == [(2, 3, RequestVoteResponse(2, True))]


def test_an_answer_to_an_old_candidacy_does_not_end_the_protection_of_a_leader() -> None:
    world = World()
    world.stand(1)
    world.deliver((3, 2, RequestPreVoteResponse(5, False)), (3, 2, RequestVoteResponse(5, False)))
    assert world.nodes[2].current_term == 1
    assert world.nodes[2].leader_heard


def test_a_leader_that_reaches_no_quorum_steps_down() -> None:
    world = World()
    world.stand(1)
    world.isolate(1)
    world.fire(1, "quorum")  # it had been answered in the period before
    assert world.leaders() == [1]
    world.fire(1, "quorum")
    assert world.leaders() == []
    assert world.nodes[1].leader is None
    assert "heartbeat" not in world.timers[1]


def test_a_leader_that_reaches_a_quorum_stays() -> None:
    world = World()
    world.stand(1)
    world.isolate(3)
    for _ in range(5):
        world.beat(1)
        world.fire(1, "quorum")
    assert world.leaders() == [1]


def test_one_way_partition_a_leader_that_is_not_answered_gives_way() -> None:
    """n1 is heard by all and hears nobody: it must not keep the others silent for ever."""
    world = World()
    world.stand(1)
    world.cut = {(2, 1), (3, 1)}
    world.beat(1)
    world.fire(1, "quorum")
    world.fire(1, "quorum")
    assert world.leaders() == []
    world.fire(2, "election")
    world.fire(3, "election")
    assert world.leaders() == [3]


def test_a_server_that_cannot_reach_the_leader_but_its_followers_starts_no_election() -> None:
    """A cannot see C, B can: A asks B for ever and C keeps leading."""
    world = World()
    world.stand(3)
    world.cut = {(1, 3), (3, 1)}
    for round in range(10):
        world.fire(1, "election")
        world.propose(3, str(round))
        world.beat(3)
    assert world.leaders() == [3]
    assert {node.current_term for node in world.nodes.values()} == {1}
    assert len(world.values(2)) == 10


def test_a_candidate_stuck_in_a_higher_term_is_brought_back() -> None:
    """It won the pre-votes and lost the vote; the leader must come to know its term."""
    world = World()
    world.stand(1)
    world.fire(3, "election", settle=False)
    world.deliver((2, 3, RequestPreVoteResponse(2, True)))
    assert (world.nodes[3].role, world.nodes[3].current_term) == ("candidate", 2)
    world.lose()
    world.beat(1)  # n3 answers with its term
    assert world.leaders() == []
    world.fire(2, "election")  # learns the term from the refusal of its pre-vote
    world.stand(2)
    world.propose(2, "a")
    assert [world.values(id) for id in (1, 2, 3)] == [["a"]] * 3


def test_an_old_leader_learns_its_successor_from_the_answer_to_its_entries() -> None:
    world = World()
    world.stand(1)
    world.isolate(1)
    world.overtake(2)
    assert world.leaders() == [1, 2]
    world.heal()
    world.propose(1, "lost", settle=False)
    (entries, *_) = world.find(AppendEntries, src=1, to=3)
    world.lose(AppendEntries, src=2)
    world.deliver(entries)
    ((_, _, answer),) = world.find(AppendEntriesConflict, src=3)
    assert answer.term == 2
    world.settle()
    assert world.leaders() == [2]


def test_a_dead_leader_is_replaced_within_a_second_by_default() -> None:
    """The slowest follower's timeout, and two round trips far below the rest."""
    options = Options()
    assert 2 * options.election_timeout_ms <= 600
    world = World()
    world.stand(1)
    world.crash(1)
    assert world.timers[2]["election"] == (300, 600)
    world.fire(2, "election")
    world.fire(3, "election")
    assert world.leaders() == [3]


def test_after_a_split_vote_a_later_timeout_elects_a_leader() -> None:
    world = silent_world(4)
    for id in (1, 2):
        world.fire(id, "election", settle=False)
    for id, voter in ((1, 3), (1, 4), (2, 3), (2, 4)):
        world.deliver((voter, id, RequestPreVoteResponse(1, True)))
    world.lose(RequestPreVote)
    ask = RequestVote(1, 0, 0)
    world.deliver((1, 3, ask), (2, 4, ask))
    world.settle()
    assert world.leaders() == []
    world.fire(4, "election")
    assert world.leaders() == [4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"heartbeat_ms": 300},
        {"heartbeat_ms": 0},
        {"clock_drift_ms": 300},
        {"check_quorum": False},
        {"max_inflight": 0},
    ],
)
def test_options_that_cannot_work_together_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|need"):
        World(3, **wrong)
