"""One seed from beginning to end: draw its plan, run it, and say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from comitia.kernel import Node, NodeId, Protocol, View
from comitia.sim.adversary import Adversary
from comitia.sim.dice import Dice
from comitia.sim.faults import ALL, OPERATOR, draw_plan
from comitia.sim.ledger import Violation
from comitia.sim.recovery import recover
from comitia.sim.simulation import Simulation
from comitia.sim.workload import Registers, Requests, Workload

DEFAULT_STEPS = 1_000
DEFAULT_SIZES = (3, 3, 5)


@dataclass(frozen=True)
class Settings:
    """What is the same for all seeds of a campaign."""

    faults: tuple[str, ...] = ALL
    """The faults that a seed may draw; see `faults.py`."""
    nodes: int | None = None
    """Voters at the start; None: drawn."""
    clients: int | None = None
    steps: int = DEFAULT_STEPS
    """Steps until everything is healed."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the protocol."""
    workload: Callable[[], Workload] = Registers
    liveness: bool = True
    """After the steps, heal and demand that the cluster recovers."""

    def told(self) -> dict[str, Any]:
        """What a trace says of the settings."""
        return {
            "faults": list(self.faults),
            "nodes": self.nodes,
            "clients": self.clients,
            "steps": self.steps,
            "options": dict(self.options),
        }

    def command(self, protocol: str, which: str) -> str:
        """Return the command that runs `which` seeds (`--seed 4711`) with these settings."""
        words = [f"comitia sim {protocol} {which}"]
        if self.faults != ALL:
            words.append(f"--faults {','.join(self.faults) or 'none'}")
        if self.nodes is not None:
            words.append(f"--nodes {self.nodes}")
        if self.clients is not None:
            words.append(f"--clients {self.clients}")
        if self.steps != DEFAULT_STEPS:
            words.append(f"--steps {self.steps}")
        for name, value in sorted(self.options.items()):
            words.append(f"--set {name}={str(value).lower() if isinstance(value, bool) else value}")
        return " ".join(words)


@dataclass(frozen=True)
class Failure:
    """What was found."""

    seed: int
    promise: str
    text: str
    step: int

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.promise} after {self.step} steps: {self.text}"


@dataclass(frozen=True)
class Outcome:
    """What came of one seed."""

    seed: int
    steps: int
    """Steps of nodes."""
    events: int
    """Everything that happened: steps, and what was lost, late, in vain or between clients."""
    served: int
    """Operations of clients that were answered."""
    virtual_ms: int
    failure: Failure | None


def build(
    protocol: Protocol,
    seed: int,
    settings: Settings,
    kind: type[Simulation] = Simulation,
    adversary: Adversary | None = None,
) -> Simulation:
    """Return the simulation of `seed`, not begun."""
    dice = Dice(seed, "plan")
    faults = settings.faults
    if protocol.ask is not None:  # no log to cut, no leader to move
        possible = {"membership"} if hasattr(protocol.make(1, (1, 2, 3)), "members") else set()
        faults = tuple(f for f in faults if f not in OPERATOR or f in possible)
    sizes = DEFAULT_SIZES if settings.nodes is None else (settings.nodes,)
    plan = draw_plan(dice, faults, sizes, settings.clients)
    drawn = {name: dice.choose(values) for name, values in sorted(protocol.stress.items())}
    if dice.below(2):
        drawn = {}  # production's options are tested as well
    make = partial(_make, protocol.make, tuple(range(1, plan.voters + 1)), drawn, settings.options)
    promises = [promise() for promise in protocol.promises]
    workload = settings.workload()
    if protocol.ask is not None and isinstance(workload, Registers):
        workload = Requests(protocol.ask, protocol.verbs)
    # The law of values costs more than everything else: one seed in 64 checks it.
    laws = dice.below(64) == 0
    rolling = {
        name: values for name, values in protocol.stress.items() if name not in protocol.alike
    }
    return kind(seed, plan, make, promises, workload, protocol.view, laws, adversary, rolling)


def _make(
    make: Callable[..., Node],
    voters: tuple[NodeId, ...],
    drawn: Mapping[str, Any],
    given: Mapping[str, Any],
    id: NodeId,
    own: Mapping[str, Any],
) -> Node:
    return make(id, voters, **{**drawn, **own, **given})


def simulate(protocol: Protocol, seed: int, settings: Settings | None = None) -> Outcome:
    """Run one seed."""
    settings = settings or Settings()
    sim = build(protocol, seed, settings)
    violation = conduct(protocol, sim, settings)
    failure = Failure(seed, violation.promise, violation.text, sim.steps) if violation else None
    return Outcome(seed, sim.steps, sim.events, sim.ledger.done, sim.time // 1000, failure)


def conduct(protocol: Protocol, sim: Simulation, settings: Settings) -> Violation | None:
    """Run `sim` from its start to its end; return what went wrong."""
    try:
        sim.begin()
        sim.run(settings.steps)
        if settings.liveness:
            recover(sim, partial(latest_leader, protocol, sim))
        sim.ledger.judge()
    # Whatever a node raises is what we are looking for, an assertion most of all.
    except Exception as error:  # noqa: BLE001
        return sim.name(error)
    return None


def latest_leader(protocol: Protocol, sim: Simulation) -> View | None:
    """Return what the latest leader sees; None while nobody leads."""
    views = [
        protocol.view(node) for node in sim.nodes.values() if getattr(node, "leader", 0) == node.id
    ]
    return max(views, key=lambda view: view.epoch) if views else None
