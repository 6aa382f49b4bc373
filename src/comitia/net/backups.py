"""Backup files: the state of a whole cluster after one slot, in checksummed frames.

    magic and format, header, chunk ..., empty frame, seal

Frames are those of a snapshot (`comitia.net.snapshots`): every checksum goes on from the one
before.  A node streams everything but the seal.  Whoever took the backup adds that once it has
read all of it back and knows the digest of the state: a file without a seal is not complete.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import msgspec

from comitia import __version__
from comitia.kernel import Slot
from comitia.kernel.message import Record
from comitia.net.snapshots import Frames, SnapshotError, framed

if TYPE_CHECKING:
    from comitia.net.host import Host

MAGIC = b"CBACKUP"
FORMAT = 1


class BackupError(SnapshotError):
    """A backup is damaged, incomplete or none; the text names the file and says where."""


class Header(Record):
    """What was copied, and when."""

    cluster: str
    protocol: str
    version: str
    """Of Comitia."""
    node: int
    """The member that was asked."""
    slot: Slot
    """The last slot applied: everything acknowledged before the backup began is in it."""
    epoch: int
    voters: tuple[int, ...]
    taken_ms: int
    """By that member's wall clock, in ms since 1970."""


class Seal(Record):
    """What was found when all of it had been read back."""

    digest: bytes
    """Of the state: what `GET /digest` said of a replica at that slot."""
    chunks: int
    size: int
    """Bytes of all chunks."""


_encode = msgspec.msgpack.Encoder().encode
_header = msgspec.msgpack.Decoder(Header).decode
_seal = msgspec.msgpack.Decoder(Seal).decode


async def stream(host: Host) -> AsyncGenerator[bytes]:
    """Yield a backup of the state of `host`, all but the seal; the first piece is the header.

    Raises Busy, also half-way.
    """
    head = MAGIC + bytes([FORMAT])
    crc = google_crc32c.value(head)
    async with aclosing(host.compaction.copy()) as copy:
        began = False
        async for slot, chunk in copy:
            if not began:
                began, view = True, host.view
                header = Header(
                    cluster=host.links.identity.cluster,
                    protocol=host.protocol.name,
                    version=__version__,
                    node=host.id,
                    slot=slot,
                    epoch=view.epoch,
                    voters=view.voters,
                    taken_ms=host.now_ms(),
                )
                data, crc = framed(_encode(header), crc)
                yield head + data
            data, crc = framed(chunk, crc)
            yield data
    yield framed(b"", crc)[0]


class _FromTheBeginning(io.RawIOBase):
    """An open file, read by a place of one's own: several may read it by one descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd, self._place = fd, 0

    def fileno(self) -> int:
        return self._fd

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._fd, [buffer], self._place)
        self._place += count
        return count

    def tell(self) -> int:
        return self._place


class Backup:
    """A backup file, read as often as needed; nothing of it is believed before it is checked.

    It is opened once: whatever is put in its place between check and use is never looked at, and
    what is written over it is refused.
    """

    def __init__(self, path: Path, sealed: bool = True) -> None:
        """Read the header; one that is not `sealed` must end where the seal is going to be.

        Raises BackupError, OSError.
        """
        self.path, self.sealed = path, sealed
        self.seal: Seal | None = None
        self._end = (0, 0, 0)  # checksum, chunks and bytes, once all were read
        self._file = path.open("rb" if sealed else "r+b")
        try:
            with self._frames() as (header, _):
                self.header = header
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @contextmanager
    def _frames(self) -> Iterator[tuple[Header, Frames]]:
        """Read the header again; then come the frames behind it."""
        file = io.BufferedReader(_FromTheBeginning(self._file.fileno()))
        try:
            head = file.read(len(MAGIC) + 1)
            if len(head) <= len(MAGIC) or head[:-1] != MAGIC:
                raise BackupError(f"{self.path}, offset 0: not a backup")
            if head[-1] != FORMAT:
                raise BackupError(
                    f"{self.path}: a backup of format {head[-1]}, and this version reads "
                    f"{FORMAT}: use the version of Comitia that made it, or a later one"
                )
            frames = Frames(file, self.path, google_crc32c.value(head))
            yield _header(frames.next()), frames
        except msgspec.MsgspecError as error:
            raise BackupError(f"{self.path}: sound, but not understood: {error}") from error
        except SnapshotError as error:
            raise BackupError(str(error)) from error

    def chunks(self) -> Iterator[bytes]:
        """Yield the state.  Raises BackupError, possibly after some chunks."""
        with self._frames() as (header, frames):
            count = size = 0
            while chunk := frames.next():
                count, size = count + 1, size + len(chunk)
                yield chunk
            seal = self.seal
            if self.sealed:
                if not frames.left:
                    raise BackupError(f"{self.path}: no seal at its end: it was not completed")
                seal = _seal(frames.next())
            if frames.left:
                raise BackupError(f"{self.path}: {frames.left} bytes too many at its end")
            if (header, seal) != (self.header, self.seal or seal):
                raise BackupError(f"{self.path}: written over since it was checked")
            self.seal = seal
            self._end = (frames.crc, count, size)

    def close_with(self, digest: bytes) -> None:
        """Add the seal: `chunks` were all read, and make up a state with this digest.

        It is durable when this returns.  Raises OSError.
        """
        crc, count, size = self._end
        assert count and not self.sealed, "sealed before it was read, or twice"
        self.seal, self.sealed = Seal(digest, count, size), True
        self._file.seek(0, os.SEEK_END)
        self._file.write(framed(_encode(self.seal), crc)[0])
        self._file.flush()
        os.fsync(self._file.fileno())
