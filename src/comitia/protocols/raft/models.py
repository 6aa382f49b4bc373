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

from comitia.kernel import Compact, Model, NodeId, Propose, Read, Reconfigure, replace
from comitia.kernel.model import Line, Nodes
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    RequestVote,
    RequestVoteResponse,
)
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
        within=_in_turn(terms, 1),
        crashes=crashes,
        dead={Raft: dead},
        sometimes=sometimes,
    )


FIRST: tuple[Line, ...] = (
    (1, "election"),
    (2, RequestVote),
    (3, RequestVote),
    (1, RequestVoteResponse, 1),
    (1, RequestVoteResponse, 3),
)
"""n1 is elected in term 1, by n3."""

SECOND: tuple[Line, ...] = (
    (2, "election"),
    (3, RequestVote, 2),
    (2, RequestVoteResponse, 2),
    (2, RequestVoteResponse, 3),
)
"""n2 is elected in term 2, by n3, and n1 does not know."""

COMMITS: tuple[Line, ...] = (
    (2, AppendEntries),
    (1, AppendEntriesResponse, 1),
    (1, AppendEntriesResponse, 2),
)
"""n1 commits its first entry with n2."""


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
        prologue=(*FIRST, (1, value), *SECOND, (1, RequestVote), (1, "election")),
    )


def reads(rounds: int = 2) -> Model:
    """Two leaders, of which the older does not know the younger, are asked where to read."""
    return Model(
        nodes=_servers(3),
        clients=(((1, Read(1)),), ((2, Read(2)),)),
        within=_in_turn(2, rounds),
        sometimes={"the younger commits more": lambda nodes: nodes[2].commit_index == 2},
        prologue=(*FIRST, *COMMITS, *SECOND),
    )


def snapshots(rounds: int = 2) -> Model:
    """A leader compacts its log, and a server that led before it has other entries there."""
    value = Propose(b"0")
    return Model(
        nodes=_servers(3),
        clients=(((1, value),), ((2, Compact(1)),)),
        within=_in_turn(2, rounds),
        sometimes={"a snapshot is installed": lambda nodes: nodes[1].snapshot.index == 1},
        prologue=(*FIRST, (1, value), *SECOND),
    )


def members(terms: int = 2) -> Model:
    """n4 and n5 come for n2 and n3 at once, while n2 and n3 may elect n2."""
    change = Reconfigure(1, frozenset({1, 4, 5}))
    sometimes = {"the change is done": lambda nodes: nodes[1].configuration.voters == (1, 4, 5)}
    if terms > 1:
        sometimes["the change is lost"] = lambda nodes: nodes_lead(nodes, 2)
    return Model(
        nodes=_servers(5, voters=3),
        clients=(((1, change),),),
        within=_in_turn(terms, 1),
        sometimes=sometimes,
        dead={Raft: dead},
        prologue=(*FIRST, *COMMITS, (1, change)),
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


def elects(servers: int = 3, terms: int = 1, lossy: bool = False) -> Model:
    """When nobody's timer fires any more after the last term's first, that term has a leader."""
    return Model(
        nodes=_servers(servers),
        within=_in_turn(terms, 1),
        final=True,
        lossy=lossy,
        eventually={LEADS: lambda nodes: any(node.role == LEADER for node in nodes.values())},
        dead={Raft: dead},
        breaks=f"eventually {LEADS}" if lossy else "",
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


def _in_turn(terms: int, rounds: int) -> Callable[[Raft], bool]:
    """n1 leads the odd terms, n2 the even ones."""
    return lambda server: (
        server.current_term <= terms
        and server.round <= rounds
        and (server.role == FOLLOWER or server.id == 2 - server.current_term % 2)
    )


def _servers(
    count: int, options: Options = OPTIONS, voters: int = 0
) -> dict[NodeId, Callable[[], Raft]]:
    first = tuple(range(1, (voters or count) + 1))
    return {id: partial(Raft, id, first, options) for id in range(1, count + 1)}
