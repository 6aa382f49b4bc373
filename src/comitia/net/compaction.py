"""When and how the log is shortened: snapshots taken a little at a time, beside the load.

The application's state is asked for one chunk at a time, with pauses in between that are longer
than the work, and synced in a thread, so that no turn waits for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from comitia.kernel import Compact, Replica, Slot
from comitia.net import snapshots
from comitia.net.snapshots import SnapshotWriter

if TYPE_CHECKING:
    from comitia.net.host import Host

LOG_BYTES = 64 << 20
"""The log is shortened when it has grown by this much, or by the size of the last snapshot."""
PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.1
IDLE_SHARE = 3
"""The pause after a chunk, in times of the work it took."""
SYNC_BYTES = 4 << 20
RETRY_S = 10.0
STALLED_S = 30.0
"""A copy of the state that waits for its reader this long gives way to the node's own snapshot."""
REWRITE_S = 0.005

log = structlog.get_logger("comitia.snapshots")


class Busy(Exception):
    """Another snapshot is under way, or this one took too long; the text says which."""


async def paced(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield `chunks`, with pauses that leave most of the loop's time to clients."""
    while True:
        before_s = time.monotonic()
        chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk
        took_s = time.monotonic() - before_s
        await asyncio.sleep(min(max(PAUSE_S, IDLE_SHARE * took_s), LONGEST_PAUSE_S))


class Copying:
    """A copy of the state that somebody is taking."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.progress_s = time.monotonic()

    @property
    def stalled(self) -> bool:
        """Whether it has had its time, so that a snapshot may be taken instead."""
        return time.monotonic() - self.progress_s > STALLED_S


class Compaction:
    """Takes snapshots of a host's application, one after the other."""

    def __init__(self, host: Host, directory: Path) -> None:
        self._host, self._directory = host, directory
        self._due_bytes = LOG_BYTES
        self._task: asyncio.Task[None] | None = None
        self._rewriting: asyncio.Task[None] | None = None
        self._copying: Copying | None = None
        self._not_before_s = 0.0  # after one that failed; meanwhile others may copy the state
        self.taken = 0
        self.last_s = 0.0

    @property
    def running(self) -> bool:
        """Whether a snapshot is being taken."""
        return self._task is not None

    def consider(self) -> None:
        """Begin a snapshot if the log has grown enough; called every turn."""
        host = self._host
        if host.storage.written_bytes < self._due_bytes or self._busy:
            return
        if not isinstance(host.node, Replica):
            # Nothing to take a snapshot of: the node's own state, written again, is all there is.
            self._due_bytes = host.storage.written_bytes + 2 * LOG_BYTES
            self._again()
        elif host.applied > host.snapshot_slot and time.monotonic() >= self._not_before_s:
            self.begin()

    def begin(self) -> None:
        """Begin a snapshot of the state as it is now."""
        assert self._task is None
        self._copying = None
        self._task = asyncio.create_task(self._take())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._host.fail(error)

    async def _take(self) -> None:
        host, began_s = self._host, time.monotonic()
        slot, mark = host.applied, host.storage.written_bytes
        try:
            writer = await self._write(slot)
        except OSError as error:
            log.error("snapshot not taken", slot=slot, error=str(error))
            self._not_before_s = time.monotonic() + RETRY_S
        else:
            self.taken += 1
            self.last_s = time.monotonic() - began_s
            # Not all members at the same moment.
            self._due_bytes = mark + int(max(LOG_BYTES, writer.size) * random.uniform(1, 1.5))
            log.info("snapshot", slot=slot, bytes=writer.size, seconds=round(self.last_s, 3))
            host.request(Compact(slot))

    @property
    def _busy(self) -> bool:
        """Whether the application is showing its state to somebody: it can to one at a time."""
        copying = self._copying
        return self._task is not None or (copying is not None and not copying.stalled)

    async def copy(self) -> AsyncGenerator[tuple[Slot, bytes]]:
        """Yield the application's state as it is now, and after which slot, for somebody else.

        Raises Busy, also half-way: when whoever reads takes too long.
        """
        if self._busy:
            raise Busy("another copy or snapshot is being taken on this node")
        copying = self._copying = Copying(self._host.applied)
        try:
            async for chunk in paced(self._host.application.snapshot()):
                yield copying.slot, chunk
                if self._copying is not copying:
                    raise Busy("the copy was not read in time")
                copying.progress_s = time.monotonic()
        finally:
            if self._copying is copying:
                self._copying = None

    async def _write(self, slot: Slot) -> SnapshotWriter:
        chunks = self._host.application.snapshot()
        writer = SnapshotWriter(self._directory, slot)
        synced = 0
        try:
            async for chunk in paced(chunks):
                writer.add(chunk)
                if writer.size - synced > SYNC_BYTES:
                    synced = writer.size
                    await asyncio.to_thread(writer.sync)
            await asyncio.to_thread(writer.finish)
        except BaseException:
            writer.abandon()
            raise
        return writer

    def done(self, slot: Slot) -> None:
        """The node's log starts from the snapshot of `slot`, durably: what is older may go."""
        snapshots.forget_before(self._directory, slot)
        self._again()

    def _again(self) -> None:
        self._host.storage.rewrite()
        if self._rewriting is None:
            self._rewriting = asyncio.create_task(self._rewrite())

    async def _rewrite(self) -> None:
        try:
            while self._host.storage.rewriting:
                self._host.wake()
                await asyncio.sleep(REWRITE_S)
        finally:
            self._rewriting = None

    def abandon(self) -> None:
        """Forget the snapshot being taken: the state it began with has been replaced."""
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Stop."""
        self.abandon()
        if self._rewriting is not None:
            self._rewriting.cancel()
