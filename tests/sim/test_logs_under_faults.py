"""Every replicated log, under everything that the simulator knows."""

from __future__ import annotations

import pytest
from replicated_logs import LOGS, every_log

from comitia import protocols
from comitia.sim.host import Host
from comitia.sim.run import Settings, simulate
from comitia.sim.simulation import Simulation
from comitia.sim.workload import Op


@every_log
def test_a_log_keeps_its_promises_and_recovers_under_all_faults(protocol: str) -> None:
    served = 0
    for seed in range(50):
        outcome = simulate(protocols.load(protocol), seed, Settings())
        assert outcome.failure is None, str(outcome.failure)
        served += outcome.served
    assert served > 50 * 10, "clients were served, so something was tested"


@every_log
def test_the_same_seed_gives_the_same_run(protocol: str) -> None:
    log = protocols.load(protocol)
    assert simulate(log, 5) == simulate(log, 5)


@pytest.mark.campaign
@every_log
def test_a_log_keeps_its_promises_over_many_seeds(protocol: str) -> None:
    for seed in range(10_000):
        outcome = simulate(protocols.load(protocol), seed, Settings())
        assert outcome.failure is None, str(outcome.failure)


def test_after_all_has_healed_clients_ask_members_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 8078 of `viewstamped`: of 7 nodes one was left in the group, and a client of the
    others, which forwarded what it wrote and never heard of it, was not served in time."""
    asked, attempt = set[tuple[int, bool]](), Simulation.attempt

    def noting(self: Simulation, op: Op, host: Host) -> None:
        if self.members:
            asked.add((self.seed, host.id in self.members))
        attempt(self, op, host)

    monkeypatch.setattr(Simulation, "attempt", noting)
    faults = ("loss", "crash", "membership")
    left = 0
    for seed in range(12):
        outcome = simulate(protocols.load("viewstamped"), seed, Settings(faults=faults))
        assert outcome.failure is None, str(outcome.failure)
        left += (seed, True) in asked
    assert left > 8  # in the others nobody had anything left to ask
    assert not any((seed, False) in asked for seed in range(12))


def test_the_logs_are_found_and_registers_are_none() -> None:
    assert {"raft", "viewstamped"} <= set(LOGS)
    assert "abd" not in LOGS
