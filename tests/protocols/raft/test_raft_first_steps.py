"""A cluster elects, replicates, commits, and starts again."""

from __future__ import annotations

from raft_world import World


def test_what_is_proposed_to_the_leader_reaches_every_machine_in_order() -> None:
    world = World()
    world.stand(1)
    for value in "abc":
        world.propose(1, value)
    assert [world.values(id) for id in (1, 2, 3)] == [["a", "b", "c"]] * 3


def test_a_restart_of_all_servers_at_once_loses_nothing_that_was_committed() -> None:
    world = World()
    world.stand(1)
    world.propose(1, "a")
    for id in (1, 2, 3):
        world.crash(id)
    for id in (1, 2, 3):
        world.start(id)
    assert world.values(2) == []
    world.stand(2)
    world.propose(2, "b")
    assert [world.values(id) for id in (1, 2, 3)] == [["a", "b"]] * 3


def test_a_proposal_to_a_follower_is_refused_and_changes_nothing() -> None:
    world = World()
    world.stand(1)
    world.propose(2, "a")
    assert [(id, reason) for id, _, reason in world.refusals] == [(2, "not the leader")]
    assert world.nodes[2].leader == 1
    assert world.terms(2) == [1]
