"""A round of changes to one key, under way at its proposer."""

from __future__ import annotations

from comitia.kernel import ZERO, Ballot, NodeId, Record, Request
from comitia.protocols.caspaxos.messages import EMPTY, Configuration, State

WAITING, PREPARING, ACCEPTING = "waiting", "preparing", "accepting"


class Identity(Request):
    """The change x -> x, asked for by this node itself.

    `collecting`: the collector asks, and no acceptor shall promise more than the ballot of this.
    """

    key: bytes
    collecting: bool = False


class Claim(Request):
    """Make `configuration` the cluster's next, if its version follows the current one's."""

    configuration: Configuration


class Operation(Record):
    """What the proposer knows of one key: the batch it is applying, and what waits behind it."""

    batch: tuple[Request, ...] = ()
    queue: tuple[Request, ...] = ()
    phase: str = WAITING
    ballot: Ballot = ZERO
    promises: frozenset[tuple[NodeId, Ballot, State]] = frozenset()
    base: Ballot = ZERO
    """The ballot of the state that the batch was applied to."""
    state: State = EMPTY
    """The state proposed in `ballot`."""
    next: Ballot = ZERO
    """The ballot that the accept asks to promise already."""
    votes: frozenset[NodeId] = frozenset()
    refusals: frozenset[NodeId] = frozenset()
    attempts: tuple[tuple[Ballot, tuple[object, ...]], ...] = ()
    """Every ballot in which this batch changed the state, with the replies it gave there."""
    replies: tuple[object, ...] = ()
    tries: int = 0

    @property
    def collecting(self) -> bool:
        """Does the collector take part?"""
        return any(isinstance(asked, Identity) and asked.collecting for asked in self.batch)
