"""Puts on an etcd cluster over gRPC, with so little client code that etcd is what is measured.

One request at a time on each of many connections, as redis-benchmark does.  HTTP/2 frames are
written by hand: headers as literals without indexing, so no compression state is kept.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEAD = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/etcdserverpb.KV/Put"),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)


class Client(asyncio.Protocol):
    """One connection that always has one put under way."""

    def __init__(self, load: Load) -> None:
        self._load, self._stream, self._buffer, self._began_s = load, -1, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        window = struct.pack(">I", (1 << 31) - 1 - 65535)
        transport.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(WINDOW_UPDATE, 0, 0, window))
        self._put()

    def _put(self) -> None:
        if not self._load.take():
            self._transport.close()
            return
        self._stream += 2
        key, value = b"key:%012d" % self._load.number, b"xxx"
        message = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
        body = b"\0" + struct.pack(">I", len(message)) + message
        self._began_s = time.perf_counter()
        self._transport.write(
            frame(HEADERS, END_HEADERS, self._stream, HEAD)
            + frame(DATA, END_STREAM, self._stream, body)
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 9:
            size = int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < 9 + size:
                return
            kind, flags = self._buffer[3], self._buffer[4]
            payload, self._buffer = self._buffer[9 : 9 + size], self._buffer[9 + size :]
            if kind == SETTINGS and not flags & ACK:
                self._transport.write(frame(SETTINGS, ACK, 0, b""))
            elif kind == PING and not flags & ACK:
                self._transport.write(frame(PING, ACK, 0, payload))
            elif kind == HEADERS and flags & END_STREAM:
                self._load.took_s.append(time.perf_counter() - self._began_s)
                self._put()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.left()


class Load:
    """So many puts over so many connections."""

    def __init__(self, port: int, connections: int, count: int) -> None:
        self._port, self._connections, self._todo = port, connections, count
        self.number = 0
        self.took_s: list[float] = []

    def take(self) -> bool:
        self.number += 1
        return self.number <= self._todo

    def left(self) -> None:
        self._open -= 1
        if not self._open:
            self._done.set()

    async def run(self) -> float:
        """Return the seconds it took."""
        self._done, self._open = asyncio.Event(), self._connections
        loop = asyncio.get_running_loop()
        began_s = time.perf_counter()
        for _ in range(self._connections):
            await loop.create_connection(lambda: Client(self), "127.0.0.1", self._port)
        await self._done.wait()
        return time.perf_counter() - began_s


def put(port: int, connections: int, count: int) -> tuple[float, float, float]:
    """Return puts a second, and the median and 99th percentile in ms."""
    load = Load(port, connections, count)
    seconds = asyncio.run(load.run())
    took = sorted(load.took_s)
    assert len(took) == count, f"{len(took)} of {count} puts were answered"
    return count / seconds, took[count // 2] * 1000, took[count * 99 // 100] * 1000


if __name__ == "__main__":
    print(*put(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
