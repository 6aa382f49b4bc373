"""ABD in the simulator and in the model checker, over any quorum system."""

from __future__ import annotations

from dataclasses import replace

import pytest
from abd_mutants import MUTANTS

from comitia.check import Limits, Outcome, breadth_first, space_of
from comitia.kernel import NodeId
from comitia.protocols.abd import PROTOCOL, models
from comitia.protocols.abd.node import Abd
from comitia.quorums.expression import choose, members_of
from comitia.quorums.named import grid
from comitia.quorums.readwrite import ReadWrite, threshold
from comitia.sim.run import Settings, simulate


def first_failure(protocol, seeds: int, settings: Settings):
    outcomes = (simulate(protocol, seed, settings) for seed in range(seeds))
    return next((outcome.failure for outcome in outcomes if outcome.failure), None)


def test_registers_are_linearizable_and_everybody_is_served_after_the_faults() -> None:
    assert first_failure(PROTOCOL, 60, Settings(steps=500)) is None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulator_kills(mutant) -> None:
    failure = first_failure(replace(PROTOCOL, make=mutant), 1_500, Settings(liveness=False))
    assert failure is not None, f"{mutant.__doc__} lives"
    print(failure)


def over(system: ReadWrite):
    def make(id: NodeId, voters: tuple[NodeId, ...]) -> Abd:
        return Abd(id, voters, system)

    return replace(PROTOCOL, make=make)


FOUR = members_of((1, 2, 3, 4))
WORKING = {
    "read 1, write all": threshold((1, 2, 3, 4), 1, 4),
    "read all, write 1": threshold((1, 2, 3, 4), 4, 1),
    "a grid": ReadWrite(reads=grid((FOUR[:2], FOUR[2:]))),
}


@pytest.mark.parametrize("system", WORKING.values(), ids=WORKING)
def test_any_quorum_system_will_do(system: ReadWrite) -> None:
    # Without liveness: these systems stand still with one member down, as they must.
    assert first_failure(over(system), 40, Settings(nodes=4, liveness=False)) is None


@pytest.mark.parametrize(("read", "write"), [(2, 2), (1, 3), (3, 1)])
def test_quorums_that_do_not_meet_lose_writes(read: int, write: int) -> None:
    system = ReadWrite.unchecked(choose(read, FOUR), choose(write, FOUR))
    failure = first_failure(over(system), 300, Settings(nodes=4, liveness=False))
    assert failure is not None and failure.promise == "Linearizability"


@pytest.mark.slow
def test_one_timestamp_has_one_value_in_every_order() -> None:
    report = breadth_first(
        space_of(models.writers(), PROTOCOL.promises), limits=Limits(states=3_000_000)
    )
    assert report.outcome is Outcome.HOLDS, report
