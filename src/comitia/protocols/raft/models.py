"""Raft as bounded models: every order of messages and timeouts, crashes among them.

A model has no clock, so PreVote and CheckQuorum, which only spare time, are off, and reads go by
rounds.  Heartbeats beyond the first round of a term are left out: they carry nothing that a late
AppendEntries does not carry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replaced
from functools import partial
from typing import Any

from immutables import Map

from comitia.kernel import Model, NodeId, Propose, replace
from comitia.kernel.model import Nodes
from comitia.protocols.raft.messages import RequestVote, RequestVoteResponse
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
        dead={Raft: dead},
        sometimes=sometimes,
    )


def figure_8(terms: int = 4, crashes: int = 0) -> Model:
    """Figure 3.7 (figure 8 of the paper), from the third election on: n1 has led term 1 and n2
    term 2, both have an entry that nobody else has, and n1 stands again.
    """
    value = Propose(b"0")
    return replaced(
        replication(terms=terms, crashes=crashes),
        # Entries go one by one, or the older one is never alone on a majority.
        nodes=_servers(3, replace(OPTIONS, max_append_bytes=0)),
        clients=(((1, value),),),
        sometimes={
            "an entry of term 1 is on a majority": lambda nodes: nodes[3].log.last == 1,
            "n2 leads again": lambda nodes: nodes_lead(nodes, 4),
        },
        prologue=(
            (1, "election"),
            (2, RequestVote),
            (3, RequestVote),
            (1, RequestVoteResponse, 1),
            (1, RequestVoteResponse, 3),
            (1, value),
            (2, "election"),
            (3, RequestVote, 2),
            (2, RequestVoteResponse, 2),
            (2, RequestVoteResponse, 3),
            (1, RequestVote),
            (1, "election"),
        ),
    )


def elections(servers: int = 3, terms: int = 1, crashes: int = 1) -> Model:
    """Everybody may stand, and forget in a crash what it has not written down."""
    return Model(
        nodes=_servers(servers),
        within=lambda server: server.current_term <= terms and server.round <= 1,
        crashes=crashes,
        dead={Raft: dead},
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


def dead(server: Raft) -> dict[str, Any]:
    """Return what says nothing without reads, CheckQuorum and a full window; and what a server
    that leads no more has left of its term.
    """
    values: dict[str, Any] = {
        "incarnation": 1,
        "leader_id": None,
        "leader_heard": True,
        "progress": Map(
            {
                peer: replace(progress, inflight=(), inflight_bytes=0, round=0, active=False)
                for peer, progress in server.progress.items()
            }
        ),
    }
    if server.role != LEADER:
        values |= {"term_start": 0, "round": 0, "round_due": False}
    return values


def _servers(count: int, options: Options = OPTIONS) -> dict[NodeId, Callable[[], Raft]]:
    voters = tuple(range(1, count + 1))
    return {id: partial(Raft, id, voters, options) for id in voters}
