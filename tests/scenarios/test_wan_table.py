"""The published latencies over three sites follow from the protocols (CASPaxos, section 3.2)."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

WAN = Path(__file__).parents[2] / "benchmarks" / "wan.py"


def test_leaderless_sites_wait_for_the_nearest_other_and_a_leader_far_away_for_itself() -> None:
    found = dict(runpy.run_path(str(WAN))["rows"]())
    table = {name.split(",")[0].split(" ")[0]: means for name, means in found.items()}
    assert table["CASPaxos"] == pytest.approx({1: 43.6, 2: 43.6, 3: 338.0}, abs=0.5)
    assert table["Raft"] == pytest.approx({1: 676.0, 2: 716.4, 3: 338.0}, abs=2.0)
