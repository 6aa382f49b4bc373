"""Messages of two-phase, three-phase and Paxos Commit."""

from __future__ import annotations

from comitia.kernel import Ballot, Message, NodeId, Request

WORKING, PREPARED, PRECOMMITTED, COMMITTED, ABORTED = (
    "working",
    "prepared",
    "precommitted",
    "committed",
    "aborted",
)


class Begin(Request):
    """Commit the transaction if every resource manager can; answered with the outcome."""

    token: int


class Prepare(Message):
    """Can you commit?"""


class Prepared(Message):
    """A resource manager can, and will if it is told to."""


class Refused(Message):
    """A resource manager cannot: it has aborted."""


class PreCommit(Message):
    """Three-phase: everybody is prepared."""


class PreCommitted(Message):
    """Three-phase: known."""


class Commit(Message):
    """The transaction is committed."""


class Abort(Message):
    """The transaction is aborted."""


class Inquire(Message):
    """What was decided?  Asked by who is prepared and hears nothing."""


class Phase1a(Message):
    """Paxos Commit: a leader asks acceptors about the instances of all resource managers."""

    bal: Ballot


class Phase1b(Message):
    """An acceptor's votes: (resource manager, ballot, value)."""

    bal: Ballot
    votes: tuple[tuple[NodeId, Ballot, str], ...]


class Phase2a(Message):
    """Vote for `val` in the instance of resource manager `ins`; ballot 0 is the manager's own."""

    ins: NodeId
    bal: Ballot
    val: str


class Phase2b(Message):
    """An acceptor's vote."""

    ins: NodeId
    bal: Ballot
    val: str
