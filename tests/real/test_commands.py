"""The commands a newcomer and an operator type, on real processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from processes import ENVIRONMENT, comitia, free_ports, running, wait
from replicated_logs import every_log

from comitia.cli import _nodes, doctor


def first_port() -> int:
    """A port that is free, as are those of all three nodes, below the range clients draw from."""
    for port in range(20_000 + os.getpid() % 9000, 32_000, 7):
        with contextlib.ExitStack() as stack:
            try:
                for offset in (0, 1, 2, 100, 101, 102, 200, 201, 202):
                    sock = stack.enter_context(socket.socket())
                    sock.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")


started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """A test that fails leaves no cluster behind."""
    yield
    while started:
        process = started.pop()
        if process.poll() is None:
            down(process)


def up(data: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "comitia", "up", "--data", str(data), "--port", str(port)],
        env=ENVIRONMENT | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    started.append(process)
    assert process.stdout is not None
    shown = ""
    while "try:" not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    return process, shown


def down(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # the impatient press it twice
    return process.communicate(timeout=30)[0]


@pytest.mark.slow
def test_up_starts_three_nodes_ctrl_c_stops_them_and_the_data_are_found_again(
    tmp_path: Path,
) -> None:
    port = first_port()
    process, shown = up(tmp_path / "data", port)
    assert all(f"n{id} ✔" in shown for id in (1, 2, 3))  # as they come
    assert re.search(r"raft · leader n\d · term \d", shown)
    assert f"redis 127.0.0.1:{port} {port + 1} {port + 2}" in shown
    client = redis.Redis(port=port + 1)
    assert client.set("x", "1")
    taken = comitia("up", "--data", str(tmp_path / "other"), "--port", str(port), code=1)
    assert f"port {port} is taken" in taken
    assert "--port" in taken
    assert "stopped" in down(process)
    other = comitia("up", "--data", str(tmp_path / "data"), "--nodes", "5", code=1)
    assert "--nodes 3" in other
    process, _ = up(tmp_path / "data", port)
    assert redis.Redis(port=port + 2).get("x") == b"1"
    assert "stopped" in down(process)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' parent death signal")
def test_when_up_itself_is_killed_its_nodes_stop(tmp_path: Path) -> None:
    port = first_port()
    process, _ = up(tmp_path / "data", port)
    process.kill()
    process.wait()

    def gone() -> bool:
        for id in range(3):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port + id)):
                return False
        return True

    wait(gone, "the nodes to stop")


@pytest.mark.slow
def test_an_operator_sees_moves_adds_and_removes(tmp_path: Path) -> None:
    with running(tmp_path, spares=1) as cluster:
        cluster.settle()
        node = ("--node", f"127.0.0.1:{cluster.http[1]}")
        assert "HEALTHY, tolerates 1 failure" in wait_for_status(node)
        report = json.loads(comitia("status", "-o", "json", *node))
        assert [status["node"] for status in report["nodes"]] == [1, 2, 3]
        leader = cluster.leader()
        to = leader % 3 + 1
        assert f"n{to} leads" in comitia("leader", "transfer", f"n{to}", *node)
        assert comitia("leader", "show", *node).strip() == f"n{to}"
        looked_at = "\n".join(text for _, text in doctor.cluster(node[1:]))
        assert "3 voters, 1 of them may fail" in looked_at
        assert "its clock is" in looked_at
        cluster.client(1).set("x", "1")

        cluster.start(4)
        wait(lambda: cluster.status(4), "n4")
        address = f"127.0.0.1:{cluster.peer[4]}"
        added = comitia("members", "add", "n4", "--address", address, "--learner", *node)
        assert "n4 is a learner" in added
        wait(lambda: (s := cluster.status(4)) and s.applied >= 2, "the learner to catch up")
        assert "n4 is a voter" in comitia("members", "promote", "n4", *node)
        assert cluster.client(4).get("x") == b"1"
        assert "n4" in comitia("members", "list", *node)
        assert "no learner" in comitia("members", "promote", "n4", *node, code=1)
        removed = comitia("members", "remove", "n4", "--yes", *node)
        assert "plan: remove n4; 3 voters remain, 1 of them may fail" in removed
        fourth = cluster.processes.pop(4)
        fourth.terminate()
        assert fourth.wait(20) == 0
        cluster.signal(to, signal.SIGKILL)
        others = [id for id in cluster.ids if id != to]
        cluster.leader(others)
        node = ("--node", f"127.0.0.1:{cluster.http[others[0]]}")
        assert "DEGRADED, tolerates 0 failures" in comitia("status", *node, code=1)


def wait_for_status(node: tuple[str, ...]) -> str:
    for _ in range(50):
        shown = subprocess.run(
            [sys.executable, "-m", "comitia", "status", *node],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        if shown.returncode == 0:
            break
        time.sleep(0.1)
    return shown.stdout + shown.stderr


@pytest.mark.slow
@every_log
def test_health_metrics_and_refusals_over_http(tmp_path: Path, protocol: str) -> None:
    with running(tmp_path, protocol=protocol) as cluster:
        cluster.settle()
        base = f"http://127.0.0.1:{cluster.http[1]}"
        assert get(f"{base}/livez") == (200, "ok\n")
        assert get(f"{base}/readyz?verbose") == (200, "ok\n")
        metrics = get(f"{base}/metrics")[1]
        for name in (
            "comitia_has_leader 1.0",
            "etcd_server_has_leader 1.0",
            'etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"}',
            "comitia_peers_connected 2.0",
        ):
            assert name in metrics
        assert get(f"{base}/leader", data=b'{"to": 2}')[0] == 415  # what a form would send
        assert get(f"{base}/status", host="evil.example")[0] == 400
        for id in (2, 3):
            cluster.signal(id, signal.SIGSTOP)
        wait(lambda: get(f"{base}/readyz")[0] == 503, "the node to miss its leader")
        assert "no leader is known" in get(f"{base}/readyz?verbose")[1]
        assert get(f"{base}/livez") == (200, "ok\n")


@pytest.mark.slow
def test_who_needs_the_leader_waits_out_an_election_and_not_for_a_lost_majority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as cluster:
        leader = cluster.leader()
        one, other = (id for id in cluster.ids if id != leader)
        at = f"127.0.0.1:{cluster.http[one]}"
        cluster.signal(leader, signal.SIGKILL)
        assert comitia("leader", "show", "--node", at).strip() in (f"n{one}", f"n{other}")
        cluster.signal(other, signal.SIGKILL)
        wait(lambda: (found := cluster.status(one)) and not found.leader, "the leader to step down")
        monkeypatch.setattr(_nodes, "PAUSE_S", -1)  # to wait would be an error
        with pytest.raises(_nodes.Unreachable, match=rf"no leader answers \(n{one} does, "):
            _nodes.chief_of((at,))


def get(url: str, data: bytes | None = None, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, data, {"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_serve_says_what_is_wrong_before_it_starts(tmp_path: Path) -> None:
    assert "no protocol 'nothing'" in comitia("serve", "--protocol", "nothing", code=2)
    assert "node" in comitia("serve", "--node", "0", code=2)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("nod = 1\n")
    assert "nod" in comitia("serve", "--config", str(wrong), code=2)
    optimised = subprocess.run(
        [sys.executable, "-O", "-m", "comitia", "serve"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert optimised.returncode == 2
    assert "python -O" in optimised.stderr


def test_without_a_cluster_status_says_how_to_start_one() -> None:
    (port,) = free_ports(1)
    shown = comitia("status", "--node", f"127.0.0.1:{port}", code=1)
    assert "comitia up" in shown
