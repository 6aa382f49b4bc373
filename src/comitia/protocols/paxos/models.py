"""Small worlds of Synod and of Fast Paxos."""

from __future__ import annotations

from functools import partial
from typing import Any

from comitia.kernel import Model, Network, NodeId, Out, Symmetry
from comitia.kernel.model import Nodes
from comitia.protocols.paxos.acceptor import Acceptor
from comitia.protocols.paxos.fast import FastPaxos
from comitia.protocols.paxos.messages import Decide, Phase2b, Value
from comitia.protocols.paxos.promises import Chosen, FastChosen
from comitia.protocols.paxos.proposer import Proposer
from comitia.quorums import Majority, QuorumSystem
from comitia.quorums.expression import choose, members_of
from comitia.quorums.readwrite import ReadWrite

RENAMES = {
    Proposer: lambda proposer, new: {
        "promises": frozenset((new(a), vbal, val) for a, vbal, val in proposer.promises),
        "votes": frozenset(map(new, proposer.votes)),
    },
    Chosen: lambda promise, new: {
        "votes": frozenset((n, v, new(acceptor)) for n, v, acceptor in promise.votes)
    },
}
"""Acceptors may change places where all quorums are counts."""


def synod(
    system: QuorumSystem,
    proposers: int = 2,
    ballots: int = 2,
    crashes: int = 0,
    requests: int = 1,
    network: Network = Network.SET,
    acceptor: type[Acceptor] = Acceptor,
    proposer: type[Proposer] = Proposer,
    breaks: str = "",
    symmetric: bool = True,
) -> Model:
    """Acceptors 1, 2, ... and, after them, proposers that wish for different values."""
    first = max(system) + 1
    ids = range(first, first + proposers)

    def within(node: Any) -> bool:
        return not isinstance(node, Proposer) or node.n.round <= ballots

    def learnt(nodes: Nodes) -> bool:
        return all(nodes[i].chosen is not None for i in ids if i in nodes)

    return Model(
        nodes={
            **{i: partial(acceptor, i) for i in system},
            **{i: partial(proposer, i, system) for i in ids},
        },
        clients=tuple(
            ((i, Decide(i, b"v%d.%d" % (i - first + 1, number))),)
            for i in ids
            for number in range(requests)
        ),
        network=network,
        within=within,
        crashes=crashes,
        promises=(partial(Chosen, system),),
        sometimes={"every proposer learns the choice": learnt},
        symmetry=Symmetry(frozenset(system), RENAMES) if symmetric and first > 2 else None,
        breaks=breaks,
    )


def agreement(acceptors: int = 3, proposers: int = 2, ballots: int = 1, crashes: int = 0) -> Model:
    """Majorities: proposers with different wishes, each with its own ballots."""
    return synod(Majority(range(1, acceptors + 1)), proposers, ballots, crashes)


def quorums_that_miss(acceptors: int = 2, quorum: int = 1) -> Model:
    """Quorums that do not meet, as 1 of 2 or 2 of 4: two values are chosen."""
    members = members_of(range(1, acceptors + 1))
    system = ReadWrite.unchecked(choose(quorum, members), choose(quorum, members))
    return synod(system, breaks="Chosen")


class VotesForItsCoordinator(FastPaxos):
    """Tells its vote to the coordinator of the round only.

    To other learners a vote is worth nothing but the choice, of which `FastChosen` knows at once;
    who has not learnt it goes on, so more can happen to the acceptors, not less.
    """

    def cast(self, v: Value, out: Out) -> None:
        self.vrnd, self.vval, self.open = self.rnd, v, False
        out.send(self.rnd.coordinator, Phase2b(self.rnd, v))
        out.set_timer("retry", after=self.retry_ms)


def fast(
    acceptors: int = 3,
    proposals: int = 2,
    rounds: int = 1,
    fast_quorum: int = 0,
    coordinators: int = 1,
    member: type[FastPaxos] = VotesForItsCoordinator,
) -> Model:
    """Two proposals race in a fast round; `fast_quorum` other than 0 replaces the safe size.

    The first of the `coordinators` begins with the fast round, the others with classic ones.
    """
    voters: tuple[NodeId, ...] = tuple(range(1, acceptors + 1))
    terms = members_of(voters)
    smaller = ReadWrite.unchecked(choose(fast_quorum or 1, terms), choose(fast_quorum or 1, terms))

    def within(node: Any) -> bool:
        return bool(node.crnd.count <= (rounds if node.id <= coordinators else 0))

    def recovered(nodes: Nodes) -> bool:
        return any(node.vrnd.classic and node.chosen is not None for node in nodes.values())

    return Model(
        nodes={
            i: partial(member, i, voters, fast=smaller if fast_quorum else None) for i in voters
        },
        clients=tuple(((i, Decide(i, b"v%d" % i)),) for i in voters[:proposals]),
        within=within,
        promises=(partial(FastChosen, Majority(voters), smaller if fast_quorum else None),),
        sometimes={"a collision is recovered": recovered},
        breaks="FastChosen" if fast_quorum else "",
    )


def fast_quorums_too_small(acceptors: int = 3, fast_quorum: int = 2) -> Model:
    """A plain majority as fast quorum: recovery cannot tell what was chosen."""
    return fast(acceptors, fast_quorum=fast_quorum, coordinators=2)
