"""CASPaxos and ABD as services: real processes, a real Redis client, members killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
import redis
from processes import ROOT, Cluster, wait


class Leaderless(Cluster):
    """Processes of a protocol without a leader."""

    def __init__(self, directory: Path, protocol: str, size: int = 3) -> None:
        super().__init__(directory, size, protocol=protocol)

    def settle(self) -> None:
        for id in self.ids:
            wait(lambda id=id: self.pings(id), f"n{id}")

    def pings(self, id: int) -> bool:
        try:
            return bool(self.client(id).ping()) and self.status(id) is not None
        except redis.ConnectionError:
            return False


@pytest.fixture(params=["caspaxos", "abd"])
def any_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leaderless]:
    yield from running(tmp_path, request.param)


@pytest.fixture
def caspaxos(tmp_path: Path) -> Iterator[Leaderless]:
    yield from running(tmp_path, "caspaxos")


class Counters:
    """A client of each member increments a counter, and goes elsewhere when it is not served."""

    def __init__(self, cluster: Leaderless) -> None:
        self.cluster, self.stopping = cluster, threading.Event()
        self.acknowledged = self.unknown = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.increment, args=(id,)) for id in cluster.ids]

    def increment(self, id: int) -> None:
        served = unknown = 0
        while not self.stopping.is_set():
            try:
                self.cluster.client(id).incr("counter")
                served += 1
            except redis.ResponseError as error:
                unknown += "not executed" not in str(error)
                time.sleep(0.02)
            except redis.RedisError:
                unknown += 1
                id = id % len(self.cluster.ids) + 1
                time.sleep(0.02)
        with self.lock:
            self.acknowledged, self.unknown = self.acknowledged + served, self.unknown + unknown

    def __enter__(self) -> Counters:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def operate(cluster: Leaderless, *words: str, code: int = 0) -> str:
    """Run `comitia members` as an operator does, asking any node."""
    command = [sys.executable, "-m", "comitia", "members", *words]
    done = subprocess.run(
        [*command, "--node", f"127.0.0.1:{cluster.http[3]}"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def running(directory: Path, protocol: str) -> Iterator[Leaderless]:
    cluster = Leaderless(directory, protocol)
    cluster.start_all()
    try:
        cluster.settle()
        yield cluster
    finally:
        cluster.stop()


def test_what_one_member_wrote_every_member_reads(any_cluster: Leaderless) -> None:
    for id in any_cluster.ids:
        assert any_cluster.client(id).set(f"key {id}", f"value {id}")
    for id in any_cluster.ids:
        for other in any_cluster.ids:
            assert any_cluster.client(id).get(f"key {other}") == b"value %d" % other
    assert any_cluster.client(1).get("nothing") is None


def test_a_killed_member_disturbs_nobody_and_comes_back_with_its_data(
    any_cluster: Leaderless,
) -> None:
    any_cluster.client(1).set("k", "before")
    any_cluster.signal(1, SIGKILL)
    began = time.monotonic()
    any_cluster.client(2).set("k", "after")
    assert any_cluster.client(3).get("k") == b"after"
    assert time.monotonic() - began < 0.5
    any_cluster.start(1)
    wait(lambda: any_cluster.pings(1), "n1")
    assert any_cluster.client(1).get("k") == b"after"
    for id in any_cluster.ids:
        any_cluster.signal(id, SIGKILL)
    any_cluster.start_all()
    any_cluster.settle()
    assert any_cluster.client(2).get("k") == b"after"


def test_every_acknowledged_increment_counts_once(caspaxos: Leaderless) -> None:
    counts = dict.fromkeys(caspaxos.ids, 0)

    def increment(id: int) -> None:
        client = caspaxos.client(id)
        for _ in range(60):
            client.incr("counter")
            counts[id] += 1

    threads = [threading.Thread(target=increment, args=(id,)) for id in caspaxos.ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caspaxos.client(1).get("counter") == b"%d" % sum(counts.values()) == b"180"


def test_commands_on_one_key_are_those_of_redis(caspaxos: Leaderless) -> None:
    client = caspaxos.client(1)
    assert client.set("s", "1", nx=True) is True
    assert client.set("s", "2", nx=True) is None
    assert client.append("s", "0") == 2
    assert client.incrby("s", 5) == 15
    assert client.getset("s", "x") == b"15"
    assert client.exists("s") == 1
    assert client.strlen("s") == 1
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("s")
    assert client.delete("s") == 1
    assert client.delete("s") == 0
    assert client.get("s") is None


def test_a_time_to_live_ends_at_every_member(caspaxos: Leaderless) -> None:
    client = caspaxos.client(1)
    client.set("t", "v", px=300)
    assert 0 < caspaxos.client(2).pttl("t") <= 300
    time.sleep(0.4)
    assert [caspaxos.client(id).get("t") for id in caspaxos.ids] == [None] * 3


def test_a_deleted_key_leaves_no_trace_on_any_member(caspaxos: Leaderless) -> None:
    client = caspaxos.client(1)
    client.set("d", "v")
    client.delete("d")

    def gone() -> bool:
        views = [caspaxos.status(id) for id in caspaxos.ids]
        return all(view is not None and dict(view.facts)["keys"] == "0" for view in views)

    wait(gone, "the erasure of the tombstone")


def test_what_cannot_be_expressed_is_refused_clearly(any_cluster: Leaderless) -> None:
    client = any_cluster.client(1)
    with pytest.raises(redis.ResponseError, match=f"MSET is not served by {any_cluster.protocol}"):
        client.mset({"a": "1", "b": "2"})
    with pytest.raises(redis.ResponseError, match="is not served by"):
        client.dbsize()
    pipe = client.pipeline(transaction=True)
    pipe.set("a", "1").set("b", "2")
    with pytest.raises(redis.ResponseError, match="is not served by"):
        pipe.execute()
    if any_cluster.protocol == "abd":
        with pytest.raises(redis.ResponseError, match="only GET key and SET key value"):
            client.incr("n")


def test_a_pipeline_is_answered_in_order(any_cluster: Leaderless) -> None:
    pipe = any_cluster.client(1).pipeline(transaction=False)
    for number in range(100):
        pipe.set("p", str(number)).get("p")
    answers = pipe.execute()
    assert answers[1::2] == [b"%d" % number for number in range(100)]


@pytest.mark.slow
def test_members_come_and_go_by_command_under_load_and_every_increment_counts_once(
    tmp_path: Path,
) -> None:
    cluster = Leaderless(tmp_path, "caspaxos", size=5)
    cluster.founders = [1, 2, 3]
    cluster.start_all()
    try:
        cluster.settle()
        for number in range(40):
            cluster.client(1).set(f"key {number}", f"value {number}")
        with Counters(cluster) as counters:
            for id in (4, 5):  # 3 to 4 to 5
                address = f"127.0.0.1:{cluster.peer[id]}"
                assert f"n{id} is a voter" in operate(
                    cluster, "add", f"n{id}", "--address", address
                )
            assert len(operate(cluster, "list").splitlines()) == 5
            for id in (1, 2):  # and 5 to 4 to 3: none of the founders but one is left
                assert "no member any more" in operate(cluster, "remove", f"n{id}", "--yes")
                cluster.signal(id, SIGKILL)
            assert "is a member already" in operate(cluster, "add", "n4", code=1)
            assert "is no learner" in operate(cluster, "promote", "n4", code=1)
            address = f"127.0.0.1:{cluster.peer[1]}"
            words = ("add", "n1", "--address", address, "--learner")
            assert "has no learners" in operate(cluster, *words, code=1)
            time.sleep(0.5)
        count = int(cluster.client(4).get("counter"))
        assert counters.acknowledged > 0
        assert counters.acknowledged <= count <= counters.acknowledged + counters.unknown
        for number in range(40):
            assert cluster.client(5).get(f"key {number}") == b"value %d" % number
        voters = {cluster.status(id).voters for id in (3, 4, 5)}
        assert voters == {(3, 4, 5)}
    except BaseException:
        print(cluster.logs())
        raise
    finally:
        cluster.stop()
