"""`comitia sim`, as people use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from comitia.cli.sim import _option, command
from comitia.history.trace import read_trace
from comitia.protocols import raft
from comitia.sim import campaign as campaigns
from comitia.sim.campaign import Tally
from comitia.sim.run import Failure, Outcome, Settings


def outcome(seed: int, promise: str = "") -> Outcome:
    failure = Failure(seed, promise, "as was to be shown", 7) if promise else None
    return Outcome(seed, 10, 20, 3, 1000, failure)


def test_ctrl_c_says_how_far_it_came_and_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> Iterator[Outcome]:
        for seed in (100, 101, 104, 103):  # as workers return them
            yield outcome(seed)
        raise KeyboardInterrupt

    monkeypatch.setattr(campaigns, "campaign", interrupted)
    arguments = ["raft", "--first", "100", "--seeds", "50", "--faults", "crash"]
    result = CliRunner().invoke(command, arguments)
    assert "interrupted after 4 of 50 seeds" in result.output
    assert "go on:   comitia sim raft --first 102 --seeds 48 --faults crash" in result.output
    assert "✔ 4 of 4 seeds clean" in result.output
    assert result.exit_code == 130


def test_a_failure_prints_its_promise_a_story_a_line_that_replays_it_and_a_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse_to_propose(*arguments: Any, **options: Any) -> raft.Raft:
        node = raft.make(*arguments, **options)
        node.__class__ = Broken
        return node

    class Broken(raft.Raft):
        def on_propose(self, request: Any, out: Any) -> None:
            raise AssertionError("nobody may propose")

    broken = replace(raft.PROTOCOL, make=refuse_to_propose)
    monkeypatch.setattr("comitia.cli.sim.protocol_named", lambda name: broken)
    arguments = ["raft", "--seeds", "3", "--jobs", "1", "--steps", "200", "--trace", str(tmp_path)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    (first, *_) = [line for line in result.output.splitlines() if " is broken by seed " in line]
    seed = first.split(" is broken by seed ")[1].split(",")[0]
    assert f"replay:  comitia sim raft --seed {seed}" in result.output
    path = tmp_path / f"raft-{seed}.jsonl"
    assert f"trace:   {path}" in result.output
    header, events = read_trace(path.read_bytes().splitlines())
    assert header.promise == first.split()[0]
    assert events[-1].kind == "violation"


def test_a_campaign_of_any_length_keeps_one_failure_of_each_promise() -> None:
    tally = Tally(next_seed=5)
    for seed in (9, 8, 7, 6, 5, 11):
        tally.add(outcome(seed, "Agreement" if seed % 2 else "Validity"))
    assert (tally.failed, tally.next_seed, tally.ahead) == (6, 10, {11})
    assert {name: failure.seed for name, failure in tally.first.items()} == {
        "Agreement": 5,
        "Validity": 6,
    }
    assert tally.broken == {"Agreement": 4, "Validity": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["raft", "--set", "nonsense=1"], "Unexpected keyword argument 'nonsense'"),
        (["raft", "--set", "heartbeat_ms=900"], "a heartbeat must come more often"),
        (["raft", "--set", "heartbeat_ms"], "write NAME=VALUE"),
        (["raft", "--faults", "all,-tornado"], "no fault 'tornado'"),
        (["two_generals"], "two generals and a messenger are needed"),
        (["commit"], "`comitia check commit` explores it"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_run(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "seeds" not in result.output


def test_the_trace_of_a_seed_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    arguments = ["raft", "--seed", "3", "--steps", "20", "--trace"]
    for where, path in ((tmp_path / "a" / "b", "a/b"), (tmp_path, "raft-3.jsonl")):
        result = CliRunner().invoke(command, [*arguments, str(where)])
        assert result.exit_code == 0, result.output
        assert read_trace((tmp_path / path).read_bytes().splitlines())[0].seed == 3
    result = CliRunner().invoke(command, [*arguments, str(tmp_path / "a" / "b" / "c")])
    assert result.exit_code == 1
    assert "the trace cannot be written" in result.output


def test_the_line_that_replays_says_options_as_they_are_read_again() -> None:
    settings = Settings(options={"pre_vote": False, "heartbeat_ms": 70, "reads": "index"})
    words = settings.command("raft", "--seed 1").split()
    said = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert dict(map(_option, said)) == settings.options
