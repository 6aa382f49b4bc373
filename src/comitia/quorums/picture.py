"""A picture of a strategy: how much the system bears at each read fraction, and who is busy."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from comitia.quorums.optimum import Goal, best_strategy
from comitia.quorums.strategy import Strategy, Workload
from comitia.quorums.system import ExpressedSystem

READ, WRITE, BEST = "#0072B2", "#E69F00", "#009E73"  # told apart by the colour-blind too
STEPS: Final = 20


def draw(
    path: str,
    system: ExpressedSystem,
    workload: Workload,
    failures: int,
    strategy: Strategy,
    names: Mapping[int, str],
) -> None:
    """Write the picture to `path`; its ending (.svg, .png, .pdf) says in which format."""
    try:
        from matplotlib.figure import Figure  # heavy, and needed only here
    except ImportError:
        raise ModuleNotFoundError(
            "a picture needs matplotlib: pip install 'comitia[quorums]'", name="matplotlib"
        ) from None
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _capacities(left, system, workload, failures, strategy)
    _members(right, system, workload, strategy, names)
    figure.savefig(path, dpi=150)


def _capacities(
    axes: Any, system: ExpressedSystem, workload: Workload, failures: int, strategy: Strategy
) -> None:
    parts = [Fraction(step, STEPS) for step in range(STEPS + 1)]
    members = system.members
    best, chosen = [], []
    for part in parts:
        there = Workload(((part, Fraction(1)),), workload.profiles)
        lightest = best_strategy(system, there, Goal(failures=failures))
        best.append(float(lightest.capacity(members, there)))
        chosen.append(float(strategy.capacity(members, there)))
    at = [float(part) for part in parts]
    axes.plot(at, chosen, color=READ, label="this strategy")
    axes.plot(at, best, color=BEST, linestyle="--", label="best strategy for each fraction")
    for index, (part, chance) in enumerate(workload.reads):
        axes.axvline(
            float(part),
            color="grey",
            alpha=0.3 + 0.5 * float(chance),
            linewidth=1,
            label="" if index else "workload",
        )
    axes.set(xlabel="fraction of reads", ylabel="capacity (operations a unit of time)")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.25 * max(best + chosen))
    axes.legend(frameon=False)


def _members(
    axes: Any,
    system: ExpressedSystem,
    workload: Workload,
    strategy: Strategy,
    names: Mapping[int, str],
) -> None:
    part = workload.read_share
    labels = [names[member] for member in system.members]
    reads, writes = [], []
    for member in system.members:
        profile = workload.profile(member)
        often_read, often_written = strategy.use(member)
        reads.append(float(often_read * part / profile.read_capacity))
        writes.append(float(often_written * (1 - part) / profile.write_capacity))
    axes.bar(labels, reads, color=READ, label="reads")
    axes.bar(labels, writes, bottom=reads, color=WRITE, label="writes")
    axes.set(xlabel="member", ylabel="load (share of time busy, at one operation a unit)")
    axes.set_ylim(top=1.25 * max(map(sum, zip(reads, writes, strict=True))))
    if len(labels) > 12:
        axes.tick_params(axis="x", rotation=90)
    axes.legend(frameon=False, ncols=2, loc="upper right")
