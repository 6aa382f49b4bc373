"""Small worlds of CASPaxos: proposers beside acceptors, one key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from comitia.kernel import Model, Symmetry, Table, replace
from comitia.kernel.model import Nodes, Rename
from comitia.protocols.caspaxos.acceptor import Acceptor
from comitia.protocols.caspaxos.messages import Change
from comitia.protocols.caspaxos.proposer import Proposer
from comitia.protocols.caspaxos.transition import register
from comitia.quorums import Majority, QuorumSystem
from comitia.quorums.expression import choose, members_of
from comitia.quorums.readwrite import ReadWrite

KEY = b"k"


def changing(
    system: QuorumSystem,
    commands: Sequence[tuple[bytes, ...]],
    rounds: int,
    one_round_trip: bool,
    crashes: int = 0,
    proposer: type[Proposer] = Proposer,
    acceptor: type[Acceptor] = Acceptor,
    breaks: str = "",
) -> Model:
    """Acceptors, and a proposer for each of `commands`, which it is asked one after the other."""
    first = max(system) + 1

    def within(node: Any) -> bool:
        return not isinstance(node, Proposer) or node.round <= rounds

    def idle(nodes: Nodes) -> bool:
        return all(not node.operations for node in nodes.values() if isinstance(node, Proposer))

    return Model(
        nodes={
            **{i: partial(acceptor, i) for i in system},
            **{
                first + i: partial(
                    proposer, first + i, system, register, one_round_trip=one_round_trip, leap=0
                )
                for i in range(len(commands))
            },
        },
        clients=tuple(
            tuple(
                (first + i, Change(10 * (i + 1) + number, KEY, command))
                for number, command in enumerate(script)
            )
            for i, script in enumerate(commands)
        ),
        within=within,
        crashes=crashes,
        sometimes={"everything is acknowledged": idle},
        symmetry=Symmetry(frozenset(system), {proposer: _renamed}) if first > 2 else None,
        breaks=breaks,
    )


def _renamed(proposer: Proposer, new: Rename) -> dict[str, Any]:
    """Acceptors may change places where all quorums are counts."""
    operations = (
        (
            key,
            replace(
                operation,
                promises=frozenset((new(a), ballot, s) for a, ballot, s in operation.promises),
                votes=frozenset(map(new, operation.votes)),
                refusals=frozenset(map(new, operation.refusals)),
            ),
        )
        for key, operation in proposer.operations.items()
    )
    return {"operations": Table(operations)}


def append(acceptors: int = 3, rounds: int = 1) -> Model:
    """Two proposers append to one value."""
    majority = Majority(range(1, acceptors + 1))
    return changing(majority, ((b"<a",), (b"<b",)), rounds, False)


def one_round_trip(acceptors: int = 2, rounds: int = 3) -> Model:
    """A proposer appends twice, the second time in one round trip, beside another proposer."""
    majority = Majority(range(1, acceptors + 1))
    return changing(majority, ((b"<a", b"<b"), (b"<c",)), rounds, True)


def quorums_that_miss(acceptors: int = 2, quorum: int = 1, rounds: int = 1) -> Model:
    """Quorums that do not meet: acknowledged states do not form a chain."""
    members = members_of(range(1, acceptors + 1))
    system = ReadWrite.unchecked(choose(quorum, members), choose(quorum, members))
    return changing(system, ((b"<a",), (b"<b",)), rounds, False, breaks="Chain")
