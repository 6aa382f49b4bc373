"""A host runs a node by both laws, and a cluster of hosts keeps what it acknowledged."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from net_cluster import Cluster, Ledger, eventually

from comitia.kernel import Message, NodeId, Propose, Read
from comitia.kernel.laws import DiskBeforeWire, LawBroken, ValuesLaw
from comitia.kernel.stable import StableCodec
from comitia.net import compaction
from comitia.net.host import Host
from comitia.net.operations import Refused
from comitia.net.turn import Turn


class CheckedHost(Host):
    """Checks both laws at every step and every message that is not sent early."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.law = DiskBeforeWire(StableCodec(type(self.node)))
        append = self.storage.wal.append

        def observed(items: list[tuple[int, bytes]]) -> int:
            written = append(items)
            if self.storage.values is not None:
                self.law.on_durable(self.storage.values)
            return written

        self.storage.wal.append = observed  # type: ignore[method-assign]
        self.released = 0

    def _round(self, ends: bool = True) -> None:
        self._inbox = [(self._lawful(step), arguments) for step, arguments in self._inbox]
        super()._round(ends)

    def _lawful(self, step: Callable[..., None]) -> Callable[..., None]:
        def lawful(*arguments: Any) -> None:
            law = ValuesLaw(self.node)
            step(*arguments)
            law.check()

        return lawful

    def _release(self, turn: Turn) -> None:
        if turn._held or turn._messages:
            self.law.on_release(self.node)
            self.released += 1
        super()._release(turn)


class HastyHost(CheckedHost):
    """Deliberately wrong: lets go before the disk has it."""

    def _commit(self, turn: Turn) -> None:
        self._release(turn)
        super()._commit(turn)


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comitia.net.storage.SLOW_SYNC_S", 10)


def run(directory: Path, play: Callable[[Cluster], Any], **options: Any) -> Cluster:
    """Play a scene with a running cluster of three, and stop it."""

    async def life() -> Cluster:
        cluster = Cluster(directory, **options)
        try:
            await play(cluster)
        finally:
            await cluster.stop_all()
        return cluster

    return asyncio.run(life())


def test_three_hosts_elect_replicate_and_find_their_data_again(tmp_path: Path) -> None:
    values = [b"%d" % number for number in range(20)]

    async def life(cluster: Cluster, expected: list[bytes], new: list[bytes]) -> None:
        await cluster.start_all()
        await cluster.leader()
        await eventually(
            lambda: all(cluster.ledger(id).values == expected for id in cluster.voters)
        )
        await cluster.propose(new)

    run(tmp_path, lambda cluster: life(cluster, [], values[:10]))
    run(tmp_path, lambda cluster: life(cluster, values[:10], values[10:]))
    run(tmp_path, lambda cluster: life(cluster, values, []))


