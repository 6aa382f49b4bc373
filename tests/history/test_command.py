"""`comitia history` as people type it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from comitia.cli import main
from comitia.history import Event, read, to_json_lines

from .generate import history
from .test_isolation import Txn, a, r
from .test_isolation import run as transactional
from .test_online import as_events

RIGHT = [Event("invoke", 1, "write", 3), Event("ok", 1, "write")]
WRONG = [*RIGHT, Event("invoke", 1, "read"), Event("ok", 1, "read", 4)]


def write(path: Path, events: list[Event]) -> str:
    path.write_text("".join(f"{line}\n" for line in to_json_lines(events)))
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["history", *arguments])


def test_a_right_history_exits_with_0_and_a_wrong_one_with_1(tmp_path: Path) -> None:
    right = write(tmp_path / "right.jsonl", RIGHT)
    wrong = write(tmp_path / "wrong.jsonl", WRONG)
    done = run("verify", right)
    assert (done.exit_code, done.output[0]) == (0, "✔")
    done = run("verify", wrong)
    assert done.exit_code == 1
    assert "not linearizable: 1 of 2 operations" in done.output
    assert "nobody ever wrote 4" in done.output


def test_many_files_are_checked_at_once_and_counted(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.jsonl", RIGHT) for n in range(5)]
    files.append(write(tmp_path / "wrong.jsonl", WRONG))
    done = run("verify", *files, "--jobs", "2")
    assert done.exit_code == 1
    assert "6 files: 5 right, 1 wrong, 0 unknown; 7 operations" in done.output


def test_what_is_no_history_exits_with_2_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    done = run("verify", str(tmp_path / "x"))
    assert done.exit_code == 2
    assert "not a history" in done.output
    assert run("verify", str(tmp_path / "absent")).exit_code == 2
    for claim in ("linearizable", "serializable"):
        orphan = write(tmp_path / "orphan.jsonl", [*RIGHT, Event("ok", 1, "read", 3)])
        done = run("verify", orphan, "--property", claim)
        assert done.exit_code == 2
        assert "orphan.jsonl: line 3: ok of process 1, which called nothing" in done.output


def test_out_of_time_is_unknown_and_exits_with_2(tmp_path: Path) -> None:
    calls = [Event("invoke", n, "push", n % 12) for n in range(40)]
    returns = [Event("ok", n, "push") for n in range(40)]
    strange = [Event("invoke", 99, "pop"), Event("ok", 99, "pop", 77)]
    file = write(tmp_path / "hard.jsonl", [*calls, *returns, *strange])
    done = run("verify", file, "--model", "stack", "--timeout", "0.2")
    assert done.exit_code == 2
    assert "unknown: out of time" in done.output


def test_the_picture_is_of_the_file_that_is_wrong(tmp_path: Path) -> None:
    right = write(tmp_path / "right.jsonl", RIGHT)
    wrong = write(tmp_path / "wrong.jsonl", WRONG)
    out = tmp_path / "out.html"
    run("verify", right, wrong, "--html", str(out))
    assert "wrong.jsonl: not linearizable" in out.read_text()


def test_answers_come_as_json_too(tmp_path: Path) -> None:
    done = run("verify", write(tmp_path / "right.jsonl", RIGHT), "-o", "json")
    (answer,) = json.loads(done.output)
    assert (answer["ok"], answer["operations"], answer["engines"]) == (True, 1, ["zones"])


@pytest.mark.parametrize(
    "model",
    ["register", "store", "log", "set", "queue", "stack", "priority-queue", "counter", "lock"],
)
def test_every_model_can_be_named(tmp_path: Path, model: str) -> None:
    kind = model.split("-")[0]
    file = write(tmp_path / "x.jsonl", as_events(history(4, kind, length=12)))
    assert run("verify", file, "--model", model).exit_code == 0


def test_weaker_properties_can_be_asked_for(tmp_path: Path) -> None:
    stale = [*RIGHT, Event("invoke", 2, "read"), Event("ok", 2, "read")]
    file = write(tmp_path / "stale.jsonl", stale)
    assert run("verify", file).exit_code == 1
    assert run("verify", file, "--property", "sequential").exit_code == 0
    assert run("verify", file, "--property", "sessions").exit_code == 0
    assert run("verify", file, "--initial", "3").exit_code == 1
    assert run("verify", file, "--model", "queue", "--initial", "3").exit_code == 2
    txn = [
        Event("invoke", 1, "txn", (("r", "x", None), ("append", "y", 1))),
        Event("invoke", 2, "txn", (("r", "y", None), ("append", "x", 1))),
        Event("ok", 1, "txn", (("r", "x", ()), ("append", "y", 1))),
        Event("ok", 2, "txn", (("r", "y", ()), ("append", "x", 1))),
    ]
    file = write(tmp_path / "txn.jsonl", txn)
    assert run("verify", file, "--property", "read-committed").exit_code == 0
    done = run("verify", file, "--property", "serializable")
    assert done.exit_code == 1
    assert "G2, anti-dependency cycle" in done.output


@pytest.mark.parametrize(
    ("transactions", "level", "name", "edges"),
    [
        (
            ((a("x", 1), a("y", 1)), (a("x", 2), a("y", 2)), (r("x", 1, 2), r("y", 2, 1))),
            "read-committed",
            "G0, write cycle",
            ("T1 appended 2 to x after what T0 appended", "T0 appended 1 to y after what T1"),
        ),
        (
            ((a("x", 1), r("y", 1)), (a("y", 1), r("x", 1))),
            "read-committed",
            "G1c, circular information flow",
            ("T1 read 1 of x, which T0 appended", "T0 read 1 of y, which T1 appended"),
        ),
        (
            ((a("x", 1), a("y", 1)), (r("x"), r("y", 1)), (r("x", 1),)),
            "serializable",
            "G-single, read skew",
            ("T1 read x before T0 appended 1", "T1 read 1 of y, which T0 appended"),
        ),
        (
            ((r("x"), a("y", 1)), (r("y"), a("x", 1)), (r("x", 1), r("y", 1))),
            "serializable",
            "G2, anti-dependency cycle",
            ("T1 read y before T0 appended 1", "T0 read x before T1 appended 1"),
        ),
    ],
)
def test_an_anomaly_of_isolation_is_named_with_the_reason_of_every_edge(
    tmp_path: Path, transactions: tuple[Txn, ...], level: str, name: str, edges: tuple[str, ...]
) -> None:
    file = write(tmp_path / "txn.jsonl", transactional(*transactions))
    done = run("verify", file, "--property", level)
    assert done.exit_code == 1
    assert name in done.output
    assert all(edge in done.output for edge in edges), done.output
    assert "T0 (" in done.output, "the transactions are told step by step"


def test_record_keeps_what_the_clients_of_a_command_noted(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    text = "".join(f"{line}\n" for line in to_json_lines(RIGHT))
    client = (
        "import os; f = open(os.environ['COMITIA_HISTORY'], 'a');"
        f"f.write({text!r}); raise SystemExit(3)"
    )
    done = run("record", "--out", str(out), "--", sys.executable, "-c", client)
    assert done.exit_code == 3, "the exit code is the command's"
    assert run("verify", str(out)).exit_code == 0


def test_record_collects_from_many_processes_that_append(tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    client.write_text(
        """
