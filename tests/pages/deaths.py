"""The table of mutants on the simulator's page: what broke of each, and after how many seeds.

Each row is written by the test that kills its mutant, when it is asked to:

    pytest -m "not campaign" -k "broken_line or mutant or finds_it" --regenerate \\
        tests/sim tests/protocols

Otherwise that test only demands that the mutant has its row: a figure may be of an older run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from comitia.sim.faults import ALL, NETWORK
from comitia.sim.mutants import Mutant
from comitia.sim.run import Failure, Settings

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
HEAD = "| what is broken | faults | what showed it | seeds |\n|---|---|---|---|\n"


def tell(
    protocol: str,
    mutants: Sequence[Mutant],
    mutant: Mutant,
    settings: Settings,
    failure: Failure,
    request: pytest.FixtureRequest,
) -> None:
    """Demand a row for `mutant` in the table of `protocol`, or write it; the table has `mutants`,
    in this order."""
    text = PAGE.read_text()
    found = re.search(rf"(<!-- mutants: {protocol} -->\n)((?:\|.*\n)*)", text)
    assert found is not None, f"{PAGE.name} has no place for the mutants of {protocol}"
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in found[2].splitlines()[2:]}
    if request.config.getoption("--regenerate"):
        faults = told(settings.faults)
        rows[mutant.says] = f"| {mutant} | {faults} | {failure.promise} | {failure.seed + 1:,} |"
        table = "".join(f"{rows[m.says]}\n" for m in mutants if m.says in rows)
        PAGE.write_text(text[: found.start()] + found[1] + HEAD + table + text[found.end() :])
    else:
        assert mutant.says in rows, "pytest --regenerate writes its row (pages/deaths.py)"
        assert len(rows) == len(mutants), f"rows without a mutant: {rows.keys()}"


def told(faults: tuple[str, ...]) -> str:
    """Return `faults` with the names of groups, where they are all of one."""
    if faults == ALL:
        return "all"
    whole = faults[: len(NETWORK)] == tuple(NETWORK)
    return " ".join(("network", *faults[len(NETWORK) :]) if whole else faults)
