"""Bugs that ZooKeeper had, each as a play: with a server that makes ZooKeeper's mistake it ends in
lost or differing data, with ours it does not.

n3 leads first, for it has the greatest id; epoch 1 is its.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import zookeeper_bugs as bugs
from zab_world import World

from comitia.kernel import Broken, Protocol
from comitia.protocols.zab import PROTOCOL, Options, ZabServer
from comitia.protocols.zab.messages import (
    Ack,
    AckLd,
    Commit,
    CommitLd,
    NewLeader,
    Proposal,
)
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import Mutant, kill
from comitia.sim.run import Settings, simulate
from pages.deaths import tell


def behind(values: tuple[str, ...], committed: bool, size: int = 3) -> World:
    """n3 led; n1 has "x" only, n2 and n3 hold `values` as well; n3 is dead."""
    world = World(size)
    world.lead(3)
    world.propose(3, "x")
    world.isolate(1)
    if not committed:
        world.catch(Ack, 3)
    for value in values:
        world.propose(3, value)
    assert (world.values(3) == ["x", *values]) is committed
    world.catch_nothing()
    world.crash(3)
    world.heal()
    return world


def test_zookeeper_4643_the_epoch_is_never_on_disk_without_its_history() -> None:
    world = behind(("y",), committed=True)
    world.catch(NewLeader, 1)
    world.elapse(lambda: bool(world.caught))
    world.crash_between(world.caught[0])
    world.catch_nothing()
    world.crash(2)
    world.start(1)
    world.start(3)
    world.elapse(lambda: bool(world.leaders()))
    assert world.values(world.leaders()[0]) == ["x", "y"]


def acknowledges_then_dies(values: tuple[str, ...], before_dying: Callable[[World], None]) -> None:
    """n1 acknowledges n2 as the leader, and with that what n2 commits; then both die."""
    world = behind(values, committed=False)
    world.catch(CommitLd, 1)
    world.catch(Commit, 1)
    world.catch(NewLeader, 1)
    world.elapse(lambda: bool(world.caught))
    world.catching.remove((NewLeader, 1))
    world.deliver(world.caught[0])
    before_dying(world)
    world.deliver(*world.find(AckLd, src=1, to=2))
    assert world.values(2) == ["x", *values]  # clients were told
    world.crash(1, 2)
    world.start(1)
    world.start(3)
    world.catch_nothing()
    world.elapse(lambda: bool(world.leaders()))
    assert world.values(world.leaders()[0]) == ["x", *values]


def test_zookeeper_4646_the_history_is_on_disk_before_ack_ld_leaves() -> None:
    acknowledges_then_dies(("y",), lambda world: None)


def test_zookeeper_3911_the_history_is_on_disk_before_uptodate_comes() -> None:
    acknowledges_then_dies(("y",), lambda world: None)


def test_zookeeper_4785_all_of_a_diff_is_on_disk_before_ack_ld_leaves() -> None:
    def one_is_logged(world: World) -> None:
        world.deliver(*world.find(NewLeader, src=1, to=1)[:1])

    acknowledges_then_dies(("y", "z"), one_is_logged)


def test_zookeeper_2845_what_is_logged_counts_in_elections_and_synchronisation() -> None:
    world = World()
    world.lead(3)
    world.propose(3, "x")
    world.isolate(3)
    world.propose(3, "T1")  # logged by n3 alone
    world.lead(2)
    world.elapse(lambda: world.nodes[3].role == "looking")
    world.heal()
    world.catch(AckLd, 2)
    world.elapse(lambda: world.nodes[3].current_epoch == world.nodes[2].epoch)
    world.isolate(1)
    world.catch(Proposal, 3)
    world.propose(2, "T2")
    world.fire(2, "ping")
    world.catch_nothing()
    world.crash(2)
    world.heal()
    world.elapse(lambda: bool(world.leaders()))
    assert world.values(world.leaders()[0]) == ["x"], "T2 was never committed, T1 is no more"


def test_zookeeper_4394_a_commit_finds_what_newleader_brought() -> None:
    world = World()
    world.lead(3)
    world.propose(3, "x")
    world.crash(1)
    world.catch(Ack, 3)
    world.propose(3, "y")
    world.start(1)
    world.catch_nothing()
    world.crash(3)
    world.lead(2)
    world.elapse(lambda: world.values(1) == ["x", "y"])


def test_zookeeper_4712_nothing_of_an_old_leader_is_logged_after_it_was_left() -> None:
    world = World()
    world.lead(3)
    world.propose(3, "x")
    world.elapse(lambda: world.values(1) == world.values(2) == ["x"])
    world.isolate(2)
    world.catch(Ack, 3)
    world.propose(3, "T1")  # in the history of n1, or in its queue, if it has one
    world.timers[1].pop("sync_thread", None)
    world.crash(3)
    world.heal()
    world.elapse(lambda: len(world.leaders()) == 1 and world.nodes[1].leader is not None)
    leader = world.leaders()[0]
    if isinstance(world.nodes[1], bugs.LogsByAThread):
        world.timers[1]["sync_thread"] = (1, 1)
        world.fire(1, "sync_thread")
    world.catch(Proposal, 3 - leader)
    world.propose(leader, "T2")
    world.fire(leader, "ping")
    world.catch_nothing()
    world.crash(leader)
    world.start(3)
    world.elapse(lambda: bool(world.leaders()))
    assert "T2" not in world.values(world.leaders()[0])


def test_zookeeper_4925_a_diff_has_no_holes() -> None:
    world = World(5)
    world.lead(5)
    world.propose(5, "x")
    world.elapse(lambda: all(world.values(n) == ["x"] for n in (1, 2)))
    world.crash(1, 2)
    world.propose(5, "y")
    world.crash(5)
    world.start(1)
    world.lead(4)
    world.elapse(lambda: world.nodes[1].leader == 4)
    world.propose(4, "z")
    world.elapse(lambda: world.values(1) == ["x", "y", "z"])
    world.crash(3, 4)
    world.start(2)
    world.start(5)
    world.lead(1)
    world.elapse(lambda: world.nodes[2].committed == world.nodes[1].committed)
    assert world.values(2) == ["x", "y", "z"]


PLAYS: dict[type[ZabServer], Callable[[], None]] = {
    bugs.Zookeeper2845: test_zookeeper_2845_what_is_logged_counts_in_elections_and_synchronisation,
    bugs.Zookeeper3911: test_zookeeper_3911_the_history_is_on_disk_before_uptodate_comes,
    bugs.Zookeeper4394: test_zookeeper_4394_a_commit_finds_what_newleader_brought,
    bugs.Zookeeper4643: test_zookeeper_4643_the_epoch_is_never_on_disk_without_its_history,
    bugs.Zookeeper4646: test_zookeeper_4646_the_history_is_on_disk_before_ack_ld_leaves,
    bugs.Zookeeper4712: test_zookeeper_4712_nothing_of_an_old_leader_is_logged_after_it_was_left,
    bugs.Zookeeper4785: test_zookeeper_4785_all_of_a_diff_is_on_disk_before_ack_ld_leaves,
    bugs.Zookeeper4925: test_zookeeper_4925_a_diff_has_no_holes,
}


@pytest.mark.parametrize("bug", PLAYS, ids=lambda bug: bug.__name__)
def test_with_zookeepers_mistake_the_play_breaks_a_promise(
    bug: type[ZabServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "usual", bug)
    # A play that waits in vain ends in an AssertionError, too.
    raised, match = (
        (AssertionError, "null: COMMIT") if bug is bugs.Zookeeper4394 else (Broken, None)
    )
    with pytest.raises(raised, match=match) as caught:
        PLAYS[bug]()
    print(f"{bug.__name__}: {caught.value}")


ON_SLOW_DISKS = "crash,blackout,sync,slow_disk,clog"

FOUND_BY_SIMULATION = [
    (bugs.Zookeeper2845, ON_SLOW_DISKS, "has more of this epoch than its leader"),
    (bugs.Zookeeper3911, "crash,sync,slow_disk,network,blackout,pause", "PrimaryIntegrity"),
    (bugs.Zookeeper4394, "crash,sync", "null: COMMIT"),
    (bugs.Zookeeper4643, ON_SLOW_DISKS, "PrimaryIntegrity"),
    (bugs.Zookeeper4646, ON_SLOW_DISKS, "TotalOrder"),
    (
        bugs.Zookeeper4712,
        "crash,blackout,sync,delay,clog,pause",
        "has more of this epoch than its leader",
    ),
    (bugs.Zookeeper4785, "crash,blackout,sync,loss,clog", "TotalOrder"),
    (bugs.Zookeeper4925, "crash,sync,slow_disk,loss,partition,flap", "TotalOrder"),
]
"""Each with the faults that it needs, and the promise that breaks, or the words of the error."""


def of(server: type[ZabServer]) -> Protocol:
    def make(id: int, voters: tuple[int, ...], **options: Any) -> ZabServer:
        return server(id, voters, Options(**options))

    return replace(PROTOCOL, make=make)


class Ticket(Mutant):
    """A mutant that is a class already, `server`."""

    def infect(self, protocol: Protocol) -> Protocol:
        return of(self.attributes["server"])


def ticket(bug: type[ZabServer]) -> Ticket:
    return Ticket(bug.__name__.replace("Zookeeper", "ZOOKEEPER-"), {"server": bug})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "faults", "broken"),
    FOUND_BY_SIMULATION,
    ids=lambda bug: bug.__name__ if isinstance(bug, type) else "",
)
def test_the_simulator_finds_it_too(
    bug: type[ZabServer], faults: str, broken: str, request: pytest.FixtureRequest
) -> None:
    settings = Settings(faults=parse_faults(faults), steps=1500, nodes=3, liveness=False)
    failure = kill(PROTOCOL, ticket(bug), seeds=300, settings=settings)
    print(f"{bug.__name__}: {failure}")
    assert broken in str(failure)
    tickets = [ticket(found) for found, _, _ in FOUND_BY_SIMULATION]
    tell("zookeeper", tickets, ticket(bug), settings, failure, request)


@pytest.mark.slow
@pytest.mark.parametrize("control", [bugs.CountsPackets, bugs.LogsByAThread])
def test_threads_and_lists_alone_break_nothing(control: type[ZabServer]) -> None:
    settings = Settings(faults=parse_faults("crash,sync,blackout,delay,clog,pause"), steps=1000)
    for seed in range(40):
        failure = simulate(of(control), seed, settings).failure
        assert failure is None, failure
