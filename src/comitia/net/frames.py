"""Frames on a connection: length, CRC32C, kind, payload.  Any bytes give frames or a FrameError."""

from __future__ import annotations

import struct

import google_crc32c

HELLO, WELCOME, REFUSED = 1, 2, 3
PING, PONG = 4, 5
MESSAGE, APPLICATION = 6, 7
BOOK = 8
OFFER, CHUNK, PROGRESS = 9, 10, 11
"""A snapshot offered, a piece of it, and how much of it has arrived."""

LIMIT = 64 << 20
"""The largest payload."""
GREETING_LIMIT = 1 << 16
"""The largest payload before the other side has said who it is."""

_HEAD = struct.Struct("<IIB")
HEAD = _HEAD.size


class FrameError(ValueError):
    """These bytes are no frame; the text says why."""


def frame(kind: int, payload: bytes) -> bytes:
    """Return the frame of `payload`."""
    assert len(payload) <= LIMIT, f"a payload of {len(payload)} bytes"
    return _HEAD.pack(len(payload), google_crc32c.extend(kind, payload), kind) + payload


class FrameReader:
    """Cuts a stream of bytes into frames; holds at most one unfinished frame."""

    def __init__(self, limit: int = GREETING_LIMIT) -> None:
        self.limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the (kind, payload) that `data` completes; raises FrameError."""
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            buffer = self._rest
        frames = []
        start, size = 0, len(buffer)
        while size - start >= HEAD:
            length, crc, kind = _HEAD.unpack_from(buffer, start)
            if length > self.limit:
                raise FrameError(f"a frame of {length} bytes, more than {self.limit}")
            end = start + HEAD + length
            if end > size:
                break
            payload = bytes(memoryview(buffer)[start + HEAD : end])
            if google_crc32c.extend(kind, payload) != crc:
                raise FrameError(f"a damaged frame of kind {kind} and {length} bytes")
            frames.append((kind, payload))
            start = end
        if buffer is self._rest:
            del self._rest[:start]
        else:
            self._rest += memoryview(data)[start:]
        return frames
