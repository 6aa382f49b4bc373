"""Storage: commits come back, in order, whoever syncs; a full disk loses nothing."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import random
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import pytest

from comitia.kernel import Log, Node
from comitia.kernel.stable import StableCodec, Values
from comitia.net.segment import Corrupt, Identity
from comitia.net.storage import WINDOW, Locked, Storage


class Keeper(Node):
    stable: ClassVar[tuple[str, ...]] = ("term", "log")
    term: int
    log: Log[bytes]


CODEC = StableCodec(Keeper)
WHO = Identity("demo", 1, "keeper", 1)


def opened(directory: Path, size: int = 8192) -> Storage:
    return Storage(directory, WHO, CODEC, size)


def recovered(directory: Path) -> Values | None:
    async def read() -> Values | None:
        storage = opened(directory)
        values = storage.recover()
        storage.close()
        return values

    return asyncio.run(read())


async def settled(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


def grown(values: Values, rng: random.Random) -> Values:
    term, log = values
    log = log.cut_after(rng.randint(max(log.first - 1, log.last - 2), log.last))
    return term + rng.randint(0, 1), log.append([rng.randbytes(rng.randint(0, 90))])


@pytest.mark.parametrize("slow", [False, True])
def test_what_was_committed_comes_back_and_call_backs_come_in_order(
    tmp_path: Path, slow: bool
) -> None:
    rng = random.Random(4)
    values: Values = (0, Log[bytes]())

    async def life() -> None:
        nonlocal values
        storage = opened(tmp_path)
        assert storage.recover() in (None, values)
        storage.slow, storage._p90_s = slow, 1.0 if slow else 0.0001
        called: list[int] = []
        for number in range(40):
            values = grown(values, rng)
            storage.commit(values, lambda number=number: called.append(number))
            if number % 5 == 0:
                await asyncio.sleep(0)
        await settled(lambda: len(called) == 40)
        assert called == list(range(40))
        storage.close()

    for _ in range(3):
        asyncio.run(life())
        assert recovered(tmp_path) == values


def test_turns_in_flight_share_a_sync_and_are_bounded(tmp_path: Path) -> None:
    async def life() -> None:
        storage = opened(tmp_path)
        storage.recover()
        storage.slow, storage._p90_s = True, 1.0
        done: list[int] = []
        for number in range(WINDOW):
            assert not storage.busy
            storage.commit((number, Log[bytes]()), lambda number=number: done.append(number))
        assert storage.busy
        assert not done
        await settled(lambda: len(done) == WINDOW)
        assert storage.syncs.count == 2  # the first alone, the rest together
        storage.close()

    asyncio.run(life())


def test_nothing_changed_needs_no_sync_but_waits_for_those_before_it(tmp_path: Path) -> None:
    async def life() -> None:
        storage = opened(tmp_path)
        storage.recover()
        storage.slow, storage._p90_s = True, 1.0
        done: list[str] = []
        values = (1, Log[bytes]())
        storage.commit(values, lambda: done.append("written"))
        storage.commit(values, lambda: done.append("unchanged"))
        assert done == []
        await settled(lambda: len(done) == 2)
        assert done == ["written", "unchanged"]
        syncs = storage.syncs.count
        storage.commit(values, lambda: done.append("idle"))
        assert done[-1] == "idle"
        assert storage.syncs.count == syncs
        storage.close()

    asyncio.run(life())


def test_a_thread_syncs_while_the_disk_is_slow_and_the_loop_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def life() -> None:
        storage = opened(tmp_path)
        storage.recover()
        write, number, disk = storage._write, 0, cycle([0.0])

        def pretended(count: int) -> float:
            write(count)
            return next(disk)

        monkeypatch.setattr(storage, "_write", pretended)
        for syncs_s, slow in (
            ([0.0009], False),
            ([0.0004] * 24 + [0.01], False),
            ([0.0004] * 4 + [0.01], True),  # as beside a snapshot; the median is the same
            ([0.0009], True),
            ([0.0004], False),
        ):
            disk = cycle(syncs_s)
            for _ in range(600):
                number += 1
                storage.commit((number, Log[bytes]()), lambda: None)
                await settled(lambda: not storage.in_flight)
            assert storage.slow is slow, syncs_s
        storage.close()

    asyncio.run(life())


@pytest.mark.parametrize("crash_after", [0, 1, 3, 7, 12, 40])
def test_rewriting_the_state_frees_segments_and_survives_a_crash_at_any_moment(
    tmp_path: Path, crash_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.storage.PART_BYTES", 300)
    monkeypatch.setattr("comitia.net.storage.PART_PAUSE_S", 0)
    monkeypatch.setattr("comitia.net.storage.SLOW_SYNC_S", 10)  # all inline, on a busy disk too
    values: Values = (1, Log([b"x" * 100] * 60))

    async def life() -> None:
        nonlocal values
        storage = opened(tmp_path)
        storage.recover()
        for _ in range(10):  # several segments
            values = (values[0] + 1, values[1].append([b"y" * 1000]))
            storage.commit(values, lambda: None)
        before = storage.wal.segment
        values = (values[0], values[1].cut_before(50))
        storage.commit(values, lambda: None)
        storage.rewrite()
        for _ in range(crash_after):
            values = (values[0] + 1, values[1].append([b"z"]))
            storage.commit(values, lambda: None)
        if crash_after == 40:
            assert not storage.rewriting
            assert storage.wal.oldest >= before
        if crash_after == 12:  # a second rewriting after a crash within the first
            storage.rewrite()
            storage.commit(values, lambda: None)
        storage.close()

    for _ in range(2):
        asyncio.run(life())
        assert recovered(tmp_path) == values


def test_a_missing_segment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comitia.net.storage.SLOW_SYNC_S", 10)

    async def life() -> None:
        storage = opened(tmp_path)
        storage.recover()
        for number in range(10):
            storage.commit((number, Log([bytes(1000)] * number)), lambda: None)
        storage.close()

    asyncio.run(life())
    (tmp_path / "wal" / f"{2:016x}.wal").unlink()
    with pytest.raises(Corrupt, match="missing"):
        recovered(tmp_path)


def test_two_processes_cannot_share_a_data_directory(tmp_path: Path) -> None:
    async def life() -> None:
        first = opened(tmp_path)
        first.recover()
        with pytest.raises(Locked, match="in use by process"):
            opened(tmp_path)
        first.close()
        opened(tmp_path).close()

    asyncio.run(life())


@pytest.mark.parametrize("slow", [False, True])
def test_a_full_disk_holds_back_call_backs_and_goes_on_when_space_returns(
    tmp_path: Path, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.storage.RETRY_S", 0.01)
    space = 100_000

    def pwrite(write: Any, fd: int, data: bytes, offset: int) -> int:
        nonlocal space
        data = data[:space]
        if not data:
            raise OSError(errno.ENOSPC, "No space left on device")
        space -= len(data)
        return int(write(fd, data, offset))

    true_pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *args: pwrite(true_pwrite, *args))

    async def life() -> Values:
        nonlocal space
        storage = opened(tmp_path)
        storage.recover()
        storage.slow, storage._p90_s = slow, 1.0 if slow else 0.0001
        told: list[str | None] = []
        storage.on_space = lambda: told.append(storage.full)
        done: list[int] = []
        values: Values = (0, Log[bytes]())
        for number in itertools.count():
            if storage.full:
                break
            values = (number, values[1].append([bytes(900)]))
            storage.commit(values, lambda number=number: done.append(number))
            await settled(lambda number=number: number in done or storage.full is not None)
        acknowledged = len(done)
        assert "No space left" in str(storage.full)
        assert storage.busy
        await asyncio.sleep(0.05)
        assert len(done) == acknowledged
        space = 1 << 30
        await settled(lambda: storage.full is None)
        assert len(done) > acknowledged
        assert told[-1] is None
        storage.close()
        return values

    expected = asyncio.run(life())
    assert recovered(tmp_path) == expected


def test_no_room_for_a_next_segment_is_told_while_this_one_still_takes_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.storage.RETRY_S", 0.01)

    async def life() -> None:
        storage = opened(tmp_path)
        prepare = storage.wal.prepare
        storage.recover()
        await settled(lambda: storage.wal.spare.exists())

        def no_room() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(storage.wal, "prepare", no_room)
        storage._prepare_spare()
        await settled(lambda: storage.low is not None)
        done: list[bool] = []
        storage.commit((1, Log[bytes]()), lambda: done.append(True))
        assert done == [True]
        monkeypatch.setattr(storage.wal, "prepare", prepare)
        await settled(lambda: storage.low is None)
        storage.close()

    asyncio.run(life())


def test_a_failing_disk_stops_the_node_instead_of_being_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync the kernel may have dropped the pages: what they held is unknown."""

    async def life() -> None:
        storage = opened(tmp_path)
        storage.recover()
        failed: list[OSError] = []
        storage.on_failure = failed.append

        def broken(fd: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("comitia.net.wal._sync", broken)
        done: list[bool] = []
        storage.commit((1, Log[bytes]()), lambda: done.append(True))
        assert [error.errno for error in failed] == [errno.EIO]
        assert not done
        storage.close()

    asyncio.run(life())
