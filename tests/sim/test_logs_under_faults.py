"""Every replicated log, under everything that the simulator knows."""

from __future__ import annotations

import pytest
from replicated_logs import LOGS, every_log

from comitia import protocols
from comitia.sim.run import Settings, simulate


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


def test_the_logs_are_found_and_registers_are_none() -> None:
    assert {"raft", "viewstamped"} <= set(LOGS)
    assert "abd" not in LOGS
