"""Equal searches say equal things, whatever the hashes of the day."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from check.synod import Forgetful, synod
from check.specifications import two_phase
from comitia.check import SystemSpace, World, breadth_first, depth_first

report = breadth_first(World(synod(crashes=1, acceptor=Forgetful, symmetric=True)))
print(report, report.passes, report.story, sep="\\n")
report = depth_first(World(synod(quorum=1)))
print(report, report.story, sep="\\n")
print(breadth_first(SystemSpace(two_phase(4))))
"""


def test_counts_and_stories_do_not_depend_on_the_hash_seed() -> None:
    outputs = set()
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert b"Agreement" in outputs.pop()
