"""What the roles say to each other and what they store, under the names of PMMC (see `__init__`).

The sender, which the paper puts into most messages, is told by the runtime.
"""

from __future__ import annotations

from functools import cache

from comitia.kernel import Ballot, Message, NodeId, Record, Slot
from comitia.quorums import Majority


class Configuration(Record):
    """Who decides the slots from `since` on, until a later configuration does (section 2.1)."""

    since: Slot
    voters: tuple[NodeId, ...]
    """The acceptors, ascending; each also runs a leader."""
    learners: tuple[NodeId, ...] = ()
    """Replicas that are told everything and whose acceptors do not count, ascending."""

    @property
    def members(self) -> tuple[NodeId, ...]:
        return tuple(sorted({*self.voters, *self.learners}))

    @property
    def quorum(self) -> Majority:
        return _majority(self.voters)


@cache
def _majority(voters: tuple[NodeId, ...]) -> Majority:
    return Majority(voters)


class Command(Record):
    """What is decided for a slot: a client's value, a new configuration, or neither: a no-op."""

    value: bytes = b""
    configuration: Configuration | None = None


NO_OP = Command()


class PValue(Record):
    """`command` was proposed for `slot` by the leader of `ballot_num`."""

    ballot_num: Ballot
    slot: Slot
    command: Command


def size_of(pvalue: PValue | None) -> int:
    """Return what `pvalue`, of a slot that was performed, weighs, in bytes."""
    assert pvalue is not None, "what was performed is held until it is collected"
    return len(pvalue.command.value)


class Snapshot(Record):
    """What stands for every command up to `slot`; the machine's state itself is the host's."""

    slot: Slot
    configurations: tuple[Configuration, ...]
    """Those in force, or decided to come into force, after `slot`."""
    window: int
    """WINDOW, for ever the same in a cluster: a configuration decided at slot s begins at
    s + WINDOW, and nobody proposes for a slot before it has performed all but the WINDOW - 1 before
    that."""


# Phase 1, section 2.3: scouts and acceptors.


class P1a(Message):
    """Promise to accept nothing below `ballot_num`; tell me what you accepted from `first` on."""

    ballot_num: Ballot
    first: Slot
    window: int
    given_up: Ballot
    """The ballot whose leader asked for this one: its lease does not stand in the way."""


class P1b(Message):
    """Promised.  `pvalues` are all that was accepted from slot max(`first`, `decided` + 1) on."""

    ballot_num: Ballot
    first: Slot
    decided: Slot
    """Every slot up to here is decided, and the sender knows how."""
    pvalues: tuple[PValue, ...]


class Preempted(Message):
    """The sender's acceptor has promised `ballot_num`, which is higher than what it was sent."""

    ballot_num: Ballot


# Phase 2: commanders and acceptors.


class P2a(Message):
    """Accept `commands` for the slots from `first` on; every slot up to `decided` is decided."""

    ballot_num: Ballot
    first: Slot
    commands: tuple[Command, ...]
    decided: Slot
    round: int


class P2b(Message):
    """Accepted, on disk: the slots `first` to `last` of `ballot_num`."""

    ballot_num: Ballot
    first: Slot
    last: Slot
    round: int


class Decision(Message):
    """Every slot up to `decided` is decided, those that this ballot proposed as it proposed them.

    Also the heartbeat: a new `round` is to be answered.
    """

    ballot_num: Ballot
    decided: Slot
    round: int
    collectable: Slot
    """A majority of the replicas has performed everything up to here (section 4.2)."""


class Heard(Message):
    """I knew of no later ballot after its leader began `round`; I have performed `performed`."""

    ballot_num: Ballot
    round: int
    performed: Slot


# Replicas that lag.


class CatchUp(Message):
    """What was decided after slot `performed`?"""

    performed: Slot


class Decisions(Message):
    """Some of what was decided, in order; the sender knows of everything up to `decided`."""

    pvalues: tuple[PValue, ...]
    decided: Slot


class InstallSnapshot(Message):
    """Arrives together with the machine's state at `snapshot`."""

    snapshot: Snapshot


# Hand-over on request.


class TakeOver(Message):
    """The leader of `ballot_num` asks the receiver to become leader, and has no lease any more."""

    ballot_num: Ballot


# Those who left may be the only ones to know who came.


class Inherit(Message):
    """You decide now, and nobody leads; the sender, who does not, has performed this much."""

    performed: Slot


class Inherited(Message):
    """I know, and have performed as much."""

    performed: Slot


# Reads, asked on another replica than the leader's.


class ReadRequest(Message):
    """Up to which slot must I have performed before I serve a read?"""

    lifetime: int
    sequence: int


class ReadReply(Message):
    """Up to `slot`, for every read asked before question `sequence`."""

    lifetime: int
    sequence: int
    slot: Slot


MESSAGES = (
    P1a,
    P1b,
    Preempted,
    P2a,
    P2b,
    Decision,
    Heard,
    CatchUp,
    Decisions,
    InstallSnapshot,
    TakeOver,
    Inherit,
    Inherited,
    ReadRequest,
    ReadReply,
)
