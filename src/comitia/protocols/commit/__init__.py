"""Atomic commitment: all parts of a transaction commit, or none.

Sources: Jim Gray, "Notes on Data Base Operating Systems", 1978 (two-phase commit); Dale Skeen,
"Nonblocking Commit Protocols", 1981 (three-phase commit); Jim Gray and Leslie Lamport, "Consensus
on Transaction Commit", 2006 (Paxos Commit); C. Mohan, Bruce Lindsay, Ron Obermarck, "Transaction
Management in the R* Distributed Database Management System", 1986 (presumed abort).

**Left out**  The election of a new coordinator of three-phase
commit (its timeouts alone decide); Paxos Commit's optimisation of bundled messages.

**Differs**  A prepared resource manager of two-phase commit inquires after the outcome again and
again, which a manager that has restarted answers.  Presumed abort is that of `Transactions`: there
the acknowledgements of commits are counted in memory, and asked for again after a restart.
"""

from comitia.kernel import Codec, Node, NodeId, Protocol
from comitia.protocols.commit import messages, models
from comitia.protocols.commit.promises import Consistency
from comitia.protocols.commit.transactions import Transactions
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.protocols.commit.view import transactions_view, view


def make(id: NodeId, voters: tuple[NodeId, ...]) -> Node:
    """The last of `voters` is the transaction manager, the others hold the parts."""
    manager = max(voters)
    if id == manager:
        return TransactionManager(id, tuple(voter for voter in voters if voter != manager))
    return ResourceManager(id, manager)


PROTOCOL = Protocol(
    name="commit",
    source='Jim Gray and Leslie Lamport, "Consensus on Transaction Commit", 2006',
    codec=Codec(
        "commit",
        1,
        (
            messages.Prepare,
            messages.Prepared,
            messages.Refused,
            messages.PreCommit,
            messages.PreCommitted,
            messages.Commit,
            messages.Abort,
            messages.Inquire,
            messages.Phase1a,
            messages.Phase1b,
            messages.Phase2a,
            messages.Phase2b,
        ),
    ),
    make=make,
    promises=(Consistency,),
    view=view,
    models=(
        models.two_phase,
        models.two_phase_blocks,
        models.three_phase_splits,
        models.paxos_commit,
        models.paxos_commit_quorums_that_miss,
    ),
)

TRANSACTIONS = Protocol(
    name="transactions",
    source='Jim Gray and Leslie Lamport, "Consensus on Transaction Commit", 2006',
    codec=Codec("transactions", 2, (messages.Of, messages.Over)),
    make=Transactions,
    promises=(),
    view=transactions_view,
)
