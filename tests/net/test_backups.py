"""A backup shows one moment, and is believed only when every byte of it is as it was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from net_cluster import Cluster, Ledger, eventually

from comitia.cli import main
from comitia.cli._backups import Held, read_back
from comitia.kernel import Compact, View
from comitia.machines.redis import Redis
from comitia.machines.sessions import Batch, encode_batch
from comitia.net import compaction
from comitia.net.backups import Backup, BackupError, stream
from comitia.net.compaction import Busy, Compaction
from comitia.net.segment import Identity
from comitia.protocols.raft import PROTOCOL
from comitia.serve.service import Service


class Copied:
    """As much of a host as a backup looks at, with a small database."""

    def __init__(self, directory: Path, keys: int = 3) -> None:
        commands = [[b"SET", b"k%d" % number, b"v%d" % number] for number in range(keys)]
        self.application = Service(Redis())
        self.application.apply(5, encode_batch(Batch(1, 1, 1, 1, 1000, commands)))
        self.applied, self.snapshot_slot, self.id, self.protocol = 5, 0, 1, PROTOCOL
        self.links = SimpleNamespace(identity=Identity("old", 1, "raft", 1))
        self.view = View("leader", 2, 1, 5, 5, (1, 2, 3))
        self.storage, self.node = SimpleNamespace(written_bytes=0), PROTOCOL.make(1, (1, 2, 3))
        self.compaction = Compaction(self, directory)  # type: ignore[arg-type]

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def stream(self) -> AsyncGenerator[bytes]:
        return stream(self)  # type: ignore[arg-type]

    async def all(self) -> bytes:
        return b"".join([piece async for piece in self.stream()])


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "a.backup"
    path.write_bytes(asyncio.run(Copied(tmp_path).all()))
    with Backup(path, sealed=False) as copy:
        read_back(copy)
    return path


def dry_run(path: Path, code: int) -> str:
    result = CliRunner().invoke(main, ["restore", "--dry-run", str(path)])
    assert result.exit_code == code, result.output
    return result.output


def reading(path: Path) -> Held:
    with Backup(path) as backup:
        return read_back(backup)


def test_a_backup_tells_what_it_holds(sealed: Path) -> None:
    held = reading(sealed)
    assert (held.cluster, held.protocol, held.slot, held.keys) == ("old", "raft", 5, 3)
    assert held.taken == "2023-11-14T22:13:20+00:00"
    assert held.digest == Copied(sealed.parent).application.digest().hex()
    said = dry_run(sealed, code=0)
    assert "3 keys" in said
    assert "cluster old (raft, voters n1, n2, n3), after slot 5" in said


def test_one_flipped_bit_anywhere_is_found_and_named(sealed: Path) -> None:
    sound = sealed.read_bytes()
    for place in range(len(sound)):
        sealed.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        with pytest.raises((BackupError, click.ClickException), match=str(sealed.name)):
            reading(sealed)
    sealed.write_bytes(sound)
    assert reading(sealed).keys == 3


def test_a_backup_cut_off_anywhere_is_refused(sealed: Path) -> None:
    sound = sealed.read_bytes()
    for length in range(len(sound)):
        sealed.write_bytes(sound[:length])
        with pytest.raises((BackupError, click.ClickException)):
            reading(sealed)
    assert "end is lost" in dry_run(sealed, code=1)


def test_what_follows_the_end_is_refused(sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes() + b"x")
    assert "1 bytes too many at its end" in dry_run(sealed, code=1)


def test_a_copy_that_was_never_sealed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half"
    path.write_bytes(asyncio.run(Copied(tmp_path).all()))
    assert "no seal at its end: it was not completed" in dry_run(path, code=1)


def test_another_version_and_another_kind_of_file_are_told_apart(sealed: Path) -> None:
    sound = sealed.read_bytes()
    sealed.write_bytes(sound[:7] + b"\x02" + sound[8:])
    assert "of format 2, and this version reads 1" in dry_run(sealed, code=1)
    sealed.write_bytes(b"PK\x03\x04 a zip file, say")
    assert "offset 0: not a backup" in dry_run(sealed, code=1)
    sealed.write_bytes(b"")
    assert "offset 0: not a backup" in dry_run(sealed, code=1)
    assert "No such file" in dry_run(sealed.with_name("nowhere"), code=1)
    assert "Is a directory" in dry_run(sealed.parent, code=1)


def test_a_state_that_differs_from_what_was_sealed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(asyncio.run(Copied(tmp_path).all()))
    with Backup(path, sealed=False) as backup:
        assert list(backup.chunks())
        backup.close_with(bytes(32))
    assert "not the digest of the state" in dry_run(path, code=1)


def another(directory: Path) -> bytes:
    path = directory / "another"
    path.write_bytes(asyncio.run(Copied(directory, keys=4).all()))
    with Backup(path, sealed=False) as copy:
        read_back(copy)
    return path.read_bytes()


def test_what_takes_the_place_of_a_backup_that_was_checked_is_not_looked_at(sealed: Path) -> None:
    with Backup(sealed) as backup:
        checked = list(backup.chunks())
        other = sealed.with_name("other")
        other.write_bytes(another(sealed.parent))
        other.rename(sealed)
        one, two = backup.chunks(), backup.chunks()  # as the hosts of a new cluster read it
        assert [*zip(one, two, strict=True)] == [*zip(checked, checked, strict=True)]
    assert reading(sealed).keys == 4


def test_what_is_written_over_a_backup_that_was_checked_is_refused(sealed: Path) -> None:
    with Backup(sealed) as backup:
        read_back(backup)
        sealed.write_bytes(another(sealed.parent))  # as sound as it was
        with pytest.raises(BackupError, match="written over since it was checked"):
            list(backup.chunks())
        sealed.write_bytes(b"")
        with pytest.raises(BackupError, match="not a backup"):
            list(backup.chunks())


def test_a_copy_shows_the_moment_it_began_while_the_machine_goes_on(tmp_path: Path) -> None:
    host = Copied(tmp_path, keys=200)
    digest = host.application.digest()

    async def scene() -> bytes:
        pieces, sequence = [], 1
        async for piece in host.stream():
            pieces.append(piece)
            sequence += 1
            change = [[b"SET", b"k%d" % (sequence % 200), b"new"]]
            host.application.apply(4 + sequence, encode_batch(Batch(1, 1, sequence, 1, 0, change)))
            host.applied = 4 + sequence
        assert sequence > 100
        return b"".join(pieces)

    path = tmp_path / "moment"
    path.write_bytes(asyncio.run(scene()))
    with Backup(path, sealed=False) as backup:
        held = read_back(backup)
    assert (held.slot, held.keys, held.digest) == (5, 200, digest.hex())
    assert host.application.digest() != digest


def test_a_node_shows_its_state_to_one_at_a_time_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Copied(tmp_path)

    async def scene() -> None:
        async with aclosing(host.stream()) as slow:
            await anext(slow)
            with pytest.raises(Busy, match="another copy"):
                await host.all()
        assert await host.all()  # whoever went away is not waited for
        async with aclosing(host.stream()) as slow:
            await anext(slow)
            monkeypatch.setattr(compaction, "STALLED_S", 0.0)
            assert await host.all()
            with pytest.raises(Busy, match="not read in time"):
                [piece async for piece in slow]

    asyncio.run(scene())


def test_a_snapshot_that_finds_no_room_does_not_stand_in_the_way_of_a_copy(tmp_path: Path) -> None:
    host = Copied(tmp_path)
    host.storage.written_bytes = compaction.LOG_BYTES
    (tmp_path / f"{host.applied:016x}.writing").mkdir()  # nothing can be written there

    async def scene() -> None:
        host.compaction.consider()
        assert host.compaction.running
        await eventually(lambda: not host.compaction.running)
        assert host.compaction.taken == 0
        host.compaction.consider()
        assert not host.compaction.running, "the next try has time"
        assert await host.all()

    asyncio.run(scene())


def run(directory: Path, scene: Any, **options: Any) -> None:
    cluster = Cluster(directory, **options)

    async def main() -> None:
        try:
            await scene(cluster)
        finally:
            await cluster.stop_all()

    asyncio.run(main())


def test_a_member_that_reaches_no_quorum_does_not_say_that_it_has_caught_up(
    tmp_path: Path,
) -> None:
    async def scene(cluster: Cluster) -> None:
        await cluster.start_all()
        await cluster.propose([b"a"])
        follower = next(h for h in cluster.hosts.values() if h.view.leader != h.id)
        await follower.operations.catch_up()
        ledger = follower.application
        assert isinstance(ledger, Ledger)
        assert ledger.values == [b"a"]
        assert not ledger.answers, "it was asked by the host, not by the application"
        for id in [id for id in cluster.hosts if id != follower.id]:
            await cluster.stop(id)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(follower.operations.catch_up(), 0.5)

    run(tmp_path, scene)


def test_a_log_without_its_tail_brings_others_up_by_the_snapshot_alone(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        for id in (1, 2):
            await cluster.start(id)
        await cluster.propose([b"a", b"b"])
        leader = await cluster.leader()
        ledger = cluster.ledger(leader.id)
        ledger.values = [b"given"]  # as if it had not come about by the log
        writer = compaction.SnapshotWriter(tmp_path / f"n{leader.id}" / "snapshots", leader.applied)
        writer.add(b"given")
        writer.finish()
        leader.request(Compact(leader.applied, trailing=False))
        await eventually(lambda: leader.snapshot_slot > 0)
        await cluster.start(3)
        await eventually(lambda: cluster.ledger(3).values == [b"given"])

    run(tmp_path, scene)
