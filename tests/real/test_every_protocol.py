"""The operator's commands on every protocol that serves clients; what one cannot do is said."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
import redis
from replicated_logs import on_a_cluster_of_every_log

from comitia.cli import doctor
from comitia.net.local import LocalCluster
from comitia.serve.fronts import REGISTERS


def each(names: list[str] | tuple[str, ...]) -> pytest.MarkDecorator:
    """The test runs on a cluster of each of `names`."""
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.cluster(protocol=name)) for name in names]
    )


def ask(cluster: LocalCluster, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "comitia", *words, "--node", cluster.http(1)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def metrics(cluster: LocalCluster, id: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{cluster.http(id)}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.slow
@on_a_cluster_of_every_log
def test_a_log_is_looked_at_and_led_by_whom_the_operator_wants(
    cluster: LocalCluster, protocol: str
) -> None:
    leader = cluster.leader()
    assert leader is not None
    redis.Redis(port=cluster.ports[1].redis).set("x", "1")
    report = json.loads(ask(cluster, "status", "-o", "json"))
    assert report["verdict"] == "HEALTHY"
    assert {node["protocol"] for node in report["nodes"]} == {protocol}
    members = json.loads(ask(cluster, "members", "list", "-o", "json"))
    assert [(row["node"], row["role"]) for row in members] == [
        (f"n{i}", "voter") for i in (1, 2, 3)
    ]
    to = leader % 3 + 1
    assert f"n{to} leads" in ask(cluster, "leader", "transfer", f"n{to}")
    assert ask(cluster, "leader", "show").strip() == f"n{to}"
    counted = metrics(cluster, to)
    assert counted["comitia_is_leader"] == 1
    assert counted["comitia_applied_slot"] >= 1
    assert counted["comitia_link_sent_bytes_total"] > 0
    assert redis.Redis(port=cluster.ports[leader].redis).get("x") == b"1"
    looked_at = "\n".join(text for _, text in doctor.cluster((cluster.http(1),)))
    assert "3 voters, 1 of them may fail" in looked_at
    assert "its clock is" in looked_at
    address = f"127.0.0.1:{cluster.ports[2].peer}"
    known = ask(cluster, "members", "add", "n2", "--address", address, code=1)
    assert "is a member already" in known
    assert "no learner" in ask(cluster, "members", "promote", "n2", code=1)
    assert "n9" in ask(cluster, "members", "remove", "n9", "--yes", code=1)
    assert "n9" in ask(cluster, "leader", "transfer", "n9", code=1)
    cluster.kill(3 if to != 3 else 2)
    assert "DEGRADED, tolerates 0 failures" in ask(cluster, "status", code=1)
    cluster.kill(to if to != 1 else ({2, 3} & set(cluster.processes)).pop())
    assert "NOT SERVING" in ask(cluster, "status", code=1)


@pytest.mark.slow
@each(REGISTERS)
def test_without_a_leader_a_cluster_is_healthy_and_says_that_nobody_leads(
    cluster: LocalCluster, name: str
) -> None:
    redis.Redis(port=cluster.ports[1].redis).set("x", "1")
    assert cluster.leader() is None
    report = json.loads(ask(cluster, "status", "-o", "json"))
    assert (report["verdict"], report["tolerates"]) == ("HEALTHY", 1)
    assert f"{name} · HEALTHY" in ask(cluster, "status")
    members = json.loads(ask(cluster, "members", "list", "-o", "json"))
    assert [row["node"] for row in members] == ["n1", "n2", "n3"]
    nobody = f"{name} has no leader: every member serves by itself"
    assert nobody in ask(cluster, "leader", "transfer", "n2", code=1)
    assert nobody in ask(cluster, "leader", "show", code=1)
    no_moment = "there is no moment at which a copy could show all of them"
    assert no_moment in ask(cluster, "backup", str(cluster.data / "file"), code=1)
    assert not (cluster.data / "file").exists()
    counted = metrics(cluster, 1)
    assert counted["comitia_has_leader"] == 0
    assert counted["comitia_link_sent_bytes_total"] > 0
    cluster.kill(3)
    assert "DEGRADED, tolerates 0 failures" in ask(cluster, "status", code=1)
    cluster.kill(2)
    assert "NOT SERVING" in ask(cluster, "status", code=1)


@pytest.mark.parametrize("name", ["paxos", "commit", "two_generals", "byzantine"])
def test_a_protocol_that_serves_no_clients_is_refused_with_those_that_do(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "comitia", "serve", "--protocol", name],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"{name} serves no clients" in done.stderr
    assert "raft, viewstamped" in done.stderr or "raft, multipaxos" in done.stderr