import os, subprocess, sys
from comitia.history import Recorder, appending

with open(os.environ["COMITIA_HISTORY"], "ab", buffering=0) as file:
    recorder = Recorder(sink=appending(file))
    for n in range(5):
        with recorder.operation(os.getpid(), "write", n, key=sys.argv[1]):
            pass
    try:
        with recorder.operation(os.getpid(), "write", 9, key=sys.argv[1]):
            raise TimeoutError
    except TimeoutError:
        pass
if sys.argv[1] == "parent":
    raise SystemExit(subprocess.call([sys.executable, __file__, "child"]))
"""
    )
    out = tmp_path / "out.jsonl"
    done = run("record", "--out", str(out), "--", sys.executable, str(client), "parent")
    assert done.exit_code == 0, done.output
    assert "12 operations" in done.output
    found = read(out.read_text())
    assert {o.key for o in found} == {"parent", "child"}
    assert len({o.process for o in found}) == 2
    assert sum(o.end is None for o in found) == 2
    assert run("verify", str(out)).exit_code == 0


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("record", "--out", str(tmp_path / "x"), "--", "no-such-command")
    assert done.exit_code == 1
    assert "no-such-command: No such file or directory" in done.output
    done = run("record", "--out", str(tmp_path / "nowhere" / "x"), "--", "true")
    assert done.exit_code == 1
    assert "nowhere/x: No such file or directory" in done.output
