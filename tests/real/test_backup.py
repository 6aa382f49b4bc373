"""Backups of clusters that serve, and what grows from them: for every protocol with a log."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from comitia.net.local import LocalCluster, Ports
from comitia.net.remote import call
from comitia.net.wal import identity_in
from comitia.serve.fronts import REGISTERS, served

LOGS = [name for name in served() if name not in REGISTERS]


def comitia(*words: str, code: int = 0, file_limit: int | None = None) -> str:
    def limited() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    done = subprocess.run(
        [sys.executable, "-m", "comitia", *words],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limited,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def told(*words: str) -> dict[str, Any]:
    """What the command says as JSON; what it tells people comes after."""
    found: dict[str, Any] = json.loads(comitia(*words, "-o", "json").splitlines()[0])
    return found


def client(cluster: LocalCluster, id: int = 1) -> redis.Redis:
    return redis.Redis(port=cluster.ports[id].redis, socket_timeout=30)


@contextlib.contextmanager
def writing(cluster: LocalCluster) -> Iterator[list[str]]:
    """Set key after key meanwhile; yields those that were acknowledged so far."""
    acknowledged: list[str] = []
    stopping = threading.Event()

    def write() -> None:
        writer = client(cluster, 2)
        while not stopping.is_set():
            key = f"w{len(acknowledged)}"
            with contextlib.suppress(redis.RedisError):  # then the same is set again
                writer.set(key, key)
                acknowledged.append(key)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        stopping.set()
        thread.join()


def restored(data: Path, cluster: str, protocol: str) -> LocalCluster:
    return LocalCluster(data, Ports.free(3), {"cluster": cluster, "protocol": protocol})


def digests(cluster: LocalCluster) -> set[str]:
    found = set()
    for id in cluster.processes:
        _, answer = call("GET", cluster.http(id), "/digest")
        found.add(answer["digest"])
    return found


def eventually(condition: object, within_s: float = 180) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "it never came to that"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.cluster(protocol=name)) for name in LOGS]
)
def test_what_was_acknowledged_before_a_backup_is_in_the_cluster_made_of_it(
    cluster: LocalCluster, name: str, tmp_path: Path
) -> None:
    asked = client(cluster)
    asked.set("soon over", "x", px=1)
    asked.set("long", "x", pxat=4_102_444_800_000)
    with writing(cluster) as acknowledged:
        eventually(lambda: len(acknowledged) > 100)
        before = len(acknowledged)
        file = str(tmp_path / "the.backup")
        taken = told("backup", file, "--node", cluster.http(1))
        after = len(acknowledged)
    assert after > before, "the cluster served meanwhile"
    assert told("restore", "--dry-run", file)["digest"] == taken["digest"]
    data = tmp_path / "new"
    made = told("restore", file, "--data", str(data), "--yes")["made"]
    assert made["cluster"].startswith("comitia+")
    new = restored(data, made["cluster"], name)
    try:
        new.start_all()
        assert {status.node for status in new.wait_until_served()} == {1, 2, 3}
        assert digests(new) == {taken["digest"]}
        values = client(new).mget([f"w{number}" for number in range(before)])
        assert values == [b"w%d" % number for number in range(before)]
        assert client(new).get("soon over") is None
        assert client(new, 2).pexpiretime("long") == 4_102_444_800_000
        assert client(new, 3).set("x", "new")
        joins_and_is_equal(new)
    finally:
        new.stop()


def joins_and_is_equal(cluster: LocalCluster) -> None:
    """One that was not there is sent the whole state, not just the log since the restore."""
    cluster.ports[4] = Ports.free(1)[1]
    cluster.start(4)
    eventually(lambda: cluster.status(4))
    leader = cluster.leader()
    assert leader is not None
    address = f"127.0.0.1:{cluster.ports[4].peer}"
    comitia("members", "add", "n4", "--address", address, "--node", cluster.http(leader))
    eventually(lambda: client(cluster, 4).get("x") == b"new")
    eventually(lambda: len(digests(cluster)) == 1)


@pytest.mark.slow
@pytest.mark.cluster(nodes=1)
def test_a_backup_becomes_a_cluster_of_another_protocol_and_size_that_the_old_cannot_enter(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    client(cluster).set("x", "1")
    file, data = str(tmp_path / "the.backup"), tmp_path / "new"
    node = ("--node", cluster.http(1))
    assert "1 keys" in comitia("backup", file, *node)
    assert "exists already" in comitia("backup", file, *node, code=1)
    words = ("restore", file, "--data", str(data), "--cluster", "other", "--nodes", "3")
    said = comitia(*words, "--protocol", "viewstamped", "--yes")
    assert "plan: make n1, n2, n3 of the new cluster other+" in said
    whose = [identity_in(data / f"n{id}" / "wal") for id in (1, 2, 3)]
    names = {identity.cluster for identity in whose if identity is not None}
    assert len(names) == 1
    assert {path.name for path in (data / "n1").iterdir()} == {"lock", "snapshots", "wal"}
    assert f"{data} is not empty (n1, n2, n3)" in comitia(*words, "--yes", code=1)
    new = restored(data, names.pop(), "viewstamped")
    try:
        new.start_all()
        assert new.leader() in (1, 2, 3)
        assert client(new, 3).get("x") == b"1"
        wrong = (
            "serve",
            "--node",
            "1",
            "--data",
            str(cluster.data / "n1"),
            "--http",
            "127.0.0.1:0",
        )
        wrong += ("--redis", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--cluster", "other")
        cluster.stop()
        assert "belongs to node 1 of cluster 'comitia'" in comitia(*wrong, code=1)
    finally:
        new.stop()


@pytest.mark.slow
@pytest.mark.cluster(nodes=1)
def test_no_half_backup_and_no_half_cluster_is_left_by_a_full_disk(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    for number in range(200):
        client(cluster).set(f"k{number}", bytes(1000))
    node = ("--node", cluster.http(1))
    file, data = tmp_path / "b" / "the.backup", tmp_path / "new" / "data"
    file.parent.mkdir()
    full = comitia("backup", str(file), *node, code=1, file_limit=1 << 16)
    assert f"{file}: not written: File too large" in full
    assert not list(file.parent.iterdir())
    comitia("backup", str(file), *node)
    words = ("restore", str(file), "--data", str(data), "--yes")
    for limit in (1 << 16, 1 << 20):  # the snapshot does not fit; the log does not
        full = comitia(*words, code=1, file_limit=limit)
        assert "File too large" in full
        assert "nothing was made" in full
        assert not data.exists()
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    assert "damaged; take another" in comitia(*words, code=1)
    assert not data.exists()


def test_a_backup_is_not_written_where_nobody_may_and_not_without_a_cluster(
    tmp_path: Path,
) -> None:
    ports = Ports.free(1)[1]
    file = tmp_path / "the.backup"
    said = comitia("backup", str(file), "--node", f"127.0.0.1:{ports.http}", code=1)
    assert "no node answers" in said
    assert not list(tmp_path.iterdir())
