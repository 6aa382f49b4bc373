"""Small worlds of the three protocols."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from comitia.kernel import Model, Node, NodeId, Symmetry
from comitia.kernel.model import Nodes, Rename
from comitia.protocols.commit.messages import ABORTED, COMMITTED, PREPARED, Begin
from comitia.protocols.commit.paxos_commit import Acceptor, Leader, Participant
from comitia.protocols.commit.three_phase import ThreePhaseManager, ThreePhaseResource
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.quorums import Majority, QuorumSystem
from comitia.quorums.expression import choose, members_of
from comitia.quorums.readwrite import ReadWrite


def committed(nodes: Nodes) -> bool:
    """Has a resource manager committed?"""
    return any(getattr(node, "state", "") == COMMITTED for node in nodes.values())


def decided(nodes: Nodes) -> bool:
    """Does every resource manager that is up know the outcome?"""
    managers = [node for node in nodes.values() if hasattr(node, "willing")]
    return all(node.state in (COMMITTED, ABORTED) for node in managers)


def voted(id: NodeId, manager: NodeId) -> ResourceManager:
    """A resource manager whose vote is on disk."""
    resource = ResourceManager(id, manager)
    resource.state = PREPARED
    return resource


def _world(
    manager: Callable[..., Node], resource: Callable[..., Node], managers: int, **more: Any
) -> Model:
    ids = tuple(range(1, managers + 1))
    last = managers + 1
    return Model(
        nodes={**{i: partial(resource, i, last) for i in ids}, last: partial(manager, last, ids)},
        clients=(((last, Begin(1)),),),
        sometimes={"the transaction commits": committed},
        **more,
    )


def two_phase(managers: int = 3, crashes: int = 0) -> Model:
    """A manager that is alive: it may lose patience at any time."""
    return _world(TransactionManager, ResourceManager, managers, crashes=crashes)


def two_phase_blocks(managers: int = 2) -> Model:
    """All have voted, and the manager may die: who is prepared then waits for ever."""
    last = managers + 1
    ids = tuple(range(1, last))
    return Model(
        nodes={**{i: partial(voted, i, last) for i in ids}, last: partial(_undecided, last, ids)},
        stops=1,
        eventually={"decided": decided},
        breaks="decided",
    )


def _undecided(id: NodeId, managers: tuple[NodeId, ...]) -> TransactionManager:
    manager = TransactionManager(id, managers)
    manager.state = PREPARED
    return manager


def three_phase_splits(managers: int = 2) -> Model:
    """Messages may be late: timers that take silence for death split the outcome."""
    return _world(ThreePhaseManager, ThreePhaseResource, managers, breaks="Consistency")


RENAMES: dict[type, Callable[[Any, Rename], dict[str, Any]]] = {
    Leader: lambda leader, new: {
        "reports": frozenset((new(acceptor), votes) for acceptor, votes in leader.reports),
        "heard": frozenset((new(acceptor), vote) for acceptor, vote in leader.heard),
    }
}
"""Acceptors may change places where quorums are majorities."""


def paxos_commit(
    managers: int = 1,
    acceptors: int = 3,
    ballots: int = 1,
    stops: int = 0,
    both: bool = False,
    leader: type[Leader] = Leader,
    acceptor: type[Acceptor] = Acceptor,
    system: QuorumSystem | None = None,
    breaks: str = "",
) -> Model:
    """Two leaders, the second of which may take over at any time; if `both`, the first as well."""
    rms = tuple(range(1, managers + 1))
    accs = tuple(range(managers + 1, managers + acceptors + 1))
    leaders = (accs[-1] + 1, accs[-1] + 2)
    quorums = Majority(accs) if system is None else system

    def within(node: Any) -> bool:
        may = ballots if both or node.id == leaders[1] else 0
        return not isinstance(node, Leader) or node.bal.round <= may

    return Model(
        nodes={
            **{i: partial(Participant, i, leaders[0], quorums) for i in rms},
            **{i: partial(acceptor, i, leaders) for i in accs},
            **{i: partial(leader, i, rms, quorums) for i in leaders},
        },
        clients=(((leaders[0], Begin(1)),),),
        within=within,
        stops=stops,
        sometimes={"the transaction commits": committed},
        symmetry=Symmetry(frozenset(accs), {**RENAMES, leader: RENAMES[Leader]}),
        breaks=breaks,
    )


def paxos_commit_quorums_that_miss() -> Model:
    """One acceptor of two is enough in either phase: two leaders decide differently."""
    members = members_of((3, 4))
    system = ReadWrite.unchecked(choose(1, members), choose(1, members))
    return paxos_commit(managers=2, acceptors=2, system=system, breaks="Consistency")
