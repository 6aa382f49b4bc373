"""Multi-Paxos as bounded models: every order of messages and timeouts, crashes among them.

A model has no clock, so leases and rounds, which only matter to reads and to who waits for whom,
are left out: acceptors promise to anybody at any moment, and a leader leads until it is preempted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from comitia.kernel import Ballot, Model, NodeId, Out, Propose, Reconfigure, Slot
from comitia.kernel.model import Nodes
from comitia.protocols.multipaxos.messages import Command, Configuration, P1a, P1b, P2a, P2b
from comitia.protocols.multipaxos.multipaxos import MultiPaxos
from comitia.protocols.multipaxos.options import Options

DECIDED = "a client's command is performed"
SUCCEEDED = "a later leader performs it too"
CHANGED = "the new acceptors decide"


class Timeless(MultiPaxos):
    """Nobody waits for anybody."""

    def hear(self, leader: NodeId, out: Out) -> None:
        """Grant no lease."""

    def wait(self, out: Out) -> None:
        """May try to lead, at any moment, if it has not yet."""
        if self.leader_ballot_num.round == 0:
            out.set_timer("patience", after=(1, 1))

    def on_heartbeat_timer(self, out: Out) -> None:
        """No rounds."""

    def begin_round(self, out: Out) -> None:
        """No rounds."""

    def behind(self, wanted: Configuration) -> tuple[NodeId, ...]:
        """Nobody tells what it has performed."""
        return ()


class Silent(Timeless):
    """Who does not hear of a decision is like who hears of it late."""

    def end_of_turn(self, out: Out) -> None:
        self.propose(out)


class ThinQuorums(Silent):
    """Must fail: one acceptor less than a majority promises and accepts for all."""

    def is_enough(self, configuration: Configuration, promised: frozenset[NodeId]) -> bool:
        return len(promised) >= configuration.quorum.size - 1

    def has_accepted(self, configuration: Configuration, accepted: frozenset[NodeId]) -> bool:
        return len(accepted) >= configuration.quorum.size - 1


class Forgetful(Silent):
    """Must fail: what an acceptor has accepted is not on its disk."""

    stable: ClassVar[tuple[str, ...]] = tuple(
        name for name in Silent.stable if name not in ("accepted", "decided")
    )


class Hasty(Timeless):
    """Must fail: a configuration decides from the very next slot on."""

    def takes_effect(self, slot: Slot) -> Slot:
        return slot + 1


def agreement(acceptors: int = 3, crashes: int = 0) -> Model:
    """n1 and then n2 lead, each with a command of its own for the first slot."""
    return _model(acceptors, crashes, slots=1, commands=(1, 1))


def holes(acceptors: int = 3, commands: int = 2, crashes: int = 0) -> Model:
    """n1 has proposed for several slots at once, and n2 finds what is left of that."""
    asked = tuple(Propose(b"1.%d" % number) for number in range(commands))
    return replace(
        _model(acceptors, crashes, slots=commands, commands=(commands, 0)),
        prologue=(
            (1, "patience"),
            *((n, P1a) for n in range(2, acceptors + 1)),
            *((1, P1b, n) for n in range(2, acceptors // 2 + 2)),
            (1, P1a),
            (1, P1b, 1),
            *((1, request) for request in asked),
        ),
    )


def quorums_that_miss(acceptors: int = 4) -> Model:
    """Must fail: quorums that do not meet, as 2 of 4; two commands are chosen for a slot."""
    model = _model(acceptors, 0, 1, (1, 1), ThinQuorums)
    return replace(model, sometimes={}, breaks="ChosenStays")


def forgotten_pvalues(acceptors: int = 3, crashes: int = 1) -> Model:
    """Must fail: who crashes forgets what it accepted, so the next leader does not hear of it."""
    model = _model(acceptors, crashes, 1, (1, 1), Forgetful)
    return replace(model, sometimes={}, breaks="ChosenStays")


def reconfiguration(member: type[MultiPaxos] = Timeless, breaks: str = "") -> Model:
    """n1 and n2 hand over to n3, WINDOW being 2: n1 has proposed that for slot 1, and has had a
    command decided for slot 2.
    """
    options = Options(reads="index", window=2, trailing_slots=0)
    change, command = Reconfigure(1, frozenset({3})), Propose(b"1")
    ballot_num, since = Ballot(1, 1), member(1, (1, 2), options).takes_effect(1)
    changing = (Command(configuration=Configuration(since, (3,))),)
    return Model(
        nodes={id: partial(member, id, (1, 2), options) for id in (1, 2, 3)},
        clients=(((1, change),), ((1, command),), ((3, Propose(b"3")),)),
        within=lambda node: (
            node.leader_ballot_num.round in (0, (node.id + 1) // 2)
            and node.id * bool(node.leader_ballot_num.round) != 2
            and node.slot_in <= 4
        ),
        prologue=(
            (1, "patience"),
            (2, P1a),
            (1, P1b, 2),
            (1, P1a),
            (1, P1b, 1),
            (1, change),
            (3, P1a),
            (1, P1b, 3),
            (1, command),
            (2, P2a(ballot_num, 2, (Command(b"1"),), 0, 0)),
            (1, P2b(ballot_num, 2, 2, 0), 1),
            (1, P2b(ballot_num, 2, 2, 0), 2),
            (2, P2a(ballot_num, 1, changing, 0, 0)),
        ),
        sometimes={} if breaks else {CHANGED: lambda nodes: leads(nodes, 2)},
        breaks=breaks,
    )


def window_not_kept() -> Model:
    """Must fail: where a change counts at once, old and new acceptors decide the same slot."""
    return reconfiguration(Hasty, "ChosenStays")


def performed(nodes: Nodes) -> bool:
    """Has anybody performed a client's command?"""
    return any(
        pvalue is not None and pvalue.command.value
        for node in nodes.values()
        for pvalue in node.accepted.slice(node.accepted.first, node.performed)
    )


def leads(nodes: Nodes, round: int) -> bool:
    """Does somebody lead with this round or a later one?"""
    return any(node.active and node.leader_ballot_num.round >= round for node in nodes.values())


def _model(
    acceptors: int,
    crashes: int,
    slots: int,
    commands: tuple[int, int],
    member: type[MultiPaxos] = Silent,
) -> Model:
    """n1 tries the first ballot and n2 the second, and nobody another."""
    voters = tuple(range(1, acceptors + 1))
    options = Options(reads="index", window=slots, trailing_slots=0)
    nodes: dict[NodeId, Callable[[], MultiPaxos]] = {
        id: partial(member, id, voters, options) for id in voters
    }
    return Model(
        nodes=nodes,
        clients=tuple(
            ((leader, Propose(b"%d.%d" % (leader, number))),)
            for leader, count in enumerate(commands, 1)
            for number in range(count)
        ),
        within=lambda node: (
            node.leader_ballot_num.round in (0, node.id)
            and node.id * bool(node.leader_ballot_num.round) <= 2
            and node.slot_in <= slots + 1
        ),
        crashes=crashes,
        sometimes={
            DECIDED: performed,
            SUCCEEDED: lambda nodes: performed(nodes) and leads(nodes, 2),
        },
    )
