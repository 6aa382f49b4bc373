"""Snapshot files: the machine's state after a slot, in checksummed chunks, whole or not there.

    magic, then for each chunk: length, CRC32C, bytes; at the end: 0, CRC32C

Every checksum goes on from the one before, so the last vouches for the order and number of all,
and (slot, size, last checksum) tells one snapshot from another when a transfer is resumed.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from comitia.kernel import Slot
from comitia.kernel.message import Record
from comitia.net.wal import sync_directory

MAGIC = b"CSNAP\x00\x00\x01"
CHUNK_LIMIT = 1 << 30
_HEAD = struct.Struct("<II")
_NAME = re.compile(r"([0-9a-f]{16})\.snapshot")


class SnapshotError(Exception):
    """A snapshot file is missing or damaged; the text names it and says where."""


class Identification(Record):
    """Which snapshot this is; equal ones hold the same bytes."""

    slot: Slot
    size: int
    crc: int


class SnapshotWriter:
    """Writes one snapshot; it counts once `finish` has returned."""

    def __init__(self, directory: Path, slot: Slot) -> None:
        """Raises OSError."""
        self._directory, self.slot = directory, slot
        self._path = directory / f"{slot:016x}.writing"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self._crc = google_crc32c.value(MAGIC)
        self.size = 0
        self._write(MAGIC)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self.size += len(data)

    def add(self, chunk: bytes) -> None:
        """Append `chunk`.  Raises OSError."""
        assert 0 < len(chunk) <= CHUNK_LIMIT
        data, self._crc = framed(chunk, self._crc)
        self._write(data)

    def sync(self) -> None:
        """Wait for the disk, so that `finish` has little left to wait for.  Raises OSError."""
        os.fsync(self._fd)

    def finish(self) -> None:
        """Make the snapshot durable under its name.  Raises OSError."""
        self._write(framed(b"", self._crc)[0])
        os.fsync(self._fd)
        self._close()
        self._path.rename(snapshot_path(self._directory, self.slot))
        sync_directory(self._directory)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1  # its number may soon be another file's
        if fd >= 0:
            os.close(fd)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._close()
        self._path.unlink(missing_ok=True)


def snapshot_path(directory: Path, slot: Slot) -> Path:
    """Return where the snapshot of `slot` is kept."""
    return directory / f"{slot:016x}.snapshot"


def framed(chunk: bytes, crc: int) -> tuple[bytes, int]:
    """Return `chunk` as it follows what `crc` vouches for, and the checksum of it all."""
    crc = google_crc32c.extend(crc, chunk)
    return _HEAD.pack(len(chunk), crc) + chunk, crc


class Frames:
    """What is left of an open file, frame by frame, each checked as it is read."""

    def __init__(self, file: BinaryIO, path: Path, crc: int) -> None:
        """`crc` vouches for what was read before."""
        self._file, self._path, self.crc = file, path, crc
        self.left = os.fstat(file.fileno()).st_size - file.tell()

    def next(self) -> bytes:
        """Return the next frame's bytes.  Raises SnapshotError."""
        offset = self._file.tell()
        self.left -= _HEAD.size
        if self.left < 0:
            raise SnapshotError(f"{self._path}, offset {offset}: the end is lost")
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:  # cut off since it was opened
            raise SnapshotError(f"{self._path}, offset {offset}: the end is lost")
        length, expected = _HEAD.unpack(head)
        self.left -= length
        if self.left < 0:
            raise SnapshotError(f"{self._path}, offset {offset}: damaged, or the end is lost")
        chunk = self._file.read(length)
        self.crc = google_crc32c.extend(self.crc, chunk)
        if self.crc != expected:
            raise SnapshotError(f"{self._path}, offset {offset}: damaged")
        return chunk


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the chunks of a snapshot.  Raises SnapshotError, possibly after some chunks."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise SnapshotError(f"{path}: the snapshot is missing") from error
    with file:
        if file.read(len(MAGIC)) != MAGIC:
            raise SnapshotError(f"{path}, offset 0: not a snapshot of this format")
        frames = Frames(file, path, google_crc32c.value(MAGIC))
        while chunk := frames.next():
            yield chunk
        if frames.left:
            raise SnapshotError(f"{path}, offset {file.tell()}: damaged")


def identify(path: Path, slot: Slot) -> Identification:
    """Return which snapshot of `slot` the file is, without reading all of it.

    Raises SnapshotError when there is none.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(-_HEAD.size, os.SEEK_END) + _HEAD.size
            _, crc = _HEAD.unpack(file.read(_HEAD.size))
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    return Identification(slot, size, crc)


def check(path: Path) -> None:
    """Read all of a snapshot.  Raises SnapshotError when it is damaged."""
    for _ in read_chunks(path):
        pass


def tidy(directory: Path, keep: Slot) -> None:
    """Remove snapshots of other slots than `keep` and what a crash left half made."""
    directory.mkdir(parents=True, exist_ok=True)
    sync_directory(directory.parent)
    for path in directory.iterdir():
        if path != snapshot_path(directory, keep):
            path.unlink()


def forget_before(directory: Path, slot: Slot) -> None:
    """Remove the snapshots of slots before `slot`."""
    for path in directory.iterdir():
        if (match := _NAME.match(path.name)) and int(match[1], 16) < slot:
            path.unlink()
