"""Raft, under everything that the simulator knows."""

from __future__ import annotations

from comitia.protocols.raft import PROTOCOL
from comitia.sim.run import Settings, simulate


def test_raft_keeps_its_promises_and_recovers_under_all_faults() -> None:
    served = 0
    for seed in range(60):
        outcome = simulate(PROTOCOL, seed, Settings())
        assert outcome.failure is None, str(outcome.failure)
        served += outcome.served
    assert served > 60 * 10, "clients were served, so something was tested"


def test_the_same_seed_gives_the_same_run() -> None:
    assert simulate(PROTOCOL, 5) == simulate(PROTOCOL, 5)
