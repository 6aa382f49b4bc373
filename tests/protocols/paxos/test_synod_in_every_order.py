"""Synod, explored whole: what holds, what each broken line does, which quorums do not work."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from paxos_mutants import (
    AcceptDoesNotPromise,
    BallotsWithoutAProposer,
    ForgetsItsBallot,
    ForgetsItsPromise,
    ForgetsItsVote,
    GoesOnAfterARestart,
    MostFrequentValue,
    PromisesCountedByMessage,
    VotesCountedByMessage,
)

from comitia.check import Limits, Outcome, Report, breadth_first, space_of
from comitia.kernel import Ballot, Model, Network, NodeId
from comitia.protocols.paxos import models
from comitia.protocols.paxos.acceptor import Acceptor
from comitia.protocols.paxos.models import synod
from comitia.protocols.paxos.promises import Agreement
from comitia.protocols.paxos.proposer import Proposer
from comitia.quorums import Majority
from comitia.quorums.expression import choose, members_of
from comitia.quorums.readwrite import ReadWrite, threshold


def explore(model: Model, states: int = 600_000) -> Report:
    return breadth_first(space_of(model, (Agreement,)), limits=Limits(states=states))


@pytest.mark.slow
def test_one_value_is_chosen_by_majorities_in_every_order() -> None:
    report = explore(models.agreement(ballots=1))
    assert report.outcome is Outcome.HOLDS, report.story
    assert report.states > 5_000


def test_one_value_is_chosen_although_members_crash() -> None:
    report = explore(models.agreement(acceptors=1, ballots=2, crashes=1))
    assert report.outcome is Outcome.HOLDS, report.story


FLEXIBLE = {
    "3 of 3 to prepare, 1 to accept": threshold((1, 2, 3), 3, 1),
    "1 to prepare, 2 of 2 to accept": threshold((1, 2), 1, 2),
    "2 of 2": threshold((1, 2), 2, 2),
}


@pytest.mark.parametrize("system", FLEXIBLE.values(), ids=FLEXIBLE)
def test_any_quorums_do_whose_two_phases_meet(system: ReadWrite) -> None:
    report = explore(synod(system, ballots=1))
    assert report.outcome is Outcome.HOLDS, report.story


def missing(members: int, read: int, write: int) -> ReadWrite:
    terms = members_of(range(1, members + 1))
    return ReadWrite.unchecked(choose(read, terms), choose(write, terms))


@pytest.mark.parametrize(
    ("members", "read", "write", "depth"), [(2, 1, 1, 9), (3, 2, 1, 13), (3, 1, 2, 13)]
)
def test_quorums_whose_phases_do_not_meet_choose_two_values(members, read, write, depth) -> None:
    report = explore(synod(missing(members, read, write), ballots=1))
    assert report.outcome is Outcome.BROKEN, report
    assert report.property == "Chosen"
    assert report.depth <= depth, report


@pytest.mark.slow
def test_two_of_four_choose_two_values() -> None:
    report = explore(models.quorums_that_miss(4, 2), states=6_000_000)
    assert (report.outcome, report.property) == (Outcome.BROKEN, "Chosen")


def voted(id: NodeId, n: Ballot, v: bytes) -> Acceptor:
    acceptor = Acceptor(id)
    acceptor.max_bal = acceptor.max_vbal = n
    acceptor.max_val = v
    return acceptor


def after_two_ballots(proposer: type[Proposer]) -> Model:
    """Ballot (1, 8) got one vote, then (1, 9) was chosen by the other two."""
    model = synod(Majority((1, 2, 3)), proposers=1, proposer=proposer, symmetric=False)
    old, new = (Ballot(1, 8), b"old"), (Ballot(1, 9), b"older")
    acceptors = {1: partial(voted, 1, *old), 2: partial(voted, 2, *new), 3: partial(voted, 3, *new)}
    return dataclasses.replace(model, nodes={**model.nodes, **acceptors})


MUTANTS = {
    AcceptDoesNotPromise: lambda: synod(
        Majority((1, 2, 3)), ballots=1, acceptor=AcceptDoesNotPromise
    ),
    ForgetsItsPromise: lambda: synod(
        Majority((1,)), ballots=1, crashes=1, acceptor=ForgetsItsPromise
    ),
    ForgetsItsVote: lambda: synod(Majority((1,)), ballots=1, crashes=1, acceptor=ForgetsItsVote),
    VotesCountedByMessage: lambda: synod(
        Majority((1, 2, 3)), ballots=1, network=Network.DUPLICATING, proposer=VotesCountedByMessage
    ),
    PromisesCountedByMessage: lambda: synod(
        Majority((1, 2, 3)),
        ballots=1,
        network=Network.DUPLICATING,
        proposer=PromisesCountedByMessage,
    ),
    ForgetsItsBallot: lambda: synod(
        Majority((1,)),
        proposers=1,
        ballots=1,
        crashes=1,
        requests=2,
        network=Network.DUPLICATING,
        proposer=ForgetsItsBallot,
    ),
    GoesOnAfterARestart: lambda: synod(
        Majority((1,)),
        proposers=1,
        ballots=1,
        crashes=1,
        requests=2,
        network=Network.DUPLICATING,
        proposer=GoesOnAfterARestart,
    ),
    BallotsWithoutAProposer: lambda: synod(
        Majority((1, 2)), ballots=1, proposer=BallotsWithoutAProposer
    ),
    MostFrequentValue: lambda: after_two_ballots(MostFrequentValue),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_model_checker_kills(mutant) -> None:
    report = explore(MUTANTS[mutant]())
    assert report.outcome is Outcome.BROKEN, f"{mutant.__doc__} lives: {report}"


def test_the_highest_ballot_reported_decides_not_the_most_frequent_value() -> None:
    assert explore(after_two_ballots(Proposer)).outcome is Outcome.HOLDS
