"""A redis-server of the operating system, to compare with."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest


class Peer:
    """A connection to a redis-server that returns the raw bytes of replies."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")

    def call(self, data: bytes) -> bytes:
        """Send one command; return its reply, unparsed."""
        self.socket.sendall(data)
        return self.reply()

    def reply(self) -> bytes:
        """Return the next reply, unparsed."""
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=" and int(rest) >= 0:
            return line + self._file.read(int(rest) + 2)
        if kind in b"*~>" and int(rest) >= 0:
            return line + b"".join(self.reply() for _ in range(int(rest)))
        if kind == b"%":
            return line + b"".join(self.reply() for _ in range(2 * int(rest)))
        return line

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a redis-server that keeps nothing on disk."""
    folder = tmp_path_factory.mktemp("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"--port {port} --bind 127.0.0.1 --databases 1 --appendonly no --dir {folder}"
    command = ["redis-server", *options.split(), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield port
        server.terminate()


@pytest.fixture
def peer(redis_server: int) -> Iterator[Callable[[], Peer]]:
    """Makes connections to an empty redis-server."""
    made: list[Peer] = []

    def connect() -> Peer:
        made.append(Peer(redis_server))
        return made[-1]

    connect().call(b"*1\r\n$8\r\nFLUSHALL\r\n")
    yield connect
    for connection in made:
        connection.close()
