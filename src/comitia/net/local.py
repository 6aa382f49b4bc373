"""A cluster on this machine, one process a node: for `comitia up`, for benchmarks and for tests."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from comitia.net.remote import status_of
from comitia.net.status import Status

START_S = 60.0
STOP_S = 10.0


class NodeFailed(Exception):
    """A node ended or does not come up; the text shows the end of its log."""


class Ports(NamedTuple):
    """Where one node listens, on 127.0.0.1."""

    redis: int
    peer: int
    http: int

    @classmethod
    def free(cls, count: int) -> dict[int, Ports]:
        """Return ports that nobody listens on now, for nodes 1 to `count`."""
        sockets = [socket.socket() for _ in range(3 * count)]
        try:
            for sock in sockets:
                sock.bind(("127.0.0.1", 0))
            found: Iterator[int] = iter([sock.getsockname()[1] for sock in sockets])
            return {id: cls(next(found), next(found), next(found)) for id in range(1, count + 1)}
        finally:
            for sock in sockets:
                sock.close()


class LocalCluster:
    """The processes of one cluster; they end with this one, even if it is killed (Linux only)."""

    def __init__(
        self, data: Path, ports: Mapping[int, Ports], settings: Mapping[str, str] | None = None
    ) -> None:
        """`settings` are those of `comitia serve`, for all nodes alike."""
        self.data, self.ports, self.settings = data, dict(ports), dict(settings or {})
        self.ids = tuple(self.ports)
        """The founding members; a node that gets ports later waits to be added."""
        self.relayed: dict[int, int] = {}
        """Where nodes reach each other, if not at their own ports: the ports of a relay."""
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.started_s: dict[int, float] = {}

    def start(self, id: int) -> None:
        """Start node `id`; it finds the data it left."""
        ports = self.ports[id]
        reached = {i: at.peer for i, at in self.ports.items()} | self.relayed
        directory = self.data / f"n{id}"
        directory.mkdir(parents=True, exist_ok=True)
        settings = self.settings | {
            "node": str(id),
            "data": str(directory),
            "members": ",".join(f"{i}=127.0.0.1:{reached[i]}" for i in self.ids),
            "advertise": f"127.0.0.1:{reached[id]}",
        }
        settings |= {door: f"127.0.0.1:{port}" for door, port in ports._asdict().items()}
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with self.log(id).open("ab") as log:
            self.processes[id] = subprocess.Popen(
                [sys.executable, "-m", "comitia", "serve", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which stops the nodes
                preexec_fn=_end_with_parent,
            )
        self.started_s[id] = time.monotonic()

    def start_all(self) -> None:
        """Start every node."""
        for id in self.ids:
            self.start(id)

    def log(self, id: int) -> Path:
        """Return the file that node `id` writes its log to."""
        return self.data / f"n{id}" / "log"

    def tail(self, id: int, lines: int = 8) -> str:
        """Return the end of the log of node `id`."""
        return "\n".join(self.log(id).read_text(errors="replace").splitlines()[-lines:])

    def http(self, id: int) -> str:
        """Return the address of the HTTP port of node `id`."""
        return f"127.0.0.1:{self.ports[id].http}"

    def status(self, id: int) -> Status | None:
        """Return what node `id` says of itself; None while it says nothing."""
        try:
            return status_of(self.http(id))
        except OSError:
            return None

    def serving(self, id: int) -> Status | None:
        """Return the status of node `id` once it serves clients.  Raises NodeFailed."""
        if (code := self.processes[id].poll()) is not None:
            raise self._failed(f"n{id} ended with code {code}", id)
        status = self.status(id)
        return status if status is not None and (status.leader or not status.led) else None

    def wait_until_served(self, within_s: float = START_S) -> Iterator[Status]:
        """Yield the status of each node that was started, as they come to serve.

        Raises NodeFailed.
        """
        deadline_s = time.monotonic() + within_s
        missing = list(self.processes)
        while missing:
            for id in list(missing):
                if (status := self.serving(id)) is not None:
                    missing.remove(id)
                    yield status
            if missing and time.monotonic() > deadline_s:
                late = ", ".join(f"n{id}" for id in missing)
                raise self._failed(f"{late} did not come up in {within_s:.0f} s", missing[0])
            time.sleep(0.05)

    def leader(self, within_s: float = START_S) -> int | None:
        """Wait until a majority follows a leader that is up; None where nobody ever leads.

        Raises NodeFailed.
        """
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            found = [s for id in self.processes if (s := self.status(id)) is not None]
            if found and not found[0].led:
                return None
            for status in found:
                followers = sum(other.leader == status.node for other in found)
                if status.leader == status.node and followers > len(self.ids) // 2:
                    return status.node
            time.sleep(0.02)
        raise self._failed(f"no leader in {within_s:.0f} s", self.ids[0])

    def _failed(self, reason: str, id: int) -> NodeFailed:
        lines = self.tail(id).replace("\n", "\n    ")
        return NodeFailed(f"{reason}; the end of {self.log(id)}:\n    {lines}")

    def kill(self, id: int) -> None:
        """End node `id` at once, as kill -9 does; it is gone when this returns."""
        process = self.processes.pop(id)
        process.kill()
        process.wait()

    def stop(self) -> bool:
        """Stop every node; False when one had to be killed."""
        for process in self.processes.values():
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that was paused could not end
        deadline_s = time.monotonic() + STOP_S
        clean = True
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        return clean


def _end_with_parent() -> None:
    """In a node, before it starts: be terminated when the process that started it is killed."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
