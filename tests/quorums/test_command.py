from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from comitia.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["quorums", *arguments])


def test_analyze_says_what_a_system_bears_and_withstands() -> None:
    result = run("analyze", "choose(2, (a, b, c))", "--exact", "-o", "json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["load"] == "2/3"
    assert told["capacity"] == "3/2"
    assert told["writes"]["expression"] == "choose(2, a, b, c)"
    assert told["reads"]["resilience"] == 1
    assert told["reads"]["availability"] == pytest.approx(0.999702)
    assert {tuple(q["quorum"]) for q in told["strategy"]["reads"]} <= {
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    }


def test_analyze_shows_tables_by_default() -> None:
    result = run(
        "analyze", "grid((a, b), (c, d))", "-r", "0.9=3", "-r", "1/2", "--capacity", "a=0.5:0.25"
    )
    assert result.exit_code == 0
    for part in ("reads   a*b + c*d", "writes  (a + b)*(c + d)", "availability", "{c, d}", "load"):
        assert part in result.output


def test_a_system_too_large_to_list_is_analysed_all_the_same() -> None:
    members = ", ".join(f"n{i}" for i in range(1, 32))
    told = json.loads(run("analyze", f"majority({members})", "--exact", "-o", "json").output)
    assert told["load"] == "16/31"
    assert told["reads"]["quorums"] is None
    assert (told["reads"]["smallest"], told["reads"]["resilience"]) == (16, 15)
    shown = run("analyze", f"majority({members})").output
    assert "not listed" in shown
    assert "1 - 2.6e-24" in shown
    assert "from 16" in shown


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_written(tmp_path: Path, ending: str) -> None:
    picture = tmp_path / f"grid.{ending}"
    result = run("analyze", "a*b + c*d", "--plot", str(picture))
    assert result.exit_code == 0
    assert picture.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml"}[ending])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("a*b", "--writes", "c"),
            "read quorum {a, b} and write quorum {c}: 0 in common",
        ),
        (("majority(a, b, c)", "--load-limit", "0.5"), "no strategy is within these limits"),
        (("choose(3, a, b, c, d, e)", "--dissemination", "1"), "1 in common, 2 needed"),
        (("choose(3, a, b, c, d)", "--masking", "1"), "2 in common, 3 needed"),
        (("a*b", "-f", "1"), "survives 1 failures"),
    ],
)
def test_a_property_that_does_not_hold_exits_with_1_and_says_why(
    arguments: tuple[str, ...], why: str
) -> None:
    result = run("analyze", *arguments)
    assert result.exit_code == 1
    assert why in result.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("analyze", "a +"), "a member is missing here"),
        (("analyze", "a", "-r", "x"), "'x' is no number"),
        (("analyze", "a", "-r", "2"), "read fractions lie in 0..1"),
        (("analyze", "a", "--capacity", "b=1"), "'b' is not among the members a"),
        (("analyze", "a", "--capacity", "a"), "write NAME=NUMBER"),
        (("analyze", "a", "--capacity", "a=0"), "above 0"),
        (("analyze", "a", "--up", "2"), "between 0 and 1"),
        (("analyze", "a", "--plot", "picture.nonsense"), "cannot write picture.nonsense"),
        (("search", "a,a"), "different members"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_why(arguments: tuple[str, ...], why: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in result.output


def test_a_correct_byzantine_system_passes_its_check() -> None:
    assert run("analyze", "choose(4, a, b, c, d, e)", "--dissemination", "1").exit_code == 0


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("highspy", ("analyze", "a")), ("matplotlib.figure", ("analyze", "a", "--plot", "p.svg"))],
)
def test_a_missing_extra_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, module: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = run(*arguments)
    assert result.exit_code == 1
    assert "pip install 'comitia[quorums]'" in result.output


def test_search_finds_the_grid_of_four() -> None:
    result = run("search", "a,b,c,d", "--survive", "1", "-o", "json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["looked_at"] == 16
    assert told["complete"]
    assert told["load"] == pytest.approx(0.5)


def test_search_tells_when_nothing_will_do() -> None:
    result = run("search", "a,b,c", "--survive", "2")
    assert result.exit_code == 1
    assert "none of 5 systems will do" in result.output


def test_search_says_that_it_stopped_early() -> None:
    result = run("search", "a,b,c,d,e,f", "--seconds", "0")
    assert result.exit_code == 0
    assert "looked at 1 systems (stopped after 0 s)" in result.output


def test_list_shows_the_known_systems_with_their_optimal_loads() -> None:
    told = {row["name"]: row for row in json.loads(run("list", "-o", "json").output)}
    assert told["majority"]["load"] == "3/5"
    assert told["grid"]["load"] == "1/3"
    assert told["fano"]["load"] == "3/7"
    assert "Cheung" in run("list").output
