"""Multi-Paxos: Robbert van Renesse, Deniz Altinbuken, "Paxos Made Moderately Complex", ACM
Computing Surveys 47(3), 2015 (PMMC below; figures are its own).  With it: Leslie Lamport, "Paxos
Made Simple", 2001, section 3; Tushar Chandra, Robert Griesemer, Joshua Redstone, "Paxos Made Live",
2007.

Covered: acceptors, scouts, commanders, leaders and replicas (PMMC, figures 1 to 7), colocated;
state reduction, garbage collection, stable storage and read-only commands (its part "Paxos Made
Pragmatic"); WINDOW and reconfiguration; no-ops in holes (Paxos Made Simple); master leases,
catch-up and snapshots (Paxos Made Live, sections 4 and 5); hand-over on request.

Read `messages.py` and `state.py`, then a file a role: `acceptor.py`, `replica.py`, `scout.py`,
`commander.py`; then `reads.py`, `membership.py`; `multipaxos.py` ties them.

What a reader who comes from Raft will notice: slots are decided one by one, gaps allowed, and a new
leader asks what was accepted instead of proving that its own log is complete: anybody may lead.
A value keeps no term; a later ballot proposes it again under its own number.

**Left out**: the set of all pvalues that the paper's acceptors keep (only the highest of a slot can
matter); decisions one by one (they are told as a prefix); the election by a lease service and the
rebuilding of an acceptor whose disk was lost (Paxos Made Live, sections 5.1 and 5.2): such a member
comes back under a new id.

**Differs**: only the leader proposes, so slot_in is the leader's, and what was proposed twice is
told apart by the machine's sessions.  A commander sees a batch of slots through.  A leader that an
acceptor preempts but a majority follows goes on and takes the acceptor back.  A scout asks its own
acceptor last.  A change of membership needs promises from the new acceptors for the slots that are
theirs.  The machine's snapshots are the host's, so an acceptor forgets what its own snapshot holds
and a majority has performed.
"""

from __future__ import annotations

from typing import Any

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.multipaxos.messages import MESSAGES
from comitia.protocols.multipaxos.models import (
    agreement,
    forgotten_pvalues,
    holes,
    quorums_that_miss,
    reconfiguration,
    window_not_kept,
)
from comitia.protocols.multipaxos.multipaxos import MultiPaxos
from comitia.protocols.multipaxos.options import Options
from comitia.protocols.multipaxos.promises import PROMISES
from comitia.protocols.multipaxos.view import view


def make(id: NodeId, voters: tuple[NodeId, ...], **options: Any) -> MultiPaxos:
    """Return a fresh member of a cluster founded by `voters`; `options` are those of `Options`.

    Raises ValueError when the options cannot work together, TypeError for one that is unknown.
    """
    chosen = Options(**options)
    chosen.check()
    return MultiPaxos(id, voters, chosen)


PROTOCOL = Protocol(
    name="multipaxos",
    source="Robbert van Renesse, Deniz Altinbuken: Paxos Made Moderately Complex (2015)",
    codec=Codec("multipaxos", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    alike=("window",),
    models=(
        agreement,
        holes,
        reconfiguration,
        quorums_that_miss,
        window_not_kept,
        forgotten_pvalues,
    ),
    stress={
        "window": (1, 2, 5, 256),
        "max_waiting": (2, 4096),
        "max_message_bytes": (1, 20, 1 << 20),
        "trailing_slots": (0, 1, 10, 4096),
        "reads": ("lease", "index"),
    },
)

__all__ = ["PROTOCOL", "MultiPaxos", "Options", "make"]
