"""What a newcomer types wrongly is answered with the cause, the next command and code 2 or 1."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from comitia.cli import backup, main
from comitia.net.local import Ports
from comitia.net.segment import Identity
from comitia.net.wal import Wal


def comitia(*words: str, code: int) -> str:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_every_command_shows_how_it_is_used_with_an_example(words: tuple[str, ...]) -> None:
    shown = comitia(*words, "--help", code=0)
    assert f"Example: comitia {words[0]}" in shown


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["status", "--node", "nonsense"], "'nonsense' is no address: want host:port"),
        (["backup", "x", "--node", "1:2:x"], "'1:2:x' is no address"),
        (["bench", "--target", "nonsense"], "'nonsense' is no address"),
        (["bench", "--against", "70000"], "'70000' is no address"),
        (["members", "add", "n4", "--address", "here"], "'here' is no address"),
        (["members", "remove", "four"], "'four' is no node: n1, n2"),
        (["leader", "transfer", "n0"], "'n0' is no node"),
        (["check", "nonsense"], "no protocol 'nonsense'; there are: abd"),
        (["sim", "nonsense"], "no protocol 'nonsense'; there are: abd"),
        (["up", "--protocol", "nonsense"], "no protocol 'nonsense'; there are: abd"),
        (["up", "--protocol", "paxos"], "paxos serves no clients"),
        (["serve", "--options", "color=red"], "options color=red"),
        (["serve", "--options", "heartbeat_ms=9000"], "a heartbeat must come more often"),
        (["serve", "--protocol", "abd", "--options", "color=red"], "options color=red"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: list[str], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ports = Ports.free(1)[1]
    if words[0] == "serve":
        words += ["--redis", str(ports.redis), "--peer", str(ports.peer), "--http", str(ports.http)]
    assert cause in comitia(*words, code=2)
    assert not list(tmp_path.iterdir()), "nothing was begun"


@pytest.mark.parametrize("verb", ["status", "backup x", "leader show", "members list"])
def test_without_a_cluster_every_operator_is_told_how_to_start_one(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = f"127.0.0.1:{Ports.free(1)[1].http}"
    assert "start one with `comitia up`" in comitia(*verb.split(), "--node", nowhere, code=1)


def test_what_does_not_speak_redis_is_not_measured_for_long(tmp_path: Path) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        at = f"127.0.0.1:{server.getsockname()[1]}"
        said = comitia("bench", "--target", at, "--clients", "1", code=1)
    assert "does not speak as Redis does" in said


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory where nothing can be made, even by the superuser, for whom modes do not count."""
    directory = tmp_path / "read only"
    directory.mkdir()
    opened, made = os.open, os.mkdir

    def refuse(path: object) -> None:
        if str(path).startswith(str(directory)):
            raise OSError(errno.EROFS, "Read-only file system", str(path))

    def no_open(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & os.O_CREAT:
            refuse(path)
        return opened(path, flags, *more, **named)  # type: ignore[arg-type]

    def no_mkdir(path: object, *more: object, **named: object) -> None:
        refuse(path)
        made(path, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", no_open)
    monkeypatch.setattr(os, "mkdir", no_mkdir)
    return directory


def test_a_read_only_disk_is_named_and_not_a_traceback(read_only: Path) -> None:
    assert "nothing can be written in" in comitia("doctor", "--data", str(read_only), code=1)
    said = comitia("up", "--data", str(read_only), "--port", "30001", code=1)
    assert "Read-only file system" in said
    rows = json.loads(comitia("doctor", "--data", str(read_only), "-o", "json", code=1))
    assert [row["fine"] for row in rows][:1] == [False]


def test_data_of_another_size_or_with_a_node_lost_are_not_filled_up_with_empty_nodes(
    tmp_path: Path,
) -> None:
    for id in (1, 2, 3):
        (wal := tmp_path / f"n{id}" / "wal").mkdir(parents=True)
        log = Wal(wal, Identity("held", id, "raft", 1), segment_bytes=1 << 13)
        assert not list(log.recover())
        log.close()
    said = comitia("up", "--data", str(tmp_path), "--nodes", "5", code=1)
    assert "holds 3 nodes (n1, n2, n3); start it with --nodes 3" in said
    shutil.rmtree(tmp_path / "n2")
    said = comitia("up", "--data", str(tmp_path), code=1)
    assert "lacks n2: start each of the others with `comitia serve`" in said


def test_a_backup_needs_a_directory_that_is_there(tmp_path: Path) -> None:
    said = comitia("backup", str(tmp_path / "nowhere" / "x"), code=1)
    assert "nowhere is no directory: make it first" in said


def test_a_history_that_cannot_be_kept_is_not_recorded(tmp_path: Path) -> None:
    said = comitia("bench", "--record", str(tmp_path / "nowhere" / "x"), code=1)
    assert "No such file or directory" in said
    assert "comitia up" not in said


def test_a_backup_that_is_terminated_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []

    def half(at: str) -> Iterator[bytes]:
        yield b"all that the cluster holds"
        (part,) = tmp_path.iterdir()
        modes.append(part.stat().st_mode & 0o007)
        os.kill(os.getpid(), signal.SIGTERM)
        yield b"and more"

    monkeypatch.setattr(backup, "_candidates", lambda nodes: ["anywhere"])
    monkeypatch.setattr(backup, "_pieces", half)
    assert "Aborted" in comitia("backup", str(tmp_path / "x"), code=1)
    assert modes == [0], "not for everybody"
    assert not list(tmp_path.iterdir())
