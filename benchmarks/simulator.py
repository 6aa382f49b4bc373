"""How many events a second the simulator handles: three-node Raft, every promise on, one core.

    python benchmarks/simulator.py [SEEDS]

Processor time is measured, so that other work on the machine matters little; the best of three.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time

from comitia.protocols.raft import PROTOCOL
from comitia.sim.faults import parse_faults
from comitia.sim.run import Settings, simulate


def measure(faults: str, seeds: int) -> None:
    """Print the speed under `faults`."""
    settings = Settings(nodes=3, faults=parse_faults(faults))
    best, steps, events = float("inf"), 0, 0
    for _ in range(3):
        began = time.process_time()
        outcomes = [simulate(PROTOCOL, seed, settings) for seed in range(seeds)]
        best = min(best, time.process_time() - began)
        steps, events = sum(o.steps for o in outcomes), sum(o.events for o in outcomes)
        assert all(o.failure is None for o in outcomes)
    print(
        f"faults {faults:8} {events / best:9,.0f} events/s   {steps / best:9,.0f} steps/s   "
        f"{best / seeds * 1000:5.1f} ms/seed   {events / seeds:6,.0f} events/seed"
    )


def dominates(seeds: int) -> None:
    """Print where the time goes, by layer."""
    profile = cProfile.Profile()
    settings = Settings(nodes=3)
    profile.runcall(lambda: [simulate(PROTOCOL, seed, settings) for seed in range(seeds)])
    shares: dict[str, float] = {}
    for (path, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        layer = path.split("comitia/")[-1].rsplit("/", 1)[0] if "comitia/" in path else "python"
        shares[layer] = shares.get(layer, 0.0) + own
    total = sum(shares.values())
    for layer, own in sorted(shares.items(), key=lambda item: -item[1])[:8]:
        print(f"  {own / total:5.0%}  {layer}")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for which in ("none", "network", "all"):
        measure(which, count)
    print("where the time goes, faults all, under the profiler:")
    dominates(count // 2)
