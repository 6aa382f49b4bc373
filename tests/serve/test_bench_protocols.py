"""`comitia bench --protocol`: protocols compared on real nodes, as a table and as a picture."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from comitia.cli import main
from comitia.cli._comparison import draw, table
from comitia.cli._protocols import Compared, Under, chosen


def bench(*options: str, code: int = 2) -> str:
    result = CliRunner().invoke(main, ["bench", *options])
    assert result.exit_code == code, result.output
    return result.output


def under(per_second: float) -> Under:
    return Under(
        clients=1, pipeline=1, per_second=per_second, p50_ms=1.5, p99_ms=20, messages=6.25,
        bytes=300, syncs=3.5, errors={},
    )  # fmt: skip


LOADS = {load: under(1234.5) for load in ("1", "64", "256", "64 x 16")}
FOUND = [
    Compared(protocol="raft", loads=LOADS, leader_lost_ms=[400, 650], other_lost_ms=[12]),
    Compared(protocol="abd", led=False, loads=LOADS, other_lost_ms=[9, 10]),
    Compared(protocol="zab", failure="n1 ended with code 1"),
]


def test_the_table_has_a_column_a_protocol_and_a_dash_where_nothing_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(FOUND)
    shown = capsys.readouterr().out
    lines = {line[:36].strip(): line[36:].split() for line in shown.splitlines()}
    assert lines[""] == ["RAFT", "ABD", "ZAB"]
    assert lines["SET/s, 64 x 16 clients"] == ["1,234", "1,234", "-"]
    assert lines["messages an operation, 1 client"] == ["6.25", "6.25", "-"]
    assert lines["ms unserved, leader killed"] == ["650", "-", "-"]
    assert lines["ms unserved, another killed"] == ["12", "10", "-"]
    assert "✘ zab: n1 ended with code 1" in shown


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture_is_drawn_even_where_a_protocol_failed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"all.{ending}"
    draw(FOUND, path)
    assert path.stat().st_size > 10_000
    if ending == "svg":
        assert "longest ms in which no client was served" in path.read_text()


def test_what_cannot_be_measured_or_drawn_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "'paxos' serves no clients; those that do: raft" in bench("--protocol", "raft,paxos")
    assert "want an ending of .svg" in bench("--protocol", "raft", "--plot", "x.txt")
    nowhere = str(tmp_path / "nowhere" / "x.svg")
    assert "its directory is not there" in bench("--protocol", "raft", "--plot", nowhere, code=1)
    assert "--against cannot be used with" in bench("--protocol", "raft", "--against", "1:1")
    assert "--plot means nothing without" in bench("--plot", "x.svg")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    missing = bench("--protocol", "raft", "--plot", str(tmp_path / "x.svg"), code=1)
    assert "pip install 'comitia[quorums]'" in missing


def test_all_protocols_that_serve_are_compared_raft_first() -> None:
    names = chosen("all")
    assert names[:1] == ("raft",)
    assert names[-2:] == ("caspaxos", "abd")
    assert chosen("abd,raft,abd") == ("abd", "raft")


@pytest.mark.slow
def test_a_log_and_registers_are_measured_on_nodes_of_their_own_that_leave_nothing(
    tmp_path: Path,
) -> None:
    options = ("--seconds", "0.2", "--kills", "1", "--data", str(tmp_path), "-o", "json")
    rows = json.loads(bench("--protocol", "raft,abd", *options, code=0))
    raft, abd = rows
    assert (raft["protocol"], raft["led"], abd["led"]) == ("raft", True, False)
    for row in rows:
        assert set(row["loads"]) == {"1", "64", "256", "64 x 16"}
        for load in row["loads"].values():
            assert load["errors"] == {}
            assert min(load["per_second"], load["messages"], load["bytes"], load["syncs"]) > 0
        # Alone, a SET must reach another node and come back, and be on two disks.
        assert row["loads"]["1"]["messages"] >= 2
        assert row["loads"]["1"]["syncs"] >= 2
        assert len(row["other_lost_ms"]) == 1
    assert len(raft["leader_lost_ms"]) == 1
    assert abd["leader_lost_ms"] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_comparison_leaves_neither_processes_nor_data(
    tmp_path: Path, number: signal.Signals
) -> None:
    words = ["bench", "--protocol", "raft", "--data", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "comitia", *words],
        stderr=subprocess.PIPE,
        # Whoever runs tests in the background of a shell ignores SIGINT, and so would all below.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline_s = time.monotonic() + 60
    while len(nodes_below(tmp_path)) < 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"Aborted" in errors
    assert not nodes_below(tmp_path)
    assert not list(tmp_path.iterdir())


def nodes_below(directory: Path) -> list[int]:
    """Return the processes that `comitia serve` data in `directory`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if b"serve" in words and os.fsencode(directory) in words:
            found.append(int(path.parent.name))
    return found
