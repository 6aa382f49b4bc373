"""Synod and Fast Paxos in the simulator: every fault, then everybody learns the choice."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest
from paxos_mutants import FAST_MUTANTS

from comitia.check import Limits, Outcome, breadth_first, space_of
from comitia.protocols.paxos import FAST_PAXOS, PROTOCOL, models
from comitia.protocols.paxos.messages import NO_ROUND, Round
from comitia.protocols.paxos.picking import chosen, fast_majority, pick
from comitia.quorums.expression import choose, members_of
from comitia.quorums.readwrite import ReadWrite
from comitia.sim.run import Failure, Settings, simulate

FAST = Round(1, 1, False)
SHORT = Settings(steps=150, liveness=False)


def first_failure(protocol, seeds: int, settings: Settings = SHORT) -> Failure | None:
    outcomes = (simulate(protocol, seed, settings) for seed in range(seeds))
    return next((outcome.failure for outcome in outcomes if outcome.failure), None)


@pytest.mark.parametrize("protocol", [PROTOCOL, FAST_PAXOS], ids=lambda p: p.name)
def test_one_value_is_chosen_and_everybody_who_asks_learns_it(protocol) -> None:
    assert first_failure(protocol, 40, Settings(steps=300)) is None


@pytest.mark.parametrize("mutant", FAST_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulator_kills(mutant) -> None:
    failure = first_failure(replace(FAST_PAXOS, make=mutant), 200)
    assert failure is not None, f"{mutant.__doc__} lives"
    print(failure)


def quorums(size: int) -> ReadWrite:
    terms = members_of(range(1, 6))
    return ReadWrite.unchecked(choose(size, terms), choose(size, terms))


def wrong_picks(fast: int) -> int:
    """Of all votes of 5 acceptors in a fast round, and all majorities that report them: how often
    is something else proposed than what was chosen?
    """
    system, wrong = quorums(fast), 0
    for votes in product((None, b"a", b"b"), repeat=5):
        cast = frozenset((i, FAST if v else NO_ROUND, v) for i, v in enumerate(votes, 1))
        decided = chosen((vote for vote in cast if vote[2]), system)
        if decided is not None:
            for reporters in combinations(range(1, 6), 3):
                reports = frozenset(vote for vote in cast if vote[0] in reporters)
                wrong += pick(reports, system) != decided
    return wrong


def test_three_of_five_are_too_few_for_a_fast_quorum_and_four_are_enough() -> None:
    assert wrong_picks(4) == 0
    assert wrong_picks(3) > 0


@pytest.mark.parametrize(("n", "fast"), [(3, 3), (4, 3), (5, 4), (6, 5), (7, 6), (9, 7)])
def test_a_majority_and_two_fast_quorums_have_a_member_in_common(n: int, fast: int) -> None:
    system = fast_majority(range(1, n + 1))
    members = list(range(1, n + 1))
    assert system.is_write_quorum(set(members[:fast]))
    assert not system.is_write_quorum(set(members[: fast - 1]))
    assert 2 * fast + n // 2 + 1 > 2 * n


def explored(states: int, **bounds: int):
    space = space_of(models.fast(**bounds), FAST_PAXOS.promises)
    return breadth_first(space, limits=Limits(states=states))


@pytest.mark.parametrize("acceptors", [3, 4])
def test_fast_paxos_chooses_one_value_in_every_order_and_recovers_collisions(
    acceptors: int,
) -> None:
    report = explored(100_000, acceptors=acceptors)
    assert report.outcome is Outcome.HOLDS, report.story
    assert report.states > 5_000


@pytest.mark.campaign
def test_fast_paxos_chooses_one_value_although_two_members_coordinate() -> None:
    report = explored(2_000_000, acceptors=3, coordinators=2)
    assert report.outcome is Outcome.HOLDS, report.story


@pytest.mark.slow
def test_a_majority_as_fast_quorum_chooses_two_values() -> None:
    report = explored(600_000, acceptors=3, fast_quorum=2, coordinators=2)
    assert (report.outcome, report.property) == (Outcome.BROKEN, "FastChosen"), report
