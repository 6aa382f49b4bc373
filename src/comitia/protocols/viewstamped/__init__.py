"""Viewstamped Replication Revisited: Barbara Liskov, James Cowling, MIT-CSAIL-TR-2012-021, 2012.

Covered: section 4 (normal operation, view changes, recovery), 5 (checkpoints, state transfer,
efficient view changes), 6.3 (reads at the primary), 7 (reconfiguration with warm-up), and hand-over
of the primary's role on request.

Read `messages.py` and `state.py`, then the sections in order: `normal.py`, `view_change.py`,
`state_transfer.py`, `recovery.py`, `reads.py`, `reconfiguration.py`; `replica.py` ties them.

What a reader who comes from Raft will notice: a view has its primary by arithmetic, so there is no
election, only a change of view; the log carries no terms, the view in which a log was last normal
(`last_normal_view`) decides which of two logs is right; and a new primary takes over the best log
instead of overwriting others with its own.

**Left out**: witnesses and batching by the protocol (sections 6.1 and 6.2; the host batches), the
client-table (it is part of the replicated machine, for all protocols), application-level state
transfer by Merkle trees (section 5.1; the host streams whole checkpoints).

**Differs**: the state is on disk by default, and the view always is (see `recovery.py` for why the
paper's diskless recovery is wrong); state transfer drops nothing before it holds what replaces it
(see `state_transfer.py`: the paper loses committed ops there); what is committed travels apart from
views; replicas join no view change while they hear their primary, which is what leases rest on; a
primary that restarts begins the next view, because its PREPAREs may overtake its disk; a replaced
replica goes on answering and is stopped by its operator.
"""

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.viewstamped.messages import MESSAGES
from comitia.protocols.viewstamped.models import (
    crashes,
    dropping_transfer,
    forgotten_log,
    views,
)
from comitia.protocols.viewstamped.options import Options
from comitia.protocols.viewstamped.promises import PROMISES
from comitia.protocols.viewstamped.replica import InMemoryReplica, ViewstampedReplica
from comitia.protocols.viewstamped.view import view


def make(id: NodeId, voters: tuple[NodeId, ...], **options: object) -> ViewstampedReplica:
    """Return a fresh replica; see `Options` for what may be chosen.

    Raises TypeError for an unknown option, ValueError for options that do not go together.
    """
    chosen = Options(**options)  # type: ignore[arg-type]
    chosen.check()
    replica = ViewstampedReplica if chosen.log == "disk" else InMemoryReplica
    return replica(id, voters, chosen)


PROTOCOL = Protocol(
    name="viewstamped",
    source="Barbara Liskov, James Cowling: Viewstamped Replication Revisited (2012)",
    codec=Codec("viewstamped", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    models=(views, crashes, dropping_transfer, forgotten_log),
    stress={
        "trailing_ops": (0, 1, 10, 4096),
        "max_message_bytes": (1, 20, 1 << 20),
        "max_uncommitted": (2, 4096),
        "reads": ("lease", "index"),
    },
)

__all__ = ["PROTOCOL", "InMemoryReplica", "Options", "ViewstampedReplica", "make"]
