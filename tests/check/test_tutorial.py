"""The code of the tutorial, run as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from comitia.check import Outcome, World, breadth_first

PAGE = Path(__file__).parents[2] / "docs" / "tutorial-check.md"


def tutorial() -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "wrong_paxos"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
        exec(block, scope)
    return scope


def test_the_wrong_paxos_holds_where_nothing_arrives_twice() -> None:
    report = breadth_first(World(tutorial()["paxos"]()))
    assert report.outcome == Outcome.HOLDS
    assert f"{report.states:,} states, {report.generated:,} generated" in PAGE.read_text()


def test_the_search_finds_the_vote_that_is_counted_twice() -> None:
    report = breadth_first(World(tutorial()["paxos"](network="duplicating")))
    assert report.property == "Agreement"
    twice = [str(beat) for beat in report.story.beats if "votes: 1 -> 2" in str(beat)]
    once = [str(beat) for beat in report.story.beats if "votes: 0 -> 1" in str(beat)]
    assert twice
    assert once[0].split(";")[0] == twice[0].split(";")[0], "the same message, twice"
    assert twice[0] in PAGE.read_text()


def test_the_repaired_paxos_holds() -> None:
    scope = tutorial()
    scope["Proposer"] = scope["Repaired"]
    report = breadth_first(World(scope["paxos"](network="duplicating")))
    assert report.outcome == Outcome.HOLDS, report.story


def test_the_example_of_the_manual_runs() -> None:
    # The one that begins with its imports; others are parts of something.
    (example,) = re.findall(
        r"```python\n(from .*?)```", PAGE.with_name("model-checker.md").read_text(), re.S
    )
    exec(example, {})
