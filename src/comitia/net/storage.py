"""Where a host keeps what its node must not forget; the one seam that hides when the disk syncs.

`commit` takes the stable attributes as they are after a turn and calls back once they are on disk.
Where nine syncs of ten take under about a millisecond they happen inline; on slower disks in a
thread, with a window of turns in flight that share the next sync.  Call-backs come in order.

After a compaction the full state is written again, in parts of a few hundred kilobytes that ride
along with later turns, so that the segments before it can be forgotten and no turn waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from comitia.kernel import DecodeError
from comitia.kernel.log import Log
from comitia.kernel.stable import StableCodec, Values
from comitia.net.durations import Durations
from comitia.net.segment import (
    CHANGE,
    STATE_BEGIN,
    STATE_END,
    STATE_PART,
    STOP,
    Corrupt,
    Identity,
    Item,
)
from comitia.net.wal import SEGMENT_BYTES, Wal

WINDOW = 16
"""Turns in flight at most while a thread syncs."""
SLOW_SYNC_S, FAST_SYNC_S = 0.001, 0.0008
"""What nine syncs of ten stay below: above the first a thread does them, below the second the loop.

Not the median: it hardly tells a disk that is busy with a snapshot, where some take long, from one
that three nodes share, where a thread costs an eighth of the writes.
"""
RETRY_S = 0.5
"""How often a full disk is tried again."""
PART_BYTES = 256 << 10
"""About the size of one part of the full state."""
PART_PAUSE_S = 0.004
"""The time between two parts, so that the turns they ride with are not slowed."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Done = Callable[[], None]

log = structlog.get_logger("comitia.storage")


class Locked(Exception):
    """Another process uses the data directory."""


