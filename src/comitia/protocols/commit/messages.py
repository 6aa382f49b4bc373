"""Messages of two-phase, three-phase and Paxos Commit."""

from __future__ import annotations

from bisect import bisect_left

from comitia.kernel import Ballot, Message, NodeId, Record, Request

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


# Many transactions, see `transactions.py`.


class Transaction(Record, order=True):
    """Who takes part in the coordinator's transaction `number`; no acceptors: two-phase commit."""

    coordinator: NodeId
    number: int
    managers: tuple[NodeId, ...]
    acceptors: tuple[NodeId, ...] = ()

    @property
    def name(self) -> tuple[NodeId, int]:
        """What tells it from all others."""
        return self.coordinator, self.number

    def seat(self, role: str) -> tuple[NodeId, int, str]:
        """Return the place of `role` in this transaction."""
        return self.coordinator, self.number, role


class Acknowledged(Message):
    """To the coordinator: the owner of this part has committed it and will ask nothing more."""


class Of(Message):
    """A message of one transaction; a Prepare brings the manager its part."""

    about: Transaction
    message: (
        Prepare
        | Prepared
        | Refused
        | Commit
        | Abort
        | Inquire
        | Phase1a
        | Phase1b
        | Phase2a
        | Phase2b
        | Acknowledged
    )
    part: bytes = b""


class Past(Record):
    """Of the transactions of `coordinator` up to `upto` all are over but those in `open`.

    Over means: aborted, or committed and acknowledged by every manager.  So a part that has not
    heard of the end is aborted.
    """

    coordinator: NodeId
    upto: int
    open: tuple[int, ...]
    """Ascending."""

    def holds(self, number: int) -> bool:
        """Is this transaction over?"""
        place = bisect_left(self.open, number)
        return number <= self.upto and self.open[place : place + 1] != (number,)

    def is_later_than(self, other: Past) -> bool:
        """Does this tell of more?  What is over stays so."""
        return (self.upto, -len(self.open)) > (other.upto, -len(other.open))


class Over(Message):
    """This I know to be over; whoever knows more says so."""

    past: Past


class Start(Request):
    """Commit a transaction with these parts, by manager; answered with the outcome."""

    token: int
    parts: tuple[tuple[NodeId, bytes], ...]


class Task(Record):
    """What the owner of a part has to do: to "prepare", "commit" or "abort"."""

    coordinator: NodeId
    number: int
    do: str
    part: bytes = b""

    @property
    def transaction(self) -> tuple[NodeId, int]:
        """The transaction's name."""
        return self.coordinator, self.number


class Attend(Request):
    """The owner of the parts here is ready; answered with a `Task` once there is one."""

    token: int


class Willing(Request):
    """The owner has prepared its part, or cannot.  Not answered."""

    coordinator: NodeId
    number: int
    willing: bool


class Finished(Request):
    """The owner has committed or aborted its part, as it was told.  Not answered."""

    coordinator: NodeId
    number: int
