"""Raft as bounded models: every order of messages and timeouts, crashes among them.

A model has no clock, so PreVote and CheckQuorum, which only spare time, are off, and reads go by
rounds.  Heartbeats beyond the first round of a term are left out: they carry nothing that a late
AppendEntries does not carry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from comitia.kernel import Model, NodeId, Propose
from comitia.kernel.model import Nodes
from comitia.protocols.raft.options import Options
from comitia.protocols.raft.raft import Raft
from comitia.protocols.raft.state import FOLLOWER, LEADER

OPTIONS = Options(pre_vote=False, check_quorum=False, reads="index", trailing_entries=0)

COMMITTED = "a value is committed"
LEADS = "somebody leads"
SUCCEEDED = "a later leader commits it too"


def replication(servers: int = 3, terms: int = 2, entries: int = 1, crashes: int = 0) -> Model:
    """n1 and n2 lead in turn, n1 the odd terms, and n1's clients propose."""
    sometimes = {COMMITTED: committed}
    if terms > 1:
        sometimes[SUCCEEDED] = lambda nodes: committed(nodes) and nodes_lead(nodes, 2)
    return Model(
        nodes=_servers(servers),
        clients=tuple(((1, Propose(b"%d" % entry)),) for entry in range(entries)),
        within=lambda server: (
            server.current_term <= terms
            and server.round <= 1
            and (server.role == FOLLOWER or server.id == 2 - server.current_term % 2)
        ),
        crashes=crashes,
        sometimes=sometimes,
    )


def elections(servers: int = 3, terms: int = 1, crashes: int = 1) -> Model:
    """Everybody may stand, and forget in a crash what it has not written down."""
    return Model(
        nodes=_servers(servers),
        within=lambda server: server.current_term <= terms and server.round <= 1,
        crashes=crashes,
        sometimes={LEADS: lambda nodes: nodes_lead(nodes, terms)},
    )


def committed(nodes: Nodes) -> bool:
    """Is a client's value committed somewhere?"""
    return any(
        entry.value
        for node in nodes.values()
        for entry in node.log.slice(node.log.first + 1, node.commit_index)
    )


def nodes_lead(nodes: Nodes, term: int) -> bool:
    """Does somebody lead `term`?"""
    return any(node.role == LEADER and node.current_term == term for node in nodes.values())


def _servers(count: int) -> dict[NodeId, Callable[[], Raft]]:
    voters = tuple(range(1, count + 1))
    return {id: partial(Raft, id, voters, OPTIONS) for id in voters}
