"""Single faults: what each does to a run, and that nothing of it is missed."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import pytest
from primary import DURABLE

from comitia.protocols.raft import PROTOCOL as RAFT
from comitia.sim import disk
from comitia.sim.dice import Dice
from comitia.sim.host import Host
from comitia.sim.run import Settings, build, simulate
from comitia.sim.simulation import Simulation
from comitia.sim.story import record


def writing(count: int) -> Host:
    """A host with `count` writes under way, each of another term: records of the same size."""
    host = build(RAFT, 0, Settings(faults=(), nodes=3)).hosts[1]
    node: Any = RAFT.make(1, (1, 2, 3))
    host.boot(node)
    for index in range(count):
        node.current_term = index + 1
        host.pending.append((host.values(node), []))
    return host


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_record_on_another_ones_place_is_noticed_when_it_is_read_back(count: int) -> None:
    host = writing(count)
    assert all(disk.misdirects(host, count, Dice(seed, "test")) for seed in range(100))


def test_a_checksum_that_does_not_cover_the_place_would_miss_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Placeless:
        @staticmethod
        def crc32(payload: bytes, place: int) -> int:
            return zlib.crc32(payload)

    monkeypatch.setattr(disk, "zlib", Placeless)
    host = writing(5)
    assert not all(disk.misdirects(host, 5, Dice(seed, "test")) for seed in range(100))


def test_damaged_disks_leave_enough_good_ones_that_nothing_is_ever_lost() -> None:
    settings = Settings(faults=("crash", "sync", "rot", "misdirected"), steps=2000)
    dead = 0
    for seed in range(20):
        sim = build(RAFT, seed, settings)
        sim.begin()
        sim.run(2000)
        assert len(sim.chaos.rotten) <= (sim.plan.voters - 1) // 2
        dead += len(sim.chaos.rotten)
    assert dead > 3, "disks were damaged, so something was tested"


def upgraded(seed: int) -> list[tuple[int, str]]:
    _, events = record(RAFT, seed, Settings(faults=("upgrade",), nodes=3, steps=3000))
    return [
        (event.node or 0, event.text)
        for event in events
        if event.kind == "note" and "another version" in event.text
    ]


def test_an_upgrade_reaches_every_member_one_after_the_other() -> None:
    said = next(said for seed in range(20) if (said := upgraded(seed)))
    assert sorted(node for node, _ in said[:3]) == [1, 2, 3]
    assert len({text for _, text in said[:3]}) == 1 and "max_append_bytes=" in said[0][1]


def test_members_of_different_wire_versions_do_not_hear_each_other() -> None:
    sim = build(RAFT, 0, Settings(faults=(), nodes=3))
    sim.begin()
    sim.chaos.wire = 1
    sim.chaos.install(sim.hosts[2])
    cut = {(src, to) for src in (1, 2, 3) for to in (1, 2, 3) if sim.blocked[src * sim.width + to]}
    assert cut == {(1, 2), (2, 1), (3, 2), (2, 3)}
    sim.chaos.install(sim.hosts[1])
    sim.chaos.install(sim.hosts[3])
    assert not any(sim.blocked)


def test_an_option_in_which_members_must_agree_is_left_alone_by_an_upgrade() -> None:
    settings = Settings(faults=("upgrade",))
    differ = replace(DURABLE, stress={"leader": (1, 2)}, make=led)
    agree = replace(differ, alike=("leader",))
    assert any(simulate(differ, seed, settings).failure for seed in range(60))
    assert not any(simulate(agree, seed, settings).failure for seed in range(60))


def led(id: int, voters: tuple[int, ...], leader: int = 1) -> Any:
    """A primary of the operator's choice."""
    node = DURABLE.make(id, voters)
    node.leader = leader
    return node


def rates(sim: Simulation) -> list[int]:
    return [host.rate for host in sim.hosts.values()]


def test_some_clocks_are_fast_and_slow_by_turns() -> None:
    swung = 0
    for seed in range(10):
        sim = build(RAFT, seed, Settings(faults=("clock",), nodes=3))
        sim.begin()
        before = rates(sim)
        sim.run(1000)
        assert all(now in (was, 2048 - was) for now, was in zip(rates(sim), before, strict=True))
        swung += rates(sim) != before
    assert swung > 0
