"""Raft: Diego Ongaro, "Consensus: Bridging Theory and Practice", dissertation, Stanford, 2014
(the thesis; sections and figures below are its own), and Ongaro and Ousterhout, "In Search of an
Understandable Consensus Algorithm (Extended Version)", 2014 (the paper).

Covered: leader election with PreVote and CheckQuorum (3.4, 3.6.1, 6.2, 9.6), log replication and
the commit rule (3.5, 3.6), pipelining and the leader's disk in parallel (10.2), membership changes
by single steps and by joint consensus, with learners (chapter 4), compaction and snapshots
(chapter 5), linearizable reads by rounds and by leases (6.4), leadership transfer (3.10).

Read `messages.py`, `state.py` and `raft.py`, then one file a section.

**Left out**: client sessions (6.3), which live once outside all protocols; witnesses.

**Differs**: the state machine is the host's, so lastApplied is not kept here.  Snapshots travel
beside the protocol and InstallSnapshot arrives when the last chunk is durable.  Heartbeats carry a
round number, for reads and leases.  A follower protects its leader until its own election timer
fires, at least the minimum election timeout of 4.2.3.  A change of several voters at once is joint
consensus that the leader leaves by itself, as in etcd/raft; unlike there, a configuration is used
from when it is appended (4.1), not from when it is applied.
"""

from __future__ import annotations

from typing import Any

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.raft.configuration import Configuration, Tally
from comitia.protocols.raft.messages import MESSAGES, Entry, Snapshot
from comitia.protocols.raft.models import (
    elections,
    elects,
    figure_8,
    members,
    reads,
    replication,
    snapshots,
)
from comitia.protocols.raft.options import Options
from comitia.protocols.raft.promises import PROMISES
from comitia.protocols.raft.raft import Raft
from comitia.protocols.raft.view import view


def make(id: NodeId, voters: tuple[NodeId, ...], **options: Any) -> Raft:
    """Return a fresh server of a cluster founded by `voters`; `options` are those of `Options`.

    Raises ValueError when the options cannot work together, TypeError for one that is unknown.
    """
    return Raft(id, voters, Options(**options))


PROTOCOL = Protocol(
    name="raft",
    source='Ongaro, "Consensus: Bridging Theory and Practice", Stanford, 2014',
    codec=Codec("raft", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    models=(elections, replication, elects, figure_8, reads, snapshots, members),
    stress={
        "trailing_entries": (0, 1, 10, 4096),
        "max_inflight": (1, 2, 64),
        "max_append_bytes": (1, 20, 1 << 20),
        "max_uncommitted": (2, 4096),
        "reads": ("lease", "index"),
        "pre_vote": (True, True, False),
    },
)

__all__ = ["PROTOCOL", "Configuration", "Entry", "Options", "Raft", "Snapshot", "Tally", "make"]
