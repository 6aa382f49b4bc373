"""Backup files: the state of a whole cluster after one slot, in checksummed frames.

    magic and format, header, chunk ..., empty frame, seal

Frames are those of a snapshot (`comitia.net.snapshots`): every checksum goes on from the one
before.  A node streams everything but the seal.  Whoever took the backup adds that once it has
read all of it back and knows the digest of the state: a file without a seal is not complete.
"""

from __future__ import annotations

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


class Backup:
    """A backup file, read as often as needed; nothing of it is believed before it is checked."""

    def __init__(self, path: Path) -> None:
        """Read the header.  Raises BackupError, OSError."""
        self.path = path
        self.seal: Seal | None = None
        self._end = (0, 0, 0)  # checksum, chunks and bytes, once all were read
        with self._opened():
            return

    @contextmanager
    def _opened(self) -> Iterator[Frames]:
        """Open the file behind its header."""
        try:
            with self.path.open("rb") as file:
                head = file.read(len(MAGIC) + 1)
                if len(head) <= len(MAGIC) or head[:-1] != MAGIC:
                    raise BackupError(f"{self.path}, offset 0: not a backup")
                if head[-1] != FORMAT:
                    raise BackupError(
                        f"{self.path}: a backup of format {head[-1]}, and this version reads "
                        f"{FORMAT}: use the version of Comitia that made it, or a later one"
                    )
                frames = Frames(file, self.path, google_crc32c.value(head))
                self.header = _header(frames.next())
                yield frames
        except msgspec.MsgspecError as error:
            raise BackupError(f"{self.path}: sound, but not understood: {error}") from error
        except SnapshotError as error:
            raise BackupError(str(error)) from error

    def chunks(self, sealed: bool = True) -> Iterator[bytes]:
        """Yield the state.  Raises BackupError, possibly after some chunks.

        With `sealed` False the file must end where the seal is going to be.
        """
        with self._opened() as frames:
            count = size = 0
            while chunk := frames.next():
                count, size = count + 1, size + len(chunk)
                yield chunk
            if sealed:
                if not frames.left:
                    raise BackupError(f"{self.path}: no seal at its end: it was not completed")
                self.seal = _seal(frames.next())
            if frames.left:
                raise BackupError(f"{self.path}: {frames.left} bytes too many at its end")
            self._end = (frames.crc, count, size)

    def close_with(self, digest: bytes) -> None:
        """Add the seal: `chunks` were all read, and make up a state with this digest.

        It is durable when this returns.  Raises OSError.
        """
        crc, count, size = self._end
        assert count, "sealed before it was read"
        self.seal = Seal(digest, count, size)
        with self.path.open("ab") as file:
            file.write(framed(_encode(self.seal), crc)[0])
            file.flush()
            os.fsync(file.fileno())
