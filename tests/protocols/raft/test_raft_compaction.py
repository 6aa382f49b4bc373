"""Chapter 5: snapshots take the place of the log's beginning."""

from __future__ import annotations

from raft_world import World

from comitia.kernel import Compact
from comitia.protocols.raft import Configuration, Entry
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
)
from comitia.protocols.raft.progress import REPLICATE, SNAPSHOT

THREE = Configuration((1, 2, 3))


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def filled(**options: object) -> World:
    """n3 was away while ten values were committed and compacted away."""
    world = led(trailing_entries=0, **options)
    world.crash(3)
    for value in range(10):
        world.propose(1, str(value))
    world.compact(1)
    world.start(3)
    return world


def test_compaction_keeps_the_term_and_the_configuration_and_drops_the_entries() -> None:
    world = led(trailing_entries=0)
    world.propose(1, "a")
    world.propose(1, "b")
    world.compact(1, 2)
    node = world.nodes[1]
    assert (node.snapshot.index, node.snapshot.term, node.snapshot.configuration) == (2, 1, THREE)
    assert (node.log.first, node.log.last) == (2, 3)
    assert node.snapshot_slot == 2


def test_entries_behind_a_snapshot_are_kept_up_to_a_number_and_a_size() -> None:
    world = led(trailing_entries=3)
    for value in range(10):
        world.propose(1, str(value))
    world.compact(1, 11)
    assert world.nodes[1].log.first == 8
    world = led(trailing_entries=100, trailing_bytes=25)
    for _ in range(10):
        world.propose(1, "x" * 10)
    world.compact(1, 11)
    assert world.nodes[1].log.first == 9


def test_no_entry_is_kept_behind_a_snapshot_that_did_not_come_about_by_them() -> None:
    world = led(trailing_entries=100)
    for value in range(10):
        world.propose(1, str(value))
    world.ask(1, Compact(8, trailing=False))
    assert (world.nodes[1].log.first, world.nodes[1].snapshot_slot) == (8, 8)


def test_a_kept_entry_spares_a_slow_follower_the_snapshot() -> None:
    world = led(trailing_entries=10)
    world.crash(3)
    for value in range(5):
        world.propose(1, str(value))
    world.compact(1)
    world.start(3)
    world.beat(1)
    world.beat(1)
    assert world.snapshots_sent == 0
    assert world.values(3) == world.values(1)


def test_an_older_snapshot_than_the_last_one_changes_nothing() -> None:
    world = led(trailing_entries=0)
    for value in "abc":
        world.propose(1, value)
    world.compact(1, 4)
    before = world.disk[1]
    world.compact(1, 2)
    assert world.disk[1] == before


def test_after_a_restart_values_are_delivered_from_the_slot_after_the_snapshot() -> None:
    world = led(trailing_entries=2)
    for value in "abc":
        world.propose(1, value)
    world.compact(2, 3)
    world.restart(2)
    assert world.nodes[2].commit_index == 3
    world.beat(1)
    world.propose(1, "d")
    assert world.applied[2] == [(3, b"<snapshot>"), (4, b"c"), (5, b"d")]


def test_a_follower_too_far_behind_gets_the_snapshot_and_then_the_log() -> None:
    world = filled()
    world.beat(1)
    world.beat(1)
    assert world.snapshots_sent == 1
    assert world.installed == [(3, 11)]
    world.propose(1, "after")
    assert world.values(3)[-1] == "after"
    assert world.nodes[1].progress[3].state == REPLICATE


def test_a_snapshot_under_way_is_resumed_with_every_heartbeat_while_the_follower_answers() -> None:
    world = filled()
    sent = []
    for _ in range(4):
        world.fire(1, "heartbeat", settle=False)
        while world.flying:
            if lost := world.lose(InstallSnapshot):
                sent += lost
                continue
            world.deliver(world.flying[0])
    assert len(sent) == 4
    assert world.nodes[1].progress[3].state == SNAPSHOT
    assert world.nodes[3].commit_index == 0
    world.beat(1)
    assert world.installed == [(3, 11)]


def test_a_leader_with_a_snapshot_under_way_goes_on_with_the_others() -> None:
    world = filled()
    world.cut = {(1, 3)}
    world.beat(1)
    world.propose(1, "a")
    assert world.values(2)[-1] == "a"


