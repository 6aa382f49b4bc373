"""What clients of real processes saw, through kills and pauses, judged by the history checker."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from processes import Cluster, running, wait
from replicated_logs import every_log, rounds

from comitia.history import Recorder, Register, Verdict, check, operations

KEYS = ("x", "y", "z")


class NotExecuted(Exception):
    """The server promises that nothing happened."""


class Clients:
    """Readers and writers of a few keys, on all members, while the block runs."""

    def __init__(self, cluster: Cluster, count: int = 9) -> None:
        self._cluster, self._stopping = cluster, threading.Event()
        self._recorder = Recorder(time.monotonic_ns, (NotExecuted,))
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]

    def _run(self, number: int) -> None:
        rng = random.Random(number)
        lives, client = 0, None
        while not self._stopping.is_set():
            # Whose outcome is unknown never comes back under its name.
            process = f"{number}.{lives}"
            client = client or self._cluster.client(self._cluster.ids[(number + lives) % 3], 3)
            try:
                self._one(rng, process, client)
            except (NotExecuted, redis.RedisError, OSError):
                lives, client = lives + 1, None
                time.sleep(0.02)
            time.sleep(rng.random() * 0.01)

    def _one(self, rng: random.Random, process: str, client: redis.Redis) -> None:
        key = rng.choice(KEYS)
        if rng.random() < 0.5:
            value = f"{process} {rng.random()}"
            with self._recorder.operation(process, "write", value, key):
                ask(lambda: client.set(key, value))
        else:
            with self._recorder.operation(process, "read", None, key) as operation:
                found = ask(lambda: client.get(key))
                assert found is None or isinstance(found, bytes)
                operation.output = None if found is None else found.decode()

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 40) -> None:
        """Wait until `count` more writes have been answered, which needs a quorum."""

        def answered() -> int:
            return sum((each.type, each.f) == ("ok", "write") for each in self._recorder.events)

        enough = answered() + count
        wait(lambda: answered() >= enough, "answered writes", 30)

    def verdict(self) -> Verdict:
        return check(operations(self._recorder.events), Register())


def ask(call: Callable[[], object]) -> object:
    try:
        return call()
    except redis.ResponseError as error:
        if "not executed" in str(error):
            raise NotExecuted from error
        raise


def disturb(cluster: Cluster, rounds: int) -> None:
    """Kill or pause the leader, or whoever it is, again and again."""
    for round in range(rounds):
        time.sleep(0.4)
        id = cluster.leader() if round % 3 else cluster.ids[round % 3]
        if round % 2:
            cluster.signal(id, signal.SIGSTOP)
            time.sleep(0.9)
            cluster.signal(id, signal.SIGCONT)
        else:
            cluster.signal(id, signal.SIGKILL)
            time.sleep(0.6)
            cluster.start(id)


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["lease", "index"])
@every_log
def test_clients_are_served_linearizably_through_kills_and_pauses(
    tmp_path: Path, protocol: str, reads: str
) -> None:
    with running(tmp_path, reads, protocol) as cluster:
        with Clients(cluster) as clients:
            disturb(cluster, rounds(protocol, 8, 4))
        verdict = clients.verdict()
        assert verdict, str(verdict)
        assert len(verdict.history) > rounds(protocol, 300, 100)


@pytest.mark.slow
def test_stale_reads_are_caught_by_the_same_check(tmp_path: Path) -> None:
    """The control: with reads that ask nobody, the history is not linearizable."""
    with running(tmp_path, "stale") as cluster:
        with Clients(cluster) as clients:
            deadline_s = time.monotonic() + 60
            # A member that wakes may catch up before anybody reads from it: try until one does.
            while clients.verdict() and time.monotonic() < deadline_s:
                leader = cluster.leader()
                follower = leader % 3 + 1
                cluster.signal(follower, signal.SIGSTOP)
                time.sleep(0.5)
                cluster.signal(follower, signal.SIGCONT)
                time.sleep(0.1)
        assert not clients.verdict()
