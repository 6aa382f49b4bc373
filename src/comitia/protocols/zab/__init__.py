"""ZAB: Flavio Junqueira, Benjamin Reed, Marco Serafini, "Zab: High-performance broadcast for
primary-backup systems", DSN 2011; and Andre Medeiros, "ZooKeeper's atomic broadcast protocol:
theory and practice", 2012, whose algorithms 1 to 3 are the steps named here.

Covered: the four phases (election, discovery, synchronisation, broadcast), Fast Leader Election,
DIFF, TRUNC and SNAP, reconfiguration with observers (Shraer and others, USENIX ATC 2012),
linearizable reads, handing over on request, snapshots and compaction.

Read `messages.py` and `state.py`, then the phases in order: `election.py`, `discovery.py`,
`synchronisation.py`, `broadcast.py`; then `reads.py`, `reconfiguration.py`, `handover.py`,
`compaction.py`; `server.py` ties them.

What a reader who comes from Raft will notice: electing and leading are apart.  An election promises
nothing and writes nothing; a leader is made by an epoch that a quorum accepts (f.p) and whose
history a quorum takes over (f.a), and these are two numbers.  There is no entry of a new leader's
own to commit what it found: the acknowledgement of NEWLEADER commits it.

**Left out**: the primary's execution of requests (the papers' primary broadcasts state changes; the
host here broadcasts commands and every machine executes them), ZooKeeper's local reads and its
sessions (they are the host's, for all protocols), hierarchical quorums, read-only mode.

**Differs**: f.p is stored with whose epoch it is, so that a follower that restarts may promise the
same epoch again to the same leader, and to no other; a leader that meets a better history in phase
1 gives up, as in ZooKeeper, where the paper's takes that history over; channels may lose, repeat
and reorder, so messages say what they follow and who misses something says so, where the papers go
back to phase 0; a leader begins a later epoch when a member has accepted a later one, where
ZooKeeper leaves that member out; proposals may overtake the leader's disk; a server on its way out
loses ties in an election; followers accept no other leader's epoch for a timeout, for leases.
"""

from __future__ import annotations

from typing import Any

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.zab.configuration import Configuration
from comitia.protocols.zab.messages import MESSAGES, Snapshot, Txn, Vote
from comitia.protocols.zab.models import (
    broadcast,
    epoch_first,
    epochs,
    recovery,
    relapse,
    succession,
)
from comitia.protocols.zab.options import Options
from comitia.protocols.zab.promises import PROMISES
from comitia.protocols.zab.server import ZabServer
from comitia.protocols.zab.view import view


def make(id: NodeId, voters: tuple[NodeId, ...], **options: Any) -> ZabServer:
    """Return a fresh server of an ensemble founded by `voters`; `options` are those of `Options`.

    Raises ValueError when the options cannot work together, TypeError for one that is unknown.
    """
    chosen = Options(**options)
    chosen.check()
    return ZabServer(id, voters, chosen)


PROTOCOL = Protocol(
    name="zab",
    source="Junqueira, Reed, Serafini: Zab (DSN 2011); Medeiros: theory and practice (2012)",
    codec=Codec("zab", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    models=(broadcast, recovery, epochs, succession, relapse, epoch_first),
    stress={
        "trailing_txns": (0, 1, 10, 4096),
        "max_inflight": (1, 2, 64),
        "max_message_bytes": (1, 20, 1 << 20),
        "max_uncommitted": (2, 4096),
        "reads": ("lease", "index"),
    },
)

__all__ = ["PROTOCOL", "Configuration", "Options", "Snapshot", "Txn", "Vote", "ZabServer", "make"]
