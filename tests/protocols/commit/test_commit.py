"""Atomic commitment in every order: what holds, what blocks, what splits."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

from comitia.check import Limits, Outcome, Report, breadth_first, space_of
from comitia.kernel import ZERO, Model, Node
from comitia.protocols.commit import PROTOCOL, models
from comitia.protocols.commit.messages import ABORTED, COMMITTED, Abort, Commit, Inquire, Phase2a
from comitia.protocols.commit.paxos_commit import Acceptor, Leader, Participant
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.quorums import Majority


def explore(model: Model, states: int = 400_000) -> Report:
    return breadth_first(space_of(model, PROTOCOL.promises), limits=Limits(states=states))


def test_two_phase_commit_is_consistent_although_members_crash() -> None:
    report = explore(models.two_phase(managers=2, crashes=1))
    assert report.outcome is Outcome.HOLDS, report.story


def test_two_phase_commit_blocks_when_the_manager_dies_after_the_votes() -> None:
    report = explore(models.two_phase_blocks())
    assert (report.outcome, report.property) == (Outcome.BROKEN, "eventually decided"), report


def test_three_phase_commit_splits_when_messages_are_late() -> None:
    report = explore(models.three_phase_splits())
    assert (report.outcome, report.property) == (Outcome.BROKEN, "Consistency"), report


def test_paxos_commit_is_consistent_with_three_acceptors_and_a_second_leader() -> None:
    report = explore(models.paxos_commit())
    assert report.outcome is Outcome.HOLDS, report.story
    assert report.states > 4_000, "not only the run without a take-over"


def test_paxos_commit_with_one_acceptor_is_two_phase_commit_and_consistent() -> None:
    report = explore(models.paxos_commit(acceptors=1, both=True))
    assert report.outcome is Outcome.HOLDS, report.story


def test_paxos_commit_over_quorums_that_do_not_meet_decides_twice() -> None:
    report = explore(models.paxos_commit_quorums_that_miss())
    assert (report.outcome, report.property) == (Outcome.BROKEN, "Consistency"), report


class AbortsWhatItTakesOver(Leader):
    """Whatever the acceptors have voted for, the new leader proposes to abort."""

    def pick(self, ins):  # type: ignore[no-untyped-def]
        return ABORTED


class LearnsFromOneAcceptor(Leader):
    """A single vote counts as chosen."""

    def learn(self, out) -> None:  # type: ignore[no-untyped-def]
        votes = {vote[0]: vote[2] for _, vote in sorted(self.heard)}
        if ABORTED in votes.values():
            self.decide(ABORTED, out)
        elif len(votes) == len(self.managers):
            self.decide(COMMITTED, out)


class VotesBelowItsPromise(Acceptor):
    """An acceptor votes in a ballot that it has promised to leave behind."""

    def on_message(self, src, message, out) -> None:  # type: ignore[no-untyped-def]
        if isinstance(message, Phase2a):
            self.bal = min(self.bal, message.bal)
        super().on_message(src, message, out)


@pytest.mark.parametrize(
    "more",
    [
        {"leader": AbortsWhatItTakesOver},
        {"leader": LearnsFromOneAcceptor},
        {"acceptor": VotesBelowItsPromise},
    ],
    ids=lambda more: next(iter(more.values())).__name__,
)
def test_the_model_checker_kills_a_mutant_of_paxos_commit(more) -> None:  # type: ignore[no-untyped-def]
    report = explore(models.paxos_commit(**more))
    assert report.outcome is Outcome.BROKEN, report
    assert report.property in ("Consistency", "n1 works"), report
    print(f"{more}: {report.states} states, depth {report.depth}")


class DecidesAlone(ResourceManager):
    """A prepared resource manager that hears nothing aborts."""

    def on_timer(self, timer, out) -> None:  # type: ignore[no-untyped-def]
        if self.state == "prepared":
            self.end(ABORTED, out)


class TellsBeforeItWrites(TransactionManager):
    """The manager's decision is not on disk, and what is not on disk counts as aborted."""

    stable = ()

    def on_message(self, src, message, out) -> None:  # type: ignore[no-untyped-def]
        if isinstance(message, Inquire) and self.state == "working":
            out.send(src, Abort())
        else:
            super().on_message(src, message, out)


class CommitsWithTheFirst(TransactionManager):
    """One resource manager's vote is enough."""

    def on_message(self, src, message, out) -> None:  # type: ignore[no-untyped-def]
        if type(message).__name__ == "Prepared" and self.state == "prepared":
            self.state = COMMITTED
            out.send(src, Commit())
        else:
            super().on_message(src, message, out)


def broken(
    resource: type = ResourceManager, manager: type = TransactionManager, willing: bool = True
) -> Report:
    model = models.two_phase(managers=2, crashes=1)
    nodes = {1: partial(resource, 1, 3), 2: partial(resource, 2, 3, willing)}
    nodes[3] = partial(manager, 3, (1, 2))
    return explore(dataclasses.replace(model, nodes=nodes))


def test_the_model_checker_kills_every_mutant() -> None:
    for report in (
        broken(resource=DecidesAlone),
        broken(manager=CommitsWithTheFirst, willing=False),
        broken(manager=TellsBeforeItWrites),
    ):
        assert report.outcome is Outcome.BROKEN, report
        # Either all see it, or a resource manager is told what it never can be.
        assert report.property in ("Consistency", "n1 works", "n2 works"), report


def test_one_resource_manager_that_refuses_keeps_all_from_committing() -> None:
    report = broken(willing=False)
    assert (
        report.outcome is Outcome.BROKEN and report.property == "sometimes the transaction commits"
    )


class Voted(Participant):
    """A resource manager that has cast its vote; who asked for it is dead."""

    def on_start(self, out) -> None:  # type: ignore[no-untyped-def]
        self.state = "prepared"
        out.broadcast(self.system, Phase2a(self.id, ZERO, "prepared"))


def test_paxos_commit_does_not_block_when_a_leader_dies_after_the_votes() -> None:
    system = Majority((2, 3, 4))  # acceptor 4 and leader 5 are dead
    model = Model(
        nodes={
            1: partial(Voted, 1, 5, system),
            2: partial(Acceptor, 2, (5, 6)),
            3: partial(Acceptor, 3, (5, 6)),
            4: partial(Deaf, 4),
            5: partial(Deaf, 5),
            6: partial(Leader, 6, (1,), system),
        },
        within=lambda node: not isinstance(node, Leader) or node.bal.round <= 1,
        eventually={"decided": models.decided},
    )
    report = explore(model)
    assert report.outcome is Outcome.HOLDS, report.story


class Deaf(Node):
    """A node that is dead."""
