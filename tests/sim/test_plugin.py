"""The pytest plugin and the tutorial: what a reader is shown is what happens."""

from __future__ import annotations

import re

import pytest
from primary import TUTORIAL, tutorial_code


@pytest.fixture
def tutorial(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_primary=tutorial_code())
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugins = ("-p", "no:cacheprovider", "-p", "comitia.testing")
    return pytester.runpytest_inprocess("-q", *plugins, *arguments)


def story_of(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if " is broken by seed " in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("replay:"))
    return [line.rstrip() for line in lines[start : end + 1]]


def test_the_tutorials_first_protocol_fails_with_the_story_shown(
    tutorial: pytest.Pytester,
) -> None:
    result = run(tutorial, "test_primary.py::test_primary")
    result.assert_outcomes(failed=1)
    found = re.search(r"<!-- story -->\n```text\n(.*?)\n```", TUTORIAL.read_text(), re.S)
    assert found is not None
    assert story_of(result.outlines) == found[1].splitlines()


def test_the_tutorials_mended_protocol_passes(tutorial: pytest.Pytester) -> None:
    run(tutorial, "test_primary.py::test_durable_primary").assert_outcomes(passed=1)


def test_the_tutorials_last_claim_fails_with_liveness(tutorial: pytest.Pytester) -> None:
    result = run(tutorial, "test_primary.py::test_one_member_may_stay_dead")
    result.assert_outcomes(failed=1)
    assert "Liveness is broken" in story_of(result.outlines)[0]


def test_the_replay_line_runs_that_seed_alone(tutorial: pytest.Pytester) -> None:
    lines = story_of(run(tutorial, "test_primary.py::test_primary").outlines)
    seed = lines[-1].rsplit(" ", 1)[1]
    again = run(tutorial, "test_primary.py::test_primary", "--sim-seed", seed)
    assert story_of(again.outlines) == lines


def test_a_history_that_cannot_be_fails_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from comitia.history.operation import Event

        def test_it(linearizable):
            stale = [
                Event("invoke", 1, "write", 5), Event("ok", 1, "write", 5),
                Event("invoke", 2, "read"), Event("ok", 2, "read", 4),
            ]
            linearizable(stale, "register")
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not linearizable*"])
