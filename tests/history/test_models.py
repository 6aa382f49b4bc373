"""Every model through `comitia history verify`: a right history, and one that must not pass."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from comitia.cli.history import MODELS as OFFERED
from comitia.history import MODELS as ALL
from comitia.history import Event

from .test_command import run, write

Call = tuple[str, object, object]

MODELS: dict[str, tuple[list[Call], list[Call], str]] = {
    "a register": (
        [("read", None, None), ("write", 1, None), ("write", 2, None), ("read", None, 2)],
        [("write", 1, None), ("write", 2, None), ("read", None, 1)],
        "register",
    ),
    "a compare-and-set register": (
        [("write", 1, None), ("cas", (1, 2), True), ("cas", (1, 3), False), ("read", None, 2)],
        [("write", 1, None), ("cas", (1, 2), True), ("cas", (1, 3), True)],
        "register",
    ),
    "a compare-and-set register that did not change": (
        [("write", 1, None), ("cas", (7, 2), False), ("read", None, 1)],
        [("write", 1, None), ("cas", (1, 2), False)],
        "register",
    ),
    "a store": (
        [("get", None, ""), ("put", "a", None), ("append", "b", None), ("get", None, "ab")],
        [("put", "a", None), ("append", "b", None), ("get", None, "ba")],
        "store",
    ),
    "a log": (
        [("append", 1, None), ("append", 2, None), ("read", None, (1, 2))],
        [("append", 1, None), ("append", 2, None), ("read", None, (2, 1))],
        "log",
    ),
    "a set": (
        [("add", 1, True), ("add", 1, False), ("remove", 1, True), ("read", None, ())],
        [("add", 1, True), ("remove", 1, True), ("contains", 1, True)],
        "set",
    ),
    "a queue": (
        [("enqueue", 1, None), ("enqueue", 2, None), ("dequeue", None, 1), ("dequeue", None, 2)],
        [("enqueue", 1, None), ("enqueue", 2, None), ("dequeue", None, 2)],
        "queue",
    ),
    "a queue that loses": (
        [("enqueue", 1, None), ("dequeue", None, 1), ("dequeue", None, None)],
        [("enqueue", 1, None), ("dequeue", None, None)],
        "queue",
    ),
    "a stack": (
        [("push", 1, None), ("push", 2, None), ("pop", None, 2), ("pop", None, 1)],
        [("push", 1, None), ("push", 2, None), ("pop", None, 1)],
        "stack",
    ),
    "a priority queue": (
        [("insert", 2, None), ("insert", 1, None), ("pop", None, 1), ("pop", None, 2)],
        [("insert", 2, None), ("insert", 1, None), ("pop", None, 2)],
        "priority-queue",
    ),
    "a counter": (
        [("add", 2, None), ("incr", None, 3), ("decr", 1, None), ("read", None, 2)],
        [("add", 2, None), ("add", 2, 2)],
        "counter",
    ),
    "a lock": (
        [("acquire", "a", 1), ("acquire", "b", False), ("release", "a", None), ("acquire", "b", 2)],
        [("acquire", "a", 1), ("acquire", "b", 2)],
        "lock",
    ),
    "fencing tokens": (
        [("acquire", "a", 7), ("release", "a", None), ("acquire", "b", 9)],
        [("acquire", "a", 7), ("release", "a", None), ("acquire", "b", 7)],
        "lock",
    ),
    "a class of one's own": (
        [("flip", None, None), ("look", None, True), ("flip", None, None), ("look", None, False)],
        [("flip", None, None), ("look", None, False)],
        "my_models:Toggle",
    ),
    "a machine of one's own": (
        [("next", 3, 3), ("next", 4, 7)],
        [("next", 3, 3), ("next", 4, 4)],
        "my_models:Ticket",
    ),
}

OWN = """
from comitia.history import IMPOSSIBLE, UNKNOWN, Machine, Model


