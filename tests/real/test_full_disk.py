"""A full disk: writes stop with an error that says so, reads go on, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from processes import Cluster, Load, running, wait
from replicated_logs import every_log


@pytest.mark.slow
@every_log
def test_a_leader_whose_files_can_grow_no_more_makes_room_for_another_and_comes_back(
    tmp_path: Path, protocol: str
) -> None:
    with running(tmp_path, protocol=protocol) as cluster:
        leader = cluster.leader()
        pid = cluster.processes[leader].pid
        others = [id for id in cluster.ids if id != leader]
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        spare = tmp_path / f"n{leader}" / "wal" / "spare"
        with Load(cluster) as load:
            # Without a spare segment it would refuse writes, and lead on: see `Storage.low`.
            wait(spare.exists, "a spare segment")
            wait(lambda: (s := cluster.status(leader)) and s.log_bytes > 1 << 14, "a longer log")
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 14, unlimited[1]))
            cluster.leader(others)
            load.more(200)
        status = cluster.status(leader)
        assert status is not None and "File too large" in str(status.disk)
        with pytest.raises(redis.ResponseError, match="File too large"):
            cluster.client(leader).set("x", "y")
        with pytest.raises(redis.ResponseError, match="not executed"):
            cluster.client(leader).get("x")  # mute, it cannot know what the others decided
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        wait(lambda: (s := cluster.status(leader)) and s.disk is None, "the disk to take writes")
        cluster.settle()
        load.assert_nothing_lost()
        cluster.assert_equal_replicas()


@contextlib.contextmanager
def small_disks(cluster: Cluster, megabytes: int) -> Iterator[None]:
    """Give every node a disk of its own that has only `megabytes`."""
    for id in cluster.ids:
        data = cluster.directory / f"n{id}"
        data.mkdir()
        mount(data, f"size={megabytes}m")
    try:
        yield
    finally:
        for id in cluster.ids:
            subprocess.run(["umount", cluster.directory / f"n{id}"], check=True)


def mount(where: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", where], check=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount small disks")
@every_log
def test_when_all_disks_are_full_writes_are_refused_reads_served_and_space_heals(
    tmp_path: Path, protocol: str
) -> None:
    cluster = Cluster(tmp_path, protocol=protocol)
    with small_disks(cluster, 80):
        try:
            cluster.start_all()
            client = cluster.client(cluster.leader())
            written = 0
            try:
                while written < 1000:
                    client.set(f"k{written}", bytes(256 << 10))
                    written += 1
            except redis.ResponseError as error:
                assert "No space left" in str(error)
            assert 64 < written < 1000
            for id in cluster.ids:
                assert cluster.client(id).get("k0") == bytes(256 << 10)
                with pytest.raises(redis.ResponseError, match="not executed"):
                    cluster.client(id).set("x", "y")
            time.sleep(1)
            leader = cluster.leader()  # still
            assert cluster.client(leader).exists(f"k{written - 1}")
            for id in cluster.ids:
                mount(cluster.directory / f"n{id}", "remount,size=400m")
            wait(lambda: all((s := cluster.status(i)) and not s.disk for i in cluster.ids), "room")
            client.set("x", "after")
            cluster.settle()
            for number in range(written):
                assert client.exists(f"k{number}")
            cluster.assert_equal_replicas()
        except BaseException:
            print(cluster.logs())
            raise
        finally:
            cluster.stop()
