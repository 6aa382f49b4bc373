"""A member whose disk is lost for good is replaced, by command; a log in memory is recovered."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import redis
from processes import Cluster, Load, comitia, running, wait
from replicated_logs import every_log

from comitia.net.local import LocalCluster


def add(cluster: Cluster, id: int, at: str) -> None:
    """Add node `id` as a learner and promote it; as a voter where there are no learners."""
    words = ("members", "add", f"n{id}", "--address", f"127.0.0.1:{cluster.peer[id]}")
    node = ("--node", at)
    said = comitia(*words, "--learner", *node, code=None)
    if "no learners" in said:
        assert f"n{id} is a voter" in comitia(*words, *node)
        return
    assert f"n{id} is a learner" in said
    wait(lambda: (s := cluster.status(id)) and s.applied > 0, "the learner to catch up")
    assert f"n{id} is a voter" in comitia("members", "promote", f"n{id}", *node)


@pytest.mark.slow
@every_log
def test_a_member_without_its_disk_is_replaced_under_load_and_the_new_one_leads(
    tmp_path: Path, protocol: str
) -> None:
    with running(tmp_path, protocol=protocol, spares=1) as cluster:
        leader = cluster.leader()
        lost, other = (id for id in cluster.ids if id != leader)
        at = f"127.0.0.1:{cluster.http[leader]}"
        with Load(cluster) as load:
            load.more()
            cluster.signal(lost, signal.SIGKILL)
            shutil.rmtree(tmp_path / f"n{lost}")
            comitia("members", "remove", f"n{lost}", "--yes", "--node", at)
            cluster.start(4)
            wait(lambda: cluster.status(4), "n4")
            add(cluster, 4, at)
            cluster.ids = [leader, other, 4]
            assert "n4 leads" in comitia("leader", "transfer", "n4", "--node", at)
            load.more()
            cluster.signal(leader, signal.SIGKILL)
            load.more()  # n4 and the other are enough, so n4 holds everything
            cluster.start(leader)
        cluster.settle()
        load.assert_nothing_lost()
        cluster.assert_equal_replicas()


@pytest.mark.slow
@pytest.mark.cluster(protocol="viewstamped", options="log=memory")
def test_logs_in_memory_outlive_restarts_one_after_the_other(cluster: LocalCluster) -> None:
    for number in range(20):
        assert redis.Redis(port=cluster.ports[1].redis).set(f"k{number}", number)
    for id in cluster.ids:
        cluster.kill(id)
        cluster.start(id)
        wait(lambda id=id: cluster.serving(id), f"n{id} to have recovered")
    for id in cluster.ids:
        client = redis.Redis(port=cluster.ports[id].redis)
        assert client.mget(f"k{n}" for n in range(20)) == [b"%d" % n for n in range(20)]
