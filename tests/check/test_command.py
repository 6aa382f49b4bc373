"""`comitia check`, as people type it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from comitia.cli import main
from comitia.history.trace import read_trace


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", *arguments])
    return result.exit_code, result.output


def test_a_protocol_is_checked_by_its_first_model_with_its_bounds_turned() -> None:
    code, text = check("raft", "elections", "--terms", "1", "--crashes=0")
    assert code == 0
    assert "everything holds" in text


def test_a_configuration_known_to_be_wrong_passes_by_failing() -> None:
    code, text = check("two_generals", "hopeful")
    assert code == 0
    assert "it is wrong, and must break AttackTogether" in text


def test_what_is_broken_gives_exit_status_1_and_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "wrong.jsonl"
    code, text = check("check.synod:synod", "--quorum", "1", "--trace", str(path), "-o", "json")
    assert code == 1
    report = json.loads(text)
    assert (report["outcome"], report["property"], report["depth"]) == ("broken", "Agreement", 11)
    assert report["passes"] == 1 and report["bytes_per_state"] >= 0 and report["notes"] == []
    header, events = read_trace(path.read_bytes().splitlines())
    assert (header.source, header.promise, header.nodes) == (
        "checker",
        "Agreement",
        (1, 2, 3, 4, 5),
    )
    assert events[-1].kind == "violation"
    causes = [event.cause for event in events if event.kind == "recv"]
    assert all(cause is not None and events[cause].kind == "send" for cause in causes)


def test_a_limit_gives_exit_status_3() -> None:
    code, text = check("raft", "--states", "5000")
    assert code == 3
    assert "nothing broken until 5,000 states" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "no protocol 'nothing'; there are: abd, "),
        (["nowhere:model"], "no nowhere:model: No module named"),
        (["raft", "nothing"], "try elections"),
        (["raft", "elections", "--moons", "3"], "has no bound --moons; it has --servers"),
        (["raft", "elections", "--terms", "many"], "--terms wants a whole number, not 'many'"),
        (["raft", "--search", "walk"], "give --seconds or --states"),
        (["check.synod:undead"], "n4 still reads one of votes on deliver"),
    ],
)
def test_wrong_usage_gives_exit_status_2_and_says_what_is_right(
    arguments: list[str], says: str
) -> None:
    code, text = check(*arguments)
    assert code == 2
    assert says in re.sub(r"\s+", " ", text)
