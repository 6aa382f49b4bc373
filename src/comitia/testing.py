"""A pytest plugin: simulate a protocol of your own under every fault, in a test.

    @pytest.mark.simulate(seeds=200, faults="all")
    def test_my_protocol_keeps_its_promises(sim):
        sim(PROTOCOL)

A failing seed is shrunk to the shortest story found; the test fails with it and with the command
that runs this seed again.  `--sim-seeds N` runs more seeds, `--sim-seed S` one of them.

The fixture `cluster` is a real one, of processes on free ports of this machine:

    def test_a_value_outlives_the_leader(cluster):
        client = redis.Redis(port=cluster.ports[1].redis)
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from comitia.net.local import LocalCluster

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
    config.addinivalue_line(
        "markers",
        "cluster(nodes=3, **settings): how many processes the fixture `cluster` starts, and "
        "settings of `comitia serve` (protocol='raft', reads='lease', ...)",
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


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCluster]:
    """A cluster of processes that serves, as the test's mark `cluster` says; raft without one.

    When the test fails, the ends of the nodes' logs are shown with it.
    """
    from comitia.net.local import LocalCluster, Ports

    mark = request.node.get_closest_marker("cluster")
    settings: dict[str, Any] = dict(mark.kwargs) if mark else {}
    ports = Ports.free(settings.pop("nodes", 3))
    cluster = LocalCluster(tmp_path / "cluster", ports, settings)
    try:
        cluster.start_all()
        for _ in cluster.wait_until_served():
            continue
        yield cluster
    finally:
        cluster.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    running = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and running is not None:
        from comitia.net.local import LocalCluster

        if isinstance(running, LocalCluster):  # a project may call a fixture of its own so
            for id in running.ids:
                report.sections.append((f"the end of the log of n{id}", running.tail(id, 30)))
    return report
