"""Cuts that last: whatever links are dead, one way or both, terms come to rest, and where somebody
can talk to a majority one such leads (PreVote, section 9.6; CheckQuorum, 6.2).

Omni-Paxos (EuroSys 2023) lists partial partitions in which protocols without both elect for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, permutations

import pytest
from raft_world import World

from comitia.kernel import NodeId

Link = tuple[NodeId, NodeId]
LINKS = tuple(permutations((1, 2, 3), 2))
CUTS = tuple(cut for size in range(len(LINKS) + 1) for cut in combinations(LINKS, size))
STAR = tuple((a, b) for a, b in permutations(range(1, 6), 2) if 1 not in (a, b))
"""Of five servers only n1 can talk to others."""
HALF_MS = 5_000


def after(cut: Iterable[Link], size: int = 3, leader: NodeId = 1, **options: object) -> World:
    """A cluster that `leader` led when `cut` began, which has lasted for `HALF_MS` since."""
    world = World(size, **options)
    world.elect(leader)
    world.cut = set(cut)
    pass_time(world)
    return world


def elections_are_endless(world: World) -> bool:
    """Has any term grown after as long again?"""
    before = {id: node.current_term for id, node in world.nodes.items()}
    pass_time(world)
    return {id: node.current_term for id, node in world.nodes.items()} != before


def pass_time(world: World) -> None:
    until_ms = world.time_ms + HALF_MS
    world.elapse(lambda: world.time_ms >= until_ms, within_ms=HALF_MS + 1_000)


def who_could_lead(world: World) -> list[NodeId]:
    """Who has links in both directions with a majority, itself included."""
    return [
        id
        for id in world.voters
        if 2 * sum(not world.cut & {(id, n), (n, id)} for n in world.voters) > len(world.voters)
    ]


def works_where_somebody_can_lead(world: World) -> None:
    """Somebody who can talk to a majority leads, and commits."""
    able = who_could_lead(world)
    if able:
        leading = [id for id in world.leaders() if id in able]
        assert leading, f"of n{able} none leads, cut: {sorted(world.cut)}"
        world.propose(leading[-1], "a")
        world.beat(leading[-1])
        assert world.values(leading[-1]) == ["a"]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_no_lasting_cut_makes_elections_endless(cut: tuple[Link, ...]) -> None:
    world = after(cut)
    assert not elections_are_endless(world)
    works_where_somebody_can_lead(world)


@pytest.mark.parametrize("leader", [1, 2])
def test_where_only_one_server_can_talk_to_the_others_it_leads(leader: NodeId) -> None:
    world = after(STAR, size=5, leader=leader)
    assert not elections_are_endless(world)
    works_where_somebody_can_lead(world)
    assert who_could_lead(world) == [1]


def test_without_pre_vote_and_check_quorum_a_cut_makes_elections_endless() -> None:
    """In 38 of the 64 cuts; these two show that the tests above can fail, and need not."""

    def endless(*cut: Link) -> bool:
        world = after(cut, pre_vote=False, check_quorum=False, reads="index")
        return elections_are_endless(world)

    assert endless((1, 3), (3, 1))  # n1 leads, and n3 asks n2 for ever
    assert not endless((2, 3), (3, 2))
