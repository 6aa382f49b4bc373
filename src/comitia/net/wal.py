"""The write-ahead log: segments in a directory; append a frame, sync, roll, forget the oldest.

A segment is made whole before it counts: zeroed to its full size (so that a sync has no metadata
to write), given its header, synced, renamed, and the directory synced.  A file that is shorter
than its header says has lost its end and is refused.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from comitia.net.segment import (
    FIRST,
    FORMAT,
    Corrupt,
    Framing,
    Header,
    Identity,
    Item,
    encode_header,
    read_frames,
    read_header,
)

SEGMENT_BYTES = 32 << 20
_ZEROS = bytes(1 << 20)
_NAME = re.compile(r"([0-9a-f]{16})\.wal")
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Wal:
    """The log of one node.  Not thread-safe, but `prepare` may run in a thread beside the rest."""

    def __init__(
        self, directory: Path, identity: Identity, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        assert segment_bytes > FIRST
        self.directory = directory
        self._identity, self._segment_bytes = identity, segment_bytes
        self._fd = -1
        self._framing = Framing(identity, 0)
        self._size = self.end = self.segment = 0
        self.oldest = 1
        self.torn = False
        """Whether `recover` dropped a frame that a crash had cut short."""
        self._preparing = threading.Lock()
        self._stale: list[Path] = []

    def recover(self) -> Iterator[tuple[int, tuple[Item, ...]]]:
        """Yield every frame on disk with its segment's id; afterwards the log takes appends.

        Segments before a gap are passed over: they were being forgotten when a crash came.

        Exhaust it.  Raises Corrupt for anything but a torn last frame, and
        ValueError when the log belongs to another node.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        for spare in self.directory.glob("spare*"):
            spare.unlink()
        ids = sorted(
            int(match[1], 16) for p in self.directory.iterdir() if (match := _NAME.match(p.name))
        )
        if not ids:
            self._begin(1, self._segment_bytes, previous_end=0)
            # The directories may be new as well: without them the log would be gone.
            sync_directory(self.directory.parent)
            sync_directory(self.directory.parent.parent)
            return
        first = next(id for id in reversed(ids) if id - 1 not in ids)
        self._stale = [self._path(id) for id in ids if id < first]
        ids = ids[ids.index(first) :]
        self.oldest = first
        headers = [self._checked_header(id) for id in ids]
        ends = [header.previous_end for header in headers[1:]] + [None]
        end, data = FIRST, b""
        for id, limit in zip(ids, ends, strict=True):
            data, end = self._path(id).read_bytes(), FIRST
            for items, end in read_frames(  # noqa: B007  (the last one's end is used below)
                self._path(id), data, Framing(self._identity, id), limit
            ):
                yield id, items
        self.torn = Framing(self._identity, ids[-1]).starts(data, end)
        self._open(ids[-1], end, len(data))

    def _checked_header(self, id: int) -> Header:
        path = self._path(id)
        with path.open("rb") as file:
            header = read_header(path, file.read(FIRST), path.stat().st_size)
        if header.identity != self._identity:
            raise ValueError(
                f"{path} belongs to {_name(header.identity)}, not to {_name(self._identity)}"
            )
        if header.segment != id:
            raise Corrupt(path, 0, f"this is segment {header.segment} under another name")
        return header

    def _path(self, id: int) -> Path:
        return self.directory / f"{id:016x}.wal"

    def _open(self, id: int, end: int, size: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(self._path(id), os.O_RDWR | os.O_CLOEXEC)
        # What a killed process wrote may be in memory only: it must not be acted on before it is
        # as durable as it looks.
        os.fsync(self._fd)
        self._framing = Framing(self._identity, id)
        self.segment, self.end, self._size = id, end, size

    @property
    def spare(self) -> Path:
        """Where `prepare` leaves the next segment."""
        return self.directory / "spare"

    def prepare(self) -> None:
        """Make the next segment's file ready, zeroed and synced.  Raises OSError: a full disk."""
        with self._preparing:
            if not self.spare.exists():
                making = self.directory / "spare.making"
                _zeroed(making, self._segment_bytes)
                making.rename(self.spare)

    def _begin(self, id: int, size: int, previous_end: int) -> None:
        making = self.spare
        if size == self._segment_bytes:
            self.prepare()
        else:
            making = self.directory / "spare.large"
            _zeroed(making, size)
        header = Header(FORMAT, self._identity, id, size, previous_end)
        fd = os.open(making, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(fd, encode_header(header), 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        making.rename(self._path(id))
        sync_directory(self.directory)
        self._open(id, FIRST, size)

    def roll(self, room: int = 0) -> None:
        """Go on in a new segment with place for at least a frame of `room` bytes."""
        size = max(self._segment_bytes, FIRST + room)
        self._begin(self.segment + 1, size, previous_end=self.end)

    def append(self, items: list[Item]) -> int:
        """Make `items` durable as one frame; return its bytes.

        Raises OSError.  After a full disk (`ENOSPC`) the same call may be repeated: the frame is
        written again at the same place.
        """
        frame = self._framing.frame(items, self.end)
        if self.end + len(frame) > self._size:
            self.roll(len(frame))
            frame = self._framing.frame(items, self.end)
        written = 0
        while written < len(frame):
            written += os.pwrite(self._fd, frame[written:], self.end + written)
        _sync(self._fd)
        self.end += len(frame)
        return len(frame)

    def forget_before(self, segment: int) -> None:
        """Drop the segments before `segment`, oldest first; one is kept to be written again."""
        while self.oldest < min(segment, self.segment):
            path = self._path(self.oldest)
            if not self.spare.exists() and path.stat().st_size == self._segment_bytes:
                path.rename(self.spare)
            else:
                path.unlink()
            self.oldest += 1
        while self._stale:
            self._stale.pop().unlink(missing_ok=True)

    @property
    def used_bytes(self) -> int:
        """About the bytes of all frames that are kept."""
        return (self.segment - self.oldest) * self._segment_bytes + self.end

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def identity_in(directory: Path) -> Identity | None:
    """Return whose log is in `directory`, None when it holds none.  Raises Corrupt, OSError."""
    for path in sorted(directory.glob("*.wal")):
        with path.open("rb") as file:
            return read_header(path, file.read(FIRST), path.stat().st_size).identity
    return None


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed and removed in `directory` durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _zeroed(path: Path, size: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        for offset in range(0, size, len(_ZEROS)):
            piece = memoryview(_ZEROS)[: size - offset]
            while piece:
                piece = piece[os.write(fd, piece) :]
            os.fsync(fd)  # in small steps, so that the log's own syncs never wait for all of it
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _name(identity: Identity) -> str:
    return (
        f"node {identity.node} of cluster {identity.cluster!r} "
        f"({identity.protocol} v{identity.version})"
    )
