"""One file of the write-ahead log: a header, then frames, then zeros or what the file held before.

    header  at 0:     magic, length, CRC32C, MessagePack of `Header`
    frame   at 4096:  tag, length, CRC32C, MessagePack of [[kind, bytes], ...]

A frame is what one disk sync made durable.  The next frame is written only after that sync, so a
broken frame with a sound one behind it was once acknowledged: that is corruption, and refused.  A
broken frame with nothing sound behind it is the write that a crash cut short, and is dropped.

The tag and the checksums of frames are seeded with the cluster, the node and the segment's id, so
frames that an earlier life of a recycled file left behind are never taken for its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import google_crc32c
import msgspec

from comitia.kernel.message import Record

FORMAT = 2
MAGIC = b"COMITIA\x01"
FIRST = 4096
"""Where frames begin: the header is alone in its sectors, so no torn frame can damage it."""

CHANGE, STATE_BEGIN, STATE_PART, STATE_END, STOP = 1, 2, 3, 4, 5
"""A difference; the full state, in parts, with differences in between; and a clean stop."""

Item = tuple[int, bytes]

_HEADER = struct.Struct("<8sII")
_FRAME = struct.Struct("<4sII")
HEAD = _FRAME.size
_encode = msgspec.msgpack.Encoder().encode
_decode_items = msgspec.msgpack.Decoder(tuple[Item, ...]).decode


class Corrupt(Exception):
    """The log on disk is not what was written; the text names the file and the offset."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path}, offset {offset}: {reason}")
        self.path, self.offset = path, offset


class Identity(Record):
    """Whose log this is."""

    cluster: str
    node: int
    protocol: str
    version: int


class Header(Record):
    """What a segment knows of itself and of its predecessor."""

    format: int
    identity: Identity
    segment: int
    size: int
    previous_end: int
    """Where the frames of the segment before ended; 0 in the first."""


_decode_header = msgspec.msgpack.Decoder(Header).decode


class Framing:
    """Frames of one segment of one node."""

    def __init__(self, identity: Identity, segment: int) -> None:
        self._seed = google_crc32c.value(_encode((identity, segment)))
        self._tag = struct.pack("<I", self._seed)

    def frame(self, items: Sequence[Item], offset: int) -> bytes:
        """Return the frame that holds `items` and is to stand at `offset`.

        A frame that the disk puts anywhere else is not sound: its checksum covers its place.
        """
        payload = _encode(items)
        return _FRAME.pack(self._tag, len(payload), self._checksum(payload, offset)) + payload

    def _checksum(self, payload: bytes, offset: int) -> int:
        crc: int = google_crc32c.extend(self._seed, offset.to_bytes(8, "little"))
        return google_crc32c.extend(crc, payload)  # type: ignore[no-any-return]

    def read(self, data: bytes, offset: int) -> tuple[tuple[Item, ...], int] | None:
        """Return the items of the frame at `offset` and where it ends; None if none is sound."""
        if offset + HEAD > len(data):
            return None
        tag, length, crc = _FRAME.unpack_from(data, offset)
        start, end = offset + HEAD, offset + HEAD + length
        if tag != self._tag or end > len(data):
            return None
        payload = data[start:end]
        if self._checksum(payload, offset) != crc:
            return None
        try:
            return _decode_items(payload), end
        except msgspec.MsgspecError:
            return None

    def starts(self, data: bytes, offset: int) -> bool:
        """Say whether a frame, sound or torn, was begun at `offset`."""
        return data.startswith(self._tag, offset)

    def sound_frame_after(self, data: bytes, offset: int) -> int | None:
        """Return the offset of a sound frame behind `offset`, or None."""
        found = data.find(self._tag, offset + 1)
        while found >= 0:
            if self.read(data, found) is not None:
                return found
            found = data.find(self._tag, found + 1)
        return None


def encode_header(header: Header) -> bytes:
    """Return the first bytes of a segment."""
    body = _encode(header)
    data = _HEADER.pack(MAGIC, len(body), google_crc32c.value(body)) + body
    assert len(data) <= FIRST, "names too long for a segment's header"
    return data


def read_header(path: Path, data: bytes, size: int) -> Header:
    """Return the header of the segment of `size` bytes that begins with `data`.

    Raises Corrupt when it is damaged, or the file is not as long as it was made.
    """
    if len(data) < FIRST:
        raise Corrupt(path, len(data), "the file ends inside its header")
    magic, length, crc = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise Corrupt(path, 0, "not a segment of a write-ahead log of this format")
    body = data[_HEADER.size : _HEADER.size + length]
    if length > FIRST or google_crc32c.value(body) != crc:
        raise Corrupt(path, 0, "the header is damaged")
    try:
        header = _decode_header(body)
    except msgspec.MsgspecError as error:
        raise Corrupt(path, 0, f"the header is damaged: {error}") from error
    if header.format != FORMAT:
        raise Corrupt(path, 0, f"format {header.format}; this version reads {FORMAT}")
    if header.size != size:
        raise Corrupt(
            path, size, f"the file has {size} of its {header.size} bytes: its end is lost"
        )
    return header


def read_frames(
    path: Path, data: bytes, framing: Framing, end: int | None
) -> Iterator[tuple[tuple[Item, ...], int]]:
    """Yield the items of every frame and where it ends, up to `end`.

    With `end` None, for the newest segment, up to the last sound frame.  Raises Corrupt when a
    frame before `end`, or with a sound one behind it, is broken.
    """
    offset = FIRST
    while offset != end and (found := framing.read(data, offset)) is not None:
        yield found
        offset = found[1]
    if end is not None and offset != end:
        raise Corrupt(path, offset, f"a damaged record; the records go on to offset {end}")
    if end is None and (later := framing.sound_frame_after(data, offset)) is not None:
        raise Corrupt(path, offset, f"a damaged record; a sound one follows at offset {later}")