class Toggle(Model):
    name = "toggle"
    observers = frozenset({"look"})

    def initial(self, key):
        return False

    def step(self, state, input, output):
        if input[0] == "flip":
            return not state
        return state if output in (UNKNOWN, state) else IMPOSSIBLE


class Ticket(Machine):
    name = "ticket"

    def initial(self, key):
        return 0

    def apply(self, state, input):
        return state + input[1], state + input[1]


class Lost(Ticket):
    def apply(self, state, input):
        raise LookupError("no such ticket")
"""


@pytest.fixture(autouse=True)
def my_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_models.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "my_models", raising=False)


def one_by_one(calls: list[Call], key: str | None = None) -> list[Event]:
    return [
        event
        for f, value, output in calls
        for event in (Event("invoke", 1, f, value, key), Event("ok", 1, f, output, key))
    ]


def at_once(calls: list[Call]) -> list[Event]:
    return [
        *(Event("invoke", n, f, value) for n, (f, value, _) in enumerate(calls)),
        *(Event("ok", n, f, output) for n, (f, _, output) in enumerate(calls)),
    ]


def test_the_command_offers_every_model_there_is_and_each_is_tried() -> None:
    assert set(OFFERED) == set(ALL)
    assert set(ALL) <= {model for _, _, model in MODELS.values()}


@pytest.mark.parametrize("name", MODELS)
def test_a_right_history_exits_with_0(tmp_path: Path, name: str) -> None:
    right, _, model = MODELS[name]
    done = run("verify", write(tmp_path / "x.jsonl", one_by_one(right)), "--model", model)
    assert (done.exit_code, done.output[0]) == (0, "✔"), done.output
    done = run("verify", write(tmp_path / "x.jsonl", at_once(right)), "--model", model)
    assert done.exit_code == 0, "what is right in one order is right when all overlap"


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_history_exits_with_1_and_shows_operations(tmp_path: Path, name: str) -> None:
    _, wrong, model = MODELS[name]
    done = run("verify", write(tmp_path / "x.jsonl", one_by_one(wrong)), "--model", model)
    assert (done.exit_code, done.output[0]) == (1, "✘"), done.output
    assert "not linearizable" in done.output
    assert f"{wrong[-1][0]}(" in done.output


@pytest.mark.parametrize("name", MODELS)
def test_one_wrong_key_among_right_ones_is_found(tmp_path: Path, name: str) -> None:
    right, wrong, model = MODELS[name]
    events = [
        *one_by_one(right, "a"),
        *one_by_one(wrong, "b"),
        *one_by_one(right, "c"),
    ]
    done = run("verify", write(tmp_path / "x.jsonl", events), "--model", model)
    assert done.exit_code == 1
    assert f"b.{wrong[-1][0]}(" in done.output
    assert f"a.{wrong[-1][0]}(" not in done.output


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("heap", "no model 'heap': register, store"),
        ("my_models:Absent", "no model my_models:Absent"),
        ("no_such_module:X", "No module named"),
        ("my_models:UNKNOWN", "is no subclass of comitia.history.Model"),
    ],
)
def test_a_model_that_nobody_has_exits_with_2(tmp_path: Path, model: str, why: str) -> None:
    done = run("verify", write(tmp_path / "x.jsonl", one_by_one([])), "--model", model)
    assert done.exit_code == 2
    assert why in done.output


@pytest.mark.parametrize(
    ("calls", "model", "why"),
    [
        ([("dance", 1, None)], "register", "model register has no function 'dance'"),
        ([("dance", 1, None)], "queue", "model queue has no function 'dance'"),
        ([("cas", 1, True)], "register", "register cannot judge this history"),
        ([("next", 1, 1)], "my_models:Lost", "LookupError: no such ticket"),
    ],
)
def test_what_a_model_does_not_know_is_no_verdict_and_exits_with_2(
    tmp_path: Path, calls: list[Call], model: str, why: str
) -> None:
    done = run("verify", write(tmp_path / "x.jsonl", one_by_one(calls)), "--model", model)
    assert done.exit_code == 2, done.output
    assert why in done.output
