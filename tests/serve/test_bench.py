"""`comitia bench` measures and compares servers, and writes down histories that can be judged."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from comitia.cli import main
from comitia.history.readers import read


def bench(*options: str) -> str:
    result = CliRunner().invoke(main, ["bench", "--clients", "4", "--seconds", "0.2", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_table_compares_servers_load_by_load(port: int) -> None:
    at = f"127.0.0.1:{port}"
    lines = bench("--target", at, "--against", at, "--pipeline", "4").splitlines()
    assert lines[0].split()[:3] == ["LOAD", "TARGET", "OP/S"]
    assert len(lines) == 9
    assert all(at in line for line in lines[1:])
    assert all(("x" in line.split(at)[1]) is (n % 2 == 1) for n, line in enumerate(lines[1:]))


def test_json_has_rates_percentiles_and_errors(port: int) -> None:
    rows = json.loads(bench("--target", f"127.0.0.1:{port}", "-o", "json"))
    assert [row["load"] for row in rows] == ["set 4", "get 4", "set 4 x 16", "get 4 x 16"]
    for row in rows:
        assert row["per_second"] > 0
        assert 0 < row["ms"]["50"] <= row["ms"]["99"] <= row["ms"]["100"]
        assert row["errors"] == {}


def test_a_recorded_history_holds_every_call(port: int, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    said = bench("--target", f"127.0.0.1:{port}", "--record", str(file), "--keys", "2")
    operations = read(file.read_text())
    assert f"{len(operations)} calls on 2 keys, 0 with unknown outcome" in said
    assert {operation.f for operation in operations} == {"read", "write"}
    assert {operation.key for operation in operations} == {"bench:0", "bench:1"}
    written = {operation.value for operation in operations if operation.f == "write"}
    reads = [operation.output for operation in operations if operation.f == "read"]
    assert set(reads) <= written | {None}
    assert len(set(reads)) > 1


def test_a_recorded_history_is_judged_right_whatever_an_earlier_run_left(
    port: int, tmp_path: Path
) -> None:
    for run in ("first", "second"):
        file = str(tmp_path / run)
        bench("--target", f"127.0.0.1:{port}", "--record", file, "--keys", "2")
        result = CliRunner().invoke(main, ["history", "verify", file])
        assert result.exit_code == 0, result.output


def test_a_server_that_only_refuses_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.cli._recorded.PATIENCE_S", 0.2)
    with refusing() as port:
        result = CliRunner().invoke(
            main, ["bench", "--target", f"127.0.0.1:{port}", "--record", str(tmp_path / "x")]
        )
    assert result.exit_code == 1
    assert "no SET of bench:0 was answered" in result.output


@contextmanager
def refusing() -> Iterator[int]:
    """Yield the port of a server that answers every command with an error."""

    class Refuse(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(4096):
                self.request.sendall(b"-ERR no\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_server_that_is_not_there_is_named_with_the_next_command() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
        result = CliRunner().invoke(main, ["bench", "--target", target])
    assert result.exit_code == 1
    assert "comitia up" in result.output
