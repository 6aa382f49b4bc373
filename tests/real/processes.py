"""Three `comitia serve` processes, a load of writes on them, and what was acknowledged."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from comitia.net.local import LocalCluster, Ports
from comitia.net.remote import call
from comitia.net.status import Status

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}


def comitia(*words: str, code: int | None = 0) -> str:
    """Run the command and return all it said; `code` is what it must end with, None for any."""
    done = subprocess.run(
        [sys.executable, "-m", "comitia", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


class Cluster:
    """The processes of one cluster on free ports of 127.0.0.1."""

    def __init__(
        self, directory: Path, size: int = 3, reads: str = "lease", protocol: str = "raft"
    ) -> None:
        self.directory, self.reads, self.protocol = directory, reads, protocol
        self.ids = list(range(1, size + 1))
        self.founders = list(self.ids)
        """The members that every node is told of; one that is not among them waits to be added."""
        ports = Ports.free(size)
        self.redis = {id: at.redis for id, at in ports.items()}
        self.peer = {id: at.peer for id, at in ports.items()}
        self.http = {id: at.http for id, at in ports.items()}
        self._local = LocalCluster(directory, ports, {"reads": reads, "protocol": protocol})
        self.processes = self._local.processes

    def meet_through(self, relayed: dict[int, int]) -> None:
        """Have the nodes, not yet started, reach each other at these ports."""
        self._local.relayed = relayed

    def start(self, id: int) -> None:
        self._local.ids = tuple(self.founders)
        self._local.start(id)

    def start_all(self) -> None:
        for id in self.ids:
            self.start(id)

    def signal(self, id: int, number: signal.Signals) -> None:
        if number is signal.SIGKILL:
            self._local.kill(id)
        else:
            self.processes[id].send_signal(number)

    def status(self, id: int) -> Status | None:
        return self._local.status(id)

    def leader(self, among: list[int] | None = None) -> int:
        """Wait until a majority of `among` agrees on a leader within it."""
        members = among or self.ids

        def agreed() -> int | None:
            found = [status for id in members if (status := self.status(id)) is not None]
            for status in found:
                votes = sum(other.leader == status.node for other in found)
                if status.leader == status.node and votes > len(self.ids) // 2:
                    return status.node
            return None

        return wait(agreed, "a leader")

    def settle(self) -> None:
        """Wait until every node is up and follows the leader."""
        leader = self.leader()
        for id in self.ids:
            wait(lambda id=id: (s := self.status(id)) and s.leader == leader, f"n{id}")

    def client(self, id: int, timeout_s: float = 10) -> redis.Redis:
        return redis.Redis(port=self.redis[id], socket_timeout=timeout_s, retry=None)  # type: ignore[arg-type]

    def digests(self) -> dict[int, tuple[int, str]]:
        found = {}
        for id in self.processes:
            _, answer = call("GET", f"127.0.0.1:{self.http[id]}", "/digest")
            found[id] = answer["applied"], answer["digest"]
        return found

    def assert_equal_replicas(self) -> None:
        def equal() -> bool:
            digests = self.digests()
            slots = {slot for slot, _ in digests.values()}
            if len(slots) == 1:
                assert len(set(digests.values())) == 1, f"replicas differ: {digests}"
            return len(slots) == 1

        wait(equal, "replicas that have applied the same")

    def stop(self) -> None:
        self._local.stop()

    def logs(self) -> str:
        return "\n".join(f"--- n{id}\n{self._local.tail(id, 30)}" for id in self.processes)


@contextlib.contextmanager
def running(
    directory: Path, reads: str = "lease", protocol: str = "raft", size: int = 3, spares: int = 0
) -> Iterator[Cluster]:
    """A cluster that serves; its logs are shown when the test fails.

    Spares have ports and are not started; they wait to be added.
    """
    cluster = Cluster(directory, size + spares, reads, protocol)
    cluster.ids = cluster.founders = cluster.ids[:size]
    with serving(cluster):
        yield cluster


@contextlib.contextmanager
def serving(cluster: Cluster) -> Iterator[None]:
    """Run `cluster`; its logs are shown when the test fails."""
    cluster.start_all()
    try:
        cluster.leader()
        yield
    except BaseException:
        print(cluster.logs())
        raise
    finally:
        cluster.stop()


class Load:
    """Writers that each set keys of their own, one after the other, and note what was answered."""

    def __init__(self, cluster: Cluster, writers: int = 6) -> None:
        self._cluster, self._stopping = cluster, threading.Event()
        self.acknowledged: dict[str, str] = {}
        self.refused: set[str] = set()
        """Keys whose write was answered: not executed."""
        self.unknown = 0
        self.longest_gap_s = 0.0
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(writers)]

    def _write(self, writer: int) -> None:
        ids = self._cluster.ids
        client: redis.Redis | None = None
        last_s = time.monotonic()
        number = 0
        while not self._stopping.is_set():
            number += 1
            key = f"{writer}:{number}"
            try:
                if client is None:
                    client = self._cluster.client(ids[(writer + number) % len(ids)])
                client.set(key, f"v{key}")
            except redis.ResponseError as error:
                if "not executed" in str(error):
                    self.refused.add(key)
                else:
                    self.unknown += 1
                time.sleep(0.02)
            except (redis.RedisError, OSError):
                self.unknown += 1
                client = None
                time.sleep(0.02)
            else:
                self.acknowledged[key] = f"v{key}"
                now_s = time.monotonic()
                self.longest_gap_s = max(self.longest_gap_s, now_s - last_s)
                last_s = now_s

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 50) -> None:
        """Wait until `count` more writes have been acknowledged."""
        enough = len(self.acknowledged) + count
        wait(lambda: len(self.acknowledged) >= enough, "acknowledged writes")

    def assert_nothing_lost(self) -> None:
        keys = list(self.acknowledged)
        assert keys
        for id in self._cluster.processes:
            client = self._cluster.client(id)
            for start in range(0, len(keys), 500):
                some = keys[start : start + 500]
                values = client.mget(some)
                for key, value in zip(some, values, strict=True):
                    assert value == self.acknowledged[key].encode(), f"n{id} lost {key}: {value}"
            refused = sorted(self.refused)
            for start in range(0, len(refused), 500):
                assert not any(client.mget(refused[start : start + 500])), "refused, yet executed"


def wait(condition: Callable[[], Any], what: str, within_s: float = 60) -> Any:
    """Return what `condition` gives once that is true; AssertionError when it never is."""
    deadline_s = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < deadline_s, f"waited {within_s} s in vain for {what}"
        time.sleep(0.05)
    return result


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
