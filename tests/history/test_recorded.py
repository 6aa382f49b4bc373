"""Recorded histories with known verdicts: runs of etcd under Jepsen and others."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from comitia.history import Model, Operation, Register, Store, check, read
from comitia.history.search import Search

from .oracle import explains

FOLDER = Path(
    os.environ.get("COMITIA_HISTORIES", Path(__file__).parents[2] / "../shared/histories")
)
VERDICTS = FOLDER / "verdicts.csv"
ROWS = list(csv.DictReader(VERDICTS.open())) if VERDICTS.exists() else []

pytestmark = pytest.mark.skipif(
    not ROWS,
    reason="no recorded histories: clone them beside this repository, or set COMITIA_HISTORIES",
)


def load(file: str) -> tuple[list[Operation], Model]:
    model = Store() if file.startswith("kv/") else Register()
    return read((FOLDER / file).read_text()), model


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_a_recorded_history_is_judged_as_it_is_known_to_be(row: dict[str, str]) -> None:
    operations, model = load(row["file"])
    verdict = check(operations, model)
    assert verdict.ok == (row["linearizable"] == "true")
    parts = model.parts(operations)
    for part in verdict.parts:
        if part.ok:
            explains(part.order, parts[part.key], model)
        else:
            assert part.contradiction is not None
            assert part.contradiction.operations


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_the_general_search_agrees(row: dict[str, str]) -> None:
    operations, model = load(row["file"])
    orders = [
        Search(part, model).explain(model.initial(key))
        for key, part in model.parts(operations).items()
    ]
    assert (None not in orders) == (row["linearizable"] == "true")


def test_the_contradiction_of_the_minimal_failure_is_the_read_of_what_nobody_wrote() -> None:
    operations, model = load("knossos/rethink-fail-minimal.edn")
    found = check(operations, model).parts[0].contradiction
    assert found is not None
    assert [str(o) for o in found.operations] == ["read() -> 3"]
