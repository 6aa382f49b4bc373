"""States generated a second of one core, and bytes a state, of the model checker.

    python benchmarks/checker.py

Every row runs in a process of its own, so that its memory is its own; seconds are those of the
processor, so that a busy machine does not matter much.  "full" is the plain search; "reduced" uses
all reductions, and so has fewer states to generate.  What is generated counts in the last pass
only, the seconds are those of all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from check.registers import replicated
from check.specifications import two_phase
from check.synod import synod
from comitia.check import Limits, Space, SystemSpace, World, breadth_first
from comitia.protocols.raft import PROTOCOL
from comitia.protocols.raft.models import elections, replication

ROWS: dict[str, Callable[[], Space]] = {
    "TwoPhase, 7 resource managers": lambda: SystemSpace(two_phase(7)),
    "Paxos, 2 proposers, 1 crash, full": lambda: _full(synod(crashes=1)),
    "Paxos, 2 proposers, 1 crash, reduced": lambda: World(synod(crashes=1, symmetric=True)),
    "Paxos, 2 ballots each, full": lambda: _full(synod(ballots=2)),
    "ABD, 3 servers, linearizability, full": lambda: _full(replicated(2, 3)),
    "Raft elections, 1 crash, full": lambda: _full(elections()),
    "Raft elections, 1 crash, reduced": lambda: World(elections(), PROTOCOL.promises),
    "Raft replication, 2 terms, full": lambda: _full(replication()),
    "Raft replication, 1 crash, reduced": lambda: World(replication(crashes=1), PROTOCOL.promises),
}
LIMITS = Limits(states=1_000_000, seconds=20)


def _full(model: object) -> World:
    promises = PROTOCOL.promises if "raft" in str(model).lower() else ()
    return World(model, promises, drop_stale=False, symmetric=False, subsume=False)  # type: ignore[arg-type]


def main(row: str | None = None) -> None:
    if row is not None:
        space, began = ROWS[row](), time.process_time()
        report = breadth_first(space, LIMITS)
        seconds = time.process_time() - began
        print(
            f"{row:40}{report.states:12,}{report.generated:13,}{report.passes:8}{seconds:8.1f}"
            f"{report.generated / seconds:12,.0f}{report.bytes_per_state:10.0f}"
        )
        return
    heads = f"{'states':>12}{'generated':>13}{'passes':>8}{'s':>8}{'generated/s':>12}{'bytes':>10}"
    print(f"{'':40}{heads}")
    for name in ROWS:
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run([sys.executable, __file__, name], check=True, env=environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
