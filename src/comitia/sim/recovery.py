"""After the chaos everything heals: the cluster must serve everybody and agree, and then be calm.

Two promises of every protocol, neither of which a single step can break:

- **Liveness**: within a bound of virtual time every client is served and all members have applied
  the same.
- **LeaderStays**: when nothing is wrong any more, who leads is not deposed time and again.  With a
  leader that forgets its heartbeats, or voters whom anybody can talk out of a leader that they
  hear, clients are served all the same, a little late: only the succession of leaders shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from comitia.kernel import NodeId, View
from comitia.sim.ledger import Violation
from comitia.sim.simulation import Simulation

WHOLE_RUNS: Final = ("Liveness", "LeaderStays")
"""The promises that only a whole run can break: no part of its tape is the reason."""

LIVENESS_BOUND: Final = 200
"""After healing, everything must be served within this many times the cluster's patience."""

STEPS_BOUND: Final = 20_000
"""And within this many steps, for clusters that are busy without time passing."""

CALM: Final = 6
"""For so many times the cluster's patience LeaderStays is watched, in one seed of CALM_SEEDS."""
CALM_SEEDS: Final = 4
CALM_CHANGES: Final = 3
"""So many elections may still come of what was under way."""

Latest = Callable[[], View | None]
"""What the latest leader sees; None while nobody leads."""


def recover(sim: Simulation, latest: Latest, bound: int = LIVENESS_BOUND) -> None:
    """End the chaos and see that the cluster recovers, within `bound` times its patience.

    Raises Violation when it does not.
    """
    core, since = sim.chaos.heal(), sim.time
    steps = sim.steps
    while sim.time - since <= bound * 1000 * sim.unit:
        if sim.steps - steps > STEPS_BOUND:
            break  # busy, and getting nowhere
        sim.run(20)
        if "membership" in sim.plan.faults and (view := latest()) is not None:
            core = [*view.voters, *view.learners]
        sim.members = core
        if converged(sim, core):
            if sim.seed % CALM_SEEDS == 0 and not sim.workload.alone:
                be_calm(sim, latest)
            return
        if not sim.heap:
            break
    waiting = [f"{c.op.f} of client {c.process}" for c in sim.clients if c.op is not None]
    applied = ", ".join(
        f"n{host.id} {'is dead' if host.node is None else f'has applied {host.applied}'}"
        for host in sim.hosts.values()
    )
    raise Violation(
        "Liveness",
        f"{(sim.time - since) // 1000} ms after everything healed, still open: "
        f"{', '.join(waiting) or 'nothing'}; {applied}",
    )


def converged(sim: Simulation, core: Sequence[NodeId]) -> bool:
    """Every client has written something since, and the hosts of `core` have applied it."""
    if not all(client.content for client in sim.clients):
        return False
    if sim.workload.alone:
        return True
    return len({sim.hosts[id].applied for id in core}) == 1


def be_calm(sim: Simulation, latest: Latest) -> None:
    """Let time pass in which nothing happens.  Raises Violation when leaders come and go."""
    since, epochs, leaders = sim.time, set[int](), list[str]()
    while sim.heap and sim.time - since < CALM * 1000 * sim.unit:
        sim.run(20)
        view = latest()
        if view is not None and view.epoch not in epochs:
            epochs.add(view.epoch)
            leaders.append(f"n{view.leader} in {view.epoch}")
    if len(leaders) > 1 + CALM_CHANGES:
        raise Violation(
            "LeaderStays",
            f"nothing is wrong, but within {(sim.time - since) // 1000} ms there led "
            f"{', '.join(leaders)}",
        )