def test_a_host_keeps_both_laws_through_elections_writes_and_restarts(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        cluster.host_type = CheckedHost
        await cluster.start_all()
        await cluster.propose([b"one", b"two"])
        leader = await cluster.leader()
        await cluster.stop(leader.id)
        await cluster.propose([b"three"])
        host = await cluster.start(leader.id)
        await cluster.propose([b"four"])
        assert isinstance(host, CheckedHost) and host.released > 0

    run(tmp_path, scene)


def test_a_host_that_lets_go_before_the_disk_has_it_is_caught(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        cluster.host_type = HastyHost
        await cluster.start_all()
        with pytest.raises(LawBroken, match="a message is leaving"):
            await asyncio.wait_for(
                asyncio.gather(*(host.failure for host in cluster.hosts.values())), 10
            )

    run(tmp_path, scene)


@pytest.mark.parametrize("more", [0, 1], ids=["asks nothing", "asks for ever"])
def test_turns_end_although_a_client_is_awaited_that(tmp_path: Path, more: int) -> None:
    class Insatiable(Ledger):
        serving = True
        awaited = 1 << 30
        asked = 0

        @property
        def gathered(self) -> int:
            self.asked += more
            return self.asked

    class Busy(Host):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.application = Insatiable()

    async def scene(cluster: Cluster) -> None:
        cluster.host_type = Busy
        await cluster.start_all()
        await cluster.propose([b"one", b"two"])

    run(tmp_path, scene)


def test_clients_that_were_answered_are_read_before_the_turn_goes_on(tmp_path: Path) -> None:
    class Client(Ledger):
        """Asks twice when it is answered: at once, and when the loop comes to it."""

        host: Host
        serving = True

        def apply(self, slot: int, value: bytes) -> None:
            super().apply(slot, value)
            if value == b"first" and self.host.view.leader == self.host.id:
                self.awaited = 2
                self.gathered += 1
                asyncio.get_running_loop().call_soon(self.ask)

        def ask(self) -> None:
            self.gathered += 1
            self.host.wake()

        def before_turn(self) -> None:
            super().before_turn()
            asked, self.gathered, self.awaited = self.gathered, 0, 0
            for number in range(asked):
                self.host.request(Propose(b"second %d of %d" % (number, asked)))

    class ClientHost(Host):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.application = client = Client()
            client.host = self

    async def scene(cluster: Cluster) -> None:
        cluster.host_type = ClientHost
        await cluster.start_all()
        await cluster.propose([b"first", b"second 0 of 2", b"second 1 of 2"])

    run(tmp_path, scene)


def test_slow_disks_sync_in_a_thread_and_the_cluster_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import time

    def slow(fd: int) -> None:
        time.sleep(0.003)
        os.fdatasync(fd)

    monkeypatch.setattr("comitia.net.wal._sync", slow)
    monkeypatch.setattr("comitia.net.storage.SLOW_SYNC_S", 0.0005)
    values = [b"%d" % number for number in range(200)]

    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        leader = await cluster.leader()
        leader.storage.slow, leader.storage._p90_s = True, 0.003
        for value in values:
            leader.request(Propose(value))
            await asyncio.sleep(0)
        await eventually(lambda: all(cluster.ledger(id).values == values for id in cluster.voters))
        assert leader.storage.syncs.count < 150

    run(tmp_path, scene)


def test_reads_are_answered_with_a_slot_on_any_member(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        await cluster.propose([b"x"])
        for id, host in cluster.hosts.items():
            host.request(Read(id))
            ledger = cluster.ledger(id)
            await eventually(lambda ledger=ledger: len(ledger.answers) == 1)
            request, slot = ledger.answers[0]
            assert (request, slot) == (Read(id), host.applied)

    run(tmp_path, scene)


def test_applications_talk_over_the_same_links(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        await eventually(lambda: cluster.hosts[1].links.connected == [2, 3])
        cluster.hosts[1].send_application(3, b"hello")
        await eventually(lambda: cluster.ledger(3).messages == [(1, b"hello")])

    run(tmp_path, scene)


def test_an_operator_moves_the_leader_and_adds_and_removes_a_member(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        await cluster.propose([b"one"])
        leader = await cluster.leader()
        to = next(id for id in cluster.voters if id != leader.id)
        await leader.operations.transfer(to)
        await eventually(lambda: cluster.hosts[to].view.leader == to)
        leader = await cluster.leader()
        await cluster.propose([b"two"])  # before, it may change nothing
        await cluster.start(4)
        for host in cluster.hosts.values():
            host.links.book.learn(cluster.hosts[4].links.book.places)
        await leader.operations.reconfigure(frozenset({1, 2, 3}), frozenset({4}))
        await eventually(lambda: cluster.ledger(4).values == [b"one", b"two"])
        await leader.operations.reconfigure(frozenset({1, 2, 3, 4}), frozenset())
        assert leader.view.voters == (1, 2, 3, 4)
        follower = next(host for host in cluster.hosts.values() if host is not leader)
        with pytest.raises(Refused):
            await follower.operations.reconfigure(frozenset({1}), frozenset())

    run(tmp_path, scene)


def test_a_log_is_compacted_and_a_lagging_member_gets_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "LOG_BYTES", 20_000)
    monkeypatch.setattr("comitia.net.transfer.PIECE_BYTES", 1000)
    values = [b"%d " % number + bytes(900) for number in range(60)]

    async def scene(cluster: Cluster) -> None:
        cluster.segment_bytes = 16 << 10
        await cluster.start_all()
        await cluster.propose(values[:5])
        leader = await cluster.leader()
        late = next(id for id in cluster.voters if id != leader.id)
        await cluster.stop(late)
        await cluster.propose(values[5:])
        await eventually(lambda: leader.snapshot_slot > 30)
        await eventually(lambda: not leader.storage.rewriting)
        host = await cluster.start(late)
        assert len(cluster.ledger(late).values) <= 5
        await eventually(lambda: cluster.ledger(late).values == values)
        assert host.snapshot_slot > 30
        assert leader.storage.wal.oldest > 1
        await cluster.stop(late)
        await cluster.start(late)  # from the snapshot that it was sent
        await eventually(lambda: cluster.ledger(late).values == values)

    cluster = run(tmp_path, scene, trailing_entries=4, trailing_bytes=4000)
    for id in cluster.voters:
        assert len(list((tmp_path / f"n{id}" / "snapshots").iterdir())) == 1

    async def again(cluster: Cluster) -> None:
        await cluster.start_all()
        await eventually(lambda: all(cluster.ledger(id).values == values for id in cluster.voters))

    run(tmp_path, again, trailing_entries=4, trailing_bytes=4000)


def test_a_transfer_goes_on_where_a_broken_connection_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "LOG_BYTES", 20_000)
    monkeypatch.setattr("comitia.net.transfer.PIECE_BYTES", 1000)
    monkeypatch.setattr("comitia.net.transfer.WINDOW_BYTES", 2000)
    values = [b"%d " % number + bytes(900) for number in range(60)]

    async def scene(cluster: Cluster) -> None:
        cluster.segment_bytes = 16 << 10
        await cluster.start_all()
        leader = await cluster.leader()
        late = next(id for id in cluster.voters if id != leader.id)
        await cluster.stop(late)
        await cluster.propose(values)
        await eventually(lambda: leader.snapshot_slot > 30)
        host = await cluster.start(late)
        pieces: list[tuple[Any, int]] = []
        on_chunk = host.transfers._on_chunk

        def flaky(src: NodeId, chunk: Any) -> None:
            pieces.append((chunk.which, chunk.offset))
            if len(pieces) in (5, 9):
                host.links._inbound[src].close()
            else:
                on_chunk(src, chunk)

        monkeypatch.setattr(host.transfers, "_on_chunk", flaky)
        await eventually(lambda: cluster.ledger(late).values == values)
        first = pieces[0][0]
        assert (first, 0) not in pieces[5:], "it began again from nothing"
        assert len(pieces) > 9

    run(tmp_path, scene, trailing_entries=4, trailing_bytes=4000)


def test_a_member_with_a_full_disk_refuses_and_catches_up_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.storage.RETRY_S", 0.05)

    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        await cluster.propose([b"before"])
        leader = await cluster.leader()
        append = leader.storage.wal.append

        def no_room(items: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        leader.storage.wal.append = no_room  # type: ignore[method-assign]
        leader.request(Propose(b"unknown"))
        ledger = cluster.ledger(leader.id)
        await eventually(lambda: ledger.refusing is not None)
        assert "No space left" in str(ledger.refusing)
        leader.request(Propose(b"refused"))
        await eventually(lambda: len(ledger.refusals) == 1)
        full = cluster.hosts.pop(leader.id)
        await cluster.propose([b"meanwhile"])  # the others elect another leader
        cluster.hosts[full.id] = full
        leader.storage.wal.append = append  # type: ignore[method-assign]
        await eventually(lambda: ledger.refusing is None)
        await eventually(lambda: b"meanwhile" in ledger.values)
        assert b"refused" not in ledger.values

    run(tmp_path, scene)


def test_a_bug_in_a_step_stops_the_host_and_tells_who_serves(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        host = cluster.hosts[1]

        def buggy(src: NodeId, message: Message, out: Turn) -> None:
            raise AssertionError("a bug")

        host.node.on_message = buggy  # type: ignore[method-assign, assignment]
        with pytest.raises(AssertionError, match="a bug"):
            await asyncio.wait_for(host.failure, 10)
        assert isinstance(host.application, Ledger)

    run(tmp_path, scene)
