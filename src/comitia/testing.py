"""A pytest plugin: simulate a protocol of your own under every fault, in a test.

    @pytest.mark.simulate(seeds=200, faults="all")
    def test_my_protocol_keeps_its_promises(sim):
        sim(PROTOCOL)

A failing seed is shrunk to the shortest story found; the test fails with it and with the command
that runs this seed again.  `--sim-seeds N` runs more seeds, `--sim-seed S` one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from comitia.history.checker import check
from comitia.history.models import MODELS
from comitia.history.operation import Event, operations
from comitia.kernel import Protocol
from comitia.sim.campaign import Tally
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import Mutant, kill
from comitia.sim.run import DEFAULT_STEPS, Failure, Settings, simulate
from comitia.sim.story import story

DEFAULT_SEEDS = 100


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("comitia", "simulation of protocols")
    group.addoption("--sim-seeds", type=int, help="seeds of every simulated test")
    group.addoption("--sim-seed", type=int, help="run this seed only")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "simulate(seeds=100, faults='all', nodes=None, clients=None, steps=1000, options={}): "
        "what the fixture `sim` runs",
    )


class Simulate:
    """What the fixture `sim` is."""

    def __init__(
        self,
        settings: Settings,
        seeds: int = DEFAULT_SEEDS,
        seed: int | None = None,
        node: str = "",
    ) -> None:
        """`node` is the test's name for pytest, for the line that replays."""
        self.settings, self.node = settings, node
        self.seeds = range(seeds) if seed is None else range(seed, seed + 1)

    def __call__(self, protocol: Protocol) -> Tally:
        """Run every seed; fail the test with the story of the first that breaks a promise."""
        tally = Tally()
        for seed in self.seeds:
            outcome = simulate(protocol, seed, self.settings)
            tally.add(outcome)
            if outcome.failure is not None:
                self._fail(protocol, outcome.failure)
        return tally

    def _fail(self, protocol: Protocol, failure: Failure) -> None:
        lines = list(story(protocol, failure, self.settings).lines())
        if self.node:
            lines[-1] = f"replay:  pytest '{self.node}' --sim-seed {failure.seed}"
        pytest.fail("\n".join(lines), pytrace=False)

    def kills(self, protocol: Protocol, mutant: Mutant) -> Failure:
        """Fail unless one of the seeds breaks a promise of the mutant; return how."""
        return kill(protocol, mutant, len(self.seeds), self.settings)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulate:
    """Simulates a protocol, as the test's mark `simulate` says."""
    mark = request.node.get_closest_marker("simulate")
    wanted: dict[str, Any] = dict(mark.kwargs) if mark else {}
    seeds = wanted.pop("seeds", DEFAULT_SEEDS)
    faults = parse_faults(wanted.pop("faults", "all"))
    settings = Settings(faults=faults, steps=wanted.pop("steps", DEFAULT_STEPS), **wanted)
    option = request.config.getoption
    seeds = option("--sim-seeds") or seeds
    return Simulate(settings, seeds, option("--sim-seed"), request.node.nodeid)


@pytest.fixture
def linearizable() -> Any:
    """`linearizable(events, "register")` fails the test when no order explains the history."""

    def judge(events: Iterable[Event], model: str) -> None:
        verdict = check(operations(events), MODELS[model]())
        if verdict.ok is not True:
            pytest.fail(f"not {verdict.claim}: {verdict}", pytrace=False)

    return judge