class Storage:
    """The stable attributes of one node, on disk."""

    def __init__(
        self,
        directory: Path,
        identity: Identity,
        codec: StableCodec,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Raises Locked; reads nothing yet."""
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(directory)
        self.wal = Wal(directory / "wal", identity, segment_bytes)
        self._codec = codec
        self._executor = ThreadPoolExecutor(1, "disk")
        self._spares = ThreadPoolExecutor(1, "spare segment")
        self._queue: deque[tuple[list[Item], Done]] = deque()
        self._syncing = 0  # how many of the queue's first the thread is making durable
        self._state: Iterator[bytes] | None = None
        self._state_segment = 0
        self._recovered = False
        self._part_due_s = 0.0
        self._spare_for = 0
        self._retrying: asyncio.TimerHandle | None = None
        self._p90_s = FAST_SYNC_S / 2
        self.values: Values | None = None
        """The stable attributes as of the newest commit."""
        self.slow = False
        """Whether a thread does the syncs."""
        self.full: str | None = None
        """Why the newest write failed for want of space; None while writes succeed."""
        self.low: str | None = None
        """Why no further segment can be made; None while there is room for one."""
        self.syncs = Durations()
        self.written_bytes = 0
        """What the log has grown by, starting from what was found on disk."""
        self.on_space: Callable[[], None] = lambda: None
        """Called when `full` or `low` changed."""
        self.on_failure: Callable[[BaseException], None] = _raise
        """Called when the disk failed for another reason than space: stop, do not try again."""

    def recover(self) -> Values | None:
        """Return what the last process left, None on a new disk.

        Raises what `Wal.recover` raises, and Corrupt when the records do not make up a state.
        """
        values: Values | None = None
        rebuilt: Values | None = None
        later: list[bytes] = []
        known = False
        for segment, items in self.wal.recover():
            known = known or self.wal.oldest == 1
            for kind, data in items:
                if kind == CHANGE and known:
                    values = self._applied(segment, values, data)
                elif kind == CHANGE:
                    later.append(data)
                elif known:
                    continue
                elif kind in (STATE_BEGIN, STATE_PART):
                    if kind == STATE_BEGIN:
                        rebuilt, later = None, []
                    rebuilt = self._applied(segment, rebuilt, data)
                elif kind == STATE_END:
                    known, values = True, rebuilt
                    for change in later:
                        values = self._applied(segment, values, change)
        if not known and self.wal.oldest > 1:
            path = self.wal.directory / f"{self.wal.oldest - 1:016x}.wal"
            raise Corrupt(path, 0, "the segment is missing and no later one holds the full state")
        self.values, self._recovered = values, True
        self.written_bytes = self.wal.used_bytes
        self._prepare_spare()
        return values

    def _applied(self, segment: int, values: Values | None, change: bytes) -> Values:
        try:
            return self._codec.apply(values, change)
        except DecodeError as error:
            raise Corrupt(self.wal.directory / f"{segment:016x}.wal", 0, str(error)) from error

    @property
    def busy(self) -> bool:
        """Whether as many turns are in flight as may be."""
        return self.full is not None or len(self._queue) >= WINDOW

    @property
    def in_flight(self) -> bool:
        """Whether call-backs are waiting for the disk."""
        return bool(self._queue)

    @property
    def rewriting(self) -> bool:
        """Whether the full state is being written again: call `commit` now and then."""
        return self._state is not None

    def commit(self, values: Values, done: Done) -> None:
        """Make `values` durable, then call `done`: before this returns, or later in the loop.

        `done` may not commit.
        """
        change = self._codec.difference(self.values, values)
        self.values = values
        items: list[Item] = [(CHANGE, change)] if change else []
        if self._state is not None and time.monotonic() >= self._part_due_s:
            self._part_due_s = time.monotonic() + PART_PAUSE_S
            items.append(self._next_part(self._state))
        if not self._queue and not items:
            done()
            return
        self._queue.append((items, done))
        if self._syncing or self.full:
            return
        if self.slow:
            self._sync_in_thread()
        else:
            self._sync_here()

    def rewrite(self) -> None:
        """Write the full state again, along with the next commits, then forget what is older."""
        assert self.values is not None
        if self._state is None:
            self._state = _parts(self._codec, self.values)
            self._queue.append(([(STATE_BEGIN, next(self._state))], lambda: None))

    def _next_part(self, state: Iterator[bytes]) -> Item:
        part = next(state, None)
        if part is None:
            self._state = None
            return STATE_END, b""
        return STATE_PART, part

    def _sync_here(self) -> None:
        count = len(self._queue)
        try:
            took_s = self._write(count)
        except OSError as error:
            self._refused(error)
        else:
            self._release(count, took_s)

    def _sync_in_thread(self) -> None:
        self._syncing = len(self._queue)
        loop = asyncio.get_running_loop()
        writing = self._executor.submit(self._write, self._syncing)
        writing.add_done_callback(lambda _: loop.call_soon_threadsafe(self._synced, writing))

    def _synced(self, writing: Future[float]) -> None:
        count, self._syncing = self._syncing, 0
        error = writing.exception()
        if error is None:
            self._release(count, writing.result())
            if self._queue and not self._syncing:
                self._sync_in_thread()
        else:
            self._refused(error)

    def _write(self, count: int) -> float:
        """Make the first `count` of the queue durable as one frame; return how long it took."""
        items = [item for i in range(count) for item in self._queue[i][0]]
        before = time.perf_counter()
        self.written_bytes += self.wal.append(items)
        took_s = time.perf_counter() - before
        for kind, _ in items:
            if kind == STATE_BEGIN:
                self._state_segment = self.wal.segment
            elif kind == STATE_END:
                self.wal.forget_before(self._state_segment)
        return took_s

    def _release(self, count: int, took_s: float) -> None:
        self.syncs.add(took_s)
        self._p90_s *= 1.045 if took_s > self._p90_s else 0.995  # rests where one in ten is longer
        if self.slow != (self._p90_s > (FAST_SYNC_S if self.slow else SLOW_SYNC_S)):
            self.slow = not self.slow
            sys.setswitchinterval(0.0005 if self.slow else 0.005)
        if self.full is not None:
            self.full = None
            self.on_space()
        if self._spare_for != self.wal.segment:
            self._prepare_spare()
        for _ in range(count):
            self._queue.popleft()[1]()

    def _refused(self, error: BaseException) -> None:
        if not isinstance(error, OSError) or error.errno not in NO_SPACE:
            self.on_failure(error)
            return
        if self.full is None:
            self.full = f"{self.wal.directory}: {error.strerror}"
            self.on_space()
        self._retry_later()

    def _retry_later(self) -> None:
        if self._retrying is None:
            self._retrying = asyncio.get_running_loop().call_later(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._retrying = None
        if self.low:
            self._prepare_spare()
        if self.full and not self._syncing:
            self._sync_here()

    def _prepare_spare(self) -> None:
        self._spare_for = self.wal.segment
        loop = asyncio.get_running_loop()
        preparing = self._spares.submit(self.wal.prepare)
        preparing.add_done_callback(
            lambda _: loop.call_soon_threadsafe(self._prepared, preparing.exception())
        )

    def _prepared(self, error: BaseException | None) -> None:
        low: str | None = None
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            low = f"{self.wal.directory}: {error.strerror}"
            self._retry_later()
        elif error is not None:
            self.on_failure(error)
            return
        if low != self.low:
            self.low = low
            self.on_space()

    def close(self) -> None:
        """Stop cleanly; what was not durable yet was not acknowledged either."""
        if self._retrying is not None:
            self._retrying.cancel()
        self._executor.shutdown()
        self._spares.shutdown()
        if not self._queue and self.full is None and self._recovered:
            try:
                self.wal.append([(STOP, b"")])
            except OSError as error:  # then the next start takes this for a crash, no more
                log.warning("the end is not marked", error=str(error))
        self.wal.close()
        os.close(self._lock)


def _parts(codec: StableCodec, values: Values) -> Iterator[bytes]:
    """Cut the difference between nothing and `values` into pieces of about PART_BYTES."""
    state = tuple(v.cut_after(v.first - 1) if isinstance(v, Log) else v for v in values)
    yield codec.difference(None, state)
    for index, log in enumerate(values):
        if not isinstance(log, Log):
            continue
        count = 1
        while state[index].last < log.last:
            longer = log.cut_after(min(log.last, state[index].last + count))
            following = (*state[:index], longer, *state[index + 1 :])
            part = codec.difference(state, following)
            count = max(1, count * 2 if len(part) < PART_BYTES // 2 else count)
            count = max(1, count // 2 if len(part) > PART_BYTES else count)
            state = following
            yield part


def _lock(directory: Path) -> int:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise Locked(f"{directory} is in use by process {owner}; stop it first") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _raise(error: BaseException) -> None:
    raise error
