"""What servers say to each other and what they store, under the papers' names.

A transaction has a zxid, `epoch << 32 | counter`; the counter starts at 1 in every epoch.  The
position of a transaction in the history, its slot, is what the kernel numbers.
"""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Record, Slot
from comitia.protocols.zab.configuration import Configuration

Zxid = int
MAX_COUNTER = (1 << 32) - 1


def zxid_of(epoch: int, counter: int) -> Zxid:
    """Return the zxid of transaction number `counter` of `epoch`."""
    return epoch << 32 | counter


def epoch_of(zxid: Zxid) -> int:
    """Return the epoch of the primary that broadcast `zxid`."""
    return zxid >> 32


def counter_of(zxid: Zxid) -> int:
    """Return the number of `zxid` within its epoch."""
    return zxid & MAX_COUNTER


class Txn(Record):
    """One place of the history: a batch of commands, or a change of membership."""

    zxid: Zxid
    value: bytes = b""
    configuration: Configuration | None = None


def size_of(txn: Txn) -> int:
    """Return what `txn` weighs, in bytes."""
    return len(txn.value)


class Snapshot(Record):
    """What stands for every transaction up to `slot`; the machine's state is the host's."""

    slot: Slot
    zxid: Zxid
    configuration: Configuration


class Vote(Record, order=True):
    """Whom a server would have lead: the greater vote wins (Fast Leader Election)."""

    epoch: int
    """The candidate's f.a, the last epoch whose history it took over."""
    zxid: Zxid
    """Its last zxid."""
    voter: bool
    """Is it a voter of its own latest configuration?  One that is leaving loses a tie."""
    leader: NodeId


# Phase 0.


class Notification(Message):
    """The sender's vote in `round`, and what it does: only who looks for a leader votes."""

    round: int
    vote: Vote
    state: str


# Phase 1, discovery.


class CEpoch(Message):
    """CEPOCH(f.p): a follower to whom it chose to follow."""

    accepted_epoch: int
    accepted_leader: NodeId


class NewEpoch(Message):
    """NEWEPOCH(e'): forget all leaders of earlier epochs."""

    epoch: int


class AckE(Message):
    """ACK-E(f.a, h_f); of the history h_f only its last zxid, which tells which is the best."""

    epoch: int
    current_epoch: int
    last_zxid: Zxid


# Phase 2, synchronisation.


class SyncPoint(Message):
    """The sender's history (or what it has received of the leader's) ends with `zxid`."""

    epoch: int
    zxid: Zxid


class Trunc(Message):
    """TRUNC: leave out what follows `zxid`, and say where your history ends then."""

    epoch: int
    zxid: Zxid


class Diff(Message):
    """DIFF: `txns` follow the transaction `base_zxid` at slot `base`."""

    epoch: int
    base: Slot
    base_zxid: Zxid
    txns: tuple[Txn, ...]


class Snap(Message):
    """SNAP: the runtime hands this over when the snapshot that came with it is on disk."""

    epoch: int
    snapshot: Snapshot


class Got(Message):
    """Received, not on disk: up to `slot` of the leader's history is here."""

    epoch: int
    slot: Slot


class NewLeader(Message):
    """NEWLEADER(e', I_e'): the history ends here, with `zxid` at `slot`: take it over."""

    epoch: int
    slot: Slot
    zxid: Zxid


class AckLd(Message):
    """ACK-LD: the history up to `slot` is on this server's disk, and then its epoch."""

    epoch: int
    slot: Slot


class CommitLd(Message):
    """COMMIT-LD: a quorum has taken over the history; what it holds up to `slot` is committed."""

    epoch: int
    slot: Slot


# Phase 3, broadcast.


class Proposal(Message):
    """PROPOSE: as DIFF, of this epoch; everything up to `committed` is committed."""

    epoch: int
    base: Slot
    base_zxid: Zxid
    txns: tuple[Txn, ...]
    committed: Slot


class Ack(Message):
    """ACK: the history up to `slot` is on this server's disk; an answer to `round` of pings."""

    epoch: int
    slot: Slot
    round: int = 0


class Commit(Message):
    """COMMIT, of everything up to `slot`."""

    epoch: int
    slot: Slot


class Ping(Message):
    """The leader is there, its history ends at `last`, and up to `committed` is committed."""

    epoch: int
    round: int
    last: Slot
    committed: Slot


class Designate(Message):
    """Follow `leader` from now on; from a leader that hands over, or that needs a new epoch."""

    epoch: int
    leader: NodeId
    round: int
    """As if it had been elected in this round."""


# Reads.


class Sync(Message):
    """What must be applied for a read asked before this question?  (ZooKeeper's sync.)"""

    incarnation: int
    sequence: int


class Synced(Message):
    """The answer to every question up to `sequence`."""

    incarnation: int
    sequence: int
    slot: Slot


MESSAGES = (
    Notification,
    CEpoch,
    NewEpoch,
    AckE,
    SyncPoint,
    Trunc,
    Diff,
    Snap,
    Got,
    NewLeader,
    AckLd,
    CommitLd,
    Proposal,
    Ack,
    Commit,
    Ping,
    Designate,
    Sync,
    Synced,
)
