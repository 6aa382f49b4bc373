"""Processes killed and paused under load: nothing acknowledged is lost, replicas end up equal."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from processes import Load, running
from replicated_logs import every_log, rounds


def kill_the_leader(directory: Path, protocol: str, times: int) -> None:
    with running(directory, protocol=protocol) as cluster:
        with Load(cluster) as load:
            for _ in range(times):
                load.more()
                leader = cluster.leader()
                cluster.signal(leader, signal.SIGKILL)
                load.more()  # the others serve
                cluster.start(leader)
        cluster.settle()
        load.assert_nothing_lost()
        cluster.assert_equal_replicas()


@pytest.mark.slow
@every_log
def test_the_leader_killed_again_and_again_under_load_loses_no_acknowledged_write(
    tmp_path: Path, protocol: str
) -> None:
    kill_the_leader(tmp_path, protocol, rounds(protocol, 20, 5))


@pytest.mark.campaign
@every_log
def test_the_leader_killed_a_hundred_times_under_load_loses_no_acknowledged_write(
    tmp_path: Path, protocol: str
) -> None:
    kill_the_leader(tmp_path, protocol, 100)


@pytest.mark.slow
@every_log
def test_all_nodes_killed_at_once_find_every_acknowledged_write_again(
    tmp_path: Path, protocol: str
) -> None:
    with running(tmp_path, protocol=protocol) as cluster:
        with Load(cluster) as load:
            for _ in range(rounds(protocol, 5, 2)):
                load.more()
                for id in cluster.ids:
                    cluster.signal(id, signal.SIGKILL)
                cluster.start_all()
            load.more()
        cluster.settle()
        load.assert_nothing_lost()
        cluster.assert_equal_replicas()


@pytest.mark.slow
@every_log
def test_a_paused_leader_serves_no_stale_read_when_it_wakes(tmp_path: Path, protocol: str) -> None:
    with running(tmp_path, protocol=protocol) as cluster:
        for round in range(rounds(protocol, 5, 2)):
            leader = cluster.leader()
            others = [id for id in cluster.ids if id != leader]
            old = cluster.client(leader)
            old.set("x", f"old {round}")
            cluster.signal(leader, signal.SIGSTOP)
            following = cluster.leader(others)
            cluster.client(following).set("x", f"new {round}")
            cluster.signal(leader, signal.SIGCONT)
            assert old.get("x") == f"new {round}".encode()


@pytest.mark.slow
@every_log
def test_members_paused_at_random_under_load_lose_nothing(tmp_path: Path, protocol: str) -> None:
    with running(tmp_path, protocol=protocol) as cluster:
        with Load(cluster) as load:
            for round in range(rounds(protocol, 6, 3)):
                id = cluster.leader() if round % 2 else cluster.ids[round % 3]
                cluster.signal(id, signal.SIGSTOP)
                time.sleep(0.2 * round)
                load.more(20)
                cluster.signal(id, signal.SIGCONT)
                load.more(20)
        cluster.settle()
        load.assert_nothing_lost()
        cluster.assert_equal_replicas()
