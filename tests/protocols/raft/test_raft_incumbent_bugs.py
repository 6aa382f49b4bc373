"""Five bugs that were reproduced in the Python library most used today: none may exist here.

Each test tells the story in which that library loses an acknowledged write or a healthy leader.
`raft_mutants.py` holds the same bugs as mutants, which the simulator must find.
"""

from __future__ import annotations

from raft_world import World

from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def test_success_is_not_told_for_a_write_that_a_partial_snapshot_replaces() -> None:
    """n3 is being sent a snapshot, of which the last part is missing, while a write is proposed:
    n3 has acknowledged nothing of it, and with n2 dead the write is not committed.
    """
    world = led(trailing_entries=0)
    world.crash(3)
    for value in range(5):
        world.propose(1, str(value))
    world.compact(1)
    world.start(3)
    world.fire(1, "heartbeat", settle=False)
    while world.flying:
        if not world.lose(InstallSnapshot):
            world.deliver(world.flying[0])
    world.crash(2)
    world.propose(1, "write", settle=False)
    while world.flying:
        if not world.lose(InstallSnapshot):
            world.deliver(world.flying[0])
    world.fire(1, "heartbeat", settle=False)
    while world.flying:
        if not world.lose(InstallSnapshot):
            world.deliver(world.flying[0])
    assert "write" not in world.values(1)
    assert world.nodes[3].commit_index == 0
    world.beat(1)  # the snapshot arrives whole
    world.beat(1)
    assert world.values(1)[-1] == world.values(3)[-1] == "write"


def test_an_acknowledgement_of_an_older_term_does_not_commit() -> None:
    """What n3 acknowledged in term 1 is gone from every other log when n1 leads term 3 and stores
    another entry at the same index, which n1 and n2 alone hold.
    """
    world = led(5)
    world.isolate(1, 3)
    for value in "xyz":
        world.propose(1, value, settle=False)
    world.deliver(*world.find(AppendEntries, to=3))
    late = [f for f in world.lose(AppendEntriesResponse) if f[0] == 3][-1]
    assert late[2].match_index == 4
    world.heal()
    world.isolate(1, 3)
    world.cut |= {(1, 3), (3, 1)}
    world.overtake(2)
    world.cut = {(3, n) for n in range(1, 6)} | {(n, 3) for n in range(1, 6)}
    world.beat(2)
    world.crash(3)
    world.stand(1)
    leader = world.nodes[1]
    assert world.terms(1) == [1, 2, 3]
    world.cut = {(1, n) for n in (3, 4, 5)}
    world.propose(1, "new")
    assert leader.log.last == leader.progress[2].match_index == late[2].match_index
    world.deliver(late)
    assert world.values(1) == []
    assert leader.progress[3].match_index < late[2].match_index


def test_a_duplicate_append_does_not_truncate_acknowledged_entries() -> None:
    """The first AppendEntries arrives again after n2 acknowledged what followed; then the leader
    and its disk are gone, and n2 is all that is left of the write.
    """
    world = led()
    world.cut = {(1, 3)}
    world.propose(1, "first", settle=False)
    (first,) = world.find(AppendEntries, to=2)
    world.settle()
    world.propose(1, "second")
    assert world.values(1) == ["first", "second"]
    world.deliver(first)
    assert world.terms(2) == [1, 1, 1]
    world.crash(1)
    world.heal()
    world.stand(2)
    assert world.values(3) == ["first", "second"]


def test_two_votes_in_one_term_are_not_given_across_a_restart() -> None:
    world = World(pre_vote=False)
    for id in (1, 2, 3):
        world.expire(id)
    term = 2
    world.deliver((1, 3, RequestVote(term, 0, 0)))
    assert world.find(RequestVoteResponse, src=3)[0][2] == RequestVoteResponse(term, True)
    world.lose()
    world.restart(3)
    world.nodes[3].leader_heard = False  # even if it protected nobody
    world.deliver((2, 3, RequestVote(term, 0, 0)))
    assert world.find(RequestVoteResponse, src=3) == [(3, 2, RequestVoteResponse(term, False))]


def test_a_vote_request_from_an_empty_log_does_not_depose_a_healthy_leader() -> None:
    world = led()
    world.propose(1, "a")
    world.start(4)
    for term in (2, 50):
        for to in (1, 2, 3):
            world.deliver((4, to, RequestVote(term, 0, 0)), (4, to, RequestPreVote(term, 0, 0)))
    world.settle()
    world.propose(1, "b")
    assert world.leaders() == [1]
    assert {world.nodes[id].current_term for id in (1, 2, 3)} == {1}
    assert world.values(3) == ["a", "b"]