def test_a_partial_snapshot_never_moves_the_commit_index() -> None:
    """The runtime hands InstallSnapshot over when the last byte is durable; until then nothing of
    it exists for the node, whatever heartbeats say of the leader's commit index.
    """
    world = filled()
    for _ in range(3):
        world.fire(1, "heartbeat", settle=False)
        while world.flying:
            if not world.lose(InstallSnapshot):
                world.deliver(world.flying[0])
    assert world.nodes[3].commit_index == 0
    assert world.applied[3] == []
    assert world.nodes[1].progress[3].match_index == 1  # the no-op, from before it was away


def test_a_snapshot_that_ends_before_the_commit_index_is_not_installed() -> None:
    world = led()
    world.propose(1, "a")
    world.deliver((1, 2, InstallSnapshot(1, 1, 1, THREE)))
    assert world.installed == []
    assert world.values(2) == ["a"]


def test_a_snapshot_that_the_log_already_covers_commits_it_and_keeps_what_follows() -> None:
    """Acknowledged entries behind the snapshot must not be dropped (figure 5.3, step 6)."""
    world = led()
    world.propose(1, "a", settle=False)
    world.propose(1, "b", settle=False)
    world.deliver(*world.find(AppendEntries, to=2))
    world.lose()
    assert (world.nodes[2].commit_index, world.nodes[2].log.last) == (1, 3)
    world.deliver((1, 2, InstallSnapshot(1, 2, 1, THREE)))
    assert world.installed == []
    assert (world.nodes[2].commit_index, world.nodes[2].log.last) == (2, 3)


def test_a_snapshot_whose_last_entry_conflicts_with_the_log_replaces_all_of_it() -> None:
    world = led(trailing_entries=0)
    world.isolate(1)
    for value in "xyz":
        world.propose(1, value)
    world.overtake(2)
    for value in "abcd":
        world.propose(2, value)
    world.compact(2, 3)
    assert world.terms(1) == [1, 1, 1, 1]
    world.heal()
    message = InstallSnapshot(2, 3, 2, THREE)
    world.deliver((2, 1, message))
    assert world.installed == [(1, 3)]
    assert list(world.nodes[1].log) == [Entry(2)]
    assert world.nodes[1].log.first == 3
    world.beat(2)
    world.beat(2)
    assert world.values(1) == ["<snapshot>", "b", "c", "d"]


def test_a_snapshot_is_acknowledged_when_it_is_on_disk_and_not_before() -> None:
    world = filled()
    node, snapshot = world.nodes[3], world.nodes[1].snapshot
    message = InstallSnapshot(1, snapshot.index, snapshot.term, snapshot.configuration)
    world.step(3, lambda out: node.on_message(1, message, out), durable=False)
    assert node.snapshot == snapshot
    assert world.find(AppendEntriesResponse, src=3) == []
    world.start(3)
    world.deliver((1, 3, message))
    assert world.find(AppendEntriesResponse, src=3)


def test_a_snapshot_of_an_older_leader_is_ignored() -> None:
    world = led()
    world.deliver((1, 2, InstallSnapshot(0, 9, 0, THREE)))
    assert world.installed == []
    assert world.find(AppendEntriesResponse) == []


def test_the_configuration_of_a_snapshot_is_used_and_survives_a_restart() -> None:
    world = led(trailing_entries=0)
    world.crash(3)
    world.reconfigure(1, 1, {1, 2, 3}, {4})
    world.compact(1)
    world.start(3)
    world.beat(1)
    world.beat(1)
    assert world.nodes[3].configuration.learners == (4,)
    world.restart(3)
    assert world.nodes[3].configuration.learners == (4,)


def test_entries_before_the_beginning_of_a_followers_log_are_skipped() -> None:
    world = led(trailing_entries=0)
    for value in "abc":
        world.propose(1, value)
    log = world.nodes[1].log
    entries = log.slice(1, 4)
    world.compact(2, 3)
    world.deliver((1, 2, AppendEntries(1, 0, 0, entries, 4, 99)))
    assert (world.nodes[2].log.first, world.nodes[2].log.last) == (3, 4)
    ((_, _, answer),) = world.find(AppendEntriesResponse, src=2)
    assert answer.match_index == 4
