"""CASPaxos and ABD as services: real processes, a real Redis client, members killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
import redis
from processes import Cluster, wait


class Leaderless(Cluster):
    """Processes of a protocol without a leader."""

    def __init__(self, directory: Path, protocol: str) -> None:
        super().__init__(directory)
        self.protocol = protocol

    def start(self, id: int) -> None:
        super().start(id, f"--protocol {self.protocol}")

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
