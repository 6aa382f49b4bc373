"""The state of a server (Medeiros, section 3: f.p, f.a, the history), and what the phases of the
protocol ask of each other.
"""

from __future__ import annotations

from typing import ClassVar, Final

from immutables import Map

from comitia.kernel import (
    Log,
    Micros,
    NodeId,
    Out,
    Read,
    Reconfigure,
    Record,
    Replica,
    Slot,
    Transfer,
)
from comitia.protocols.zab.configuration import Configuration
from comitia.protocols.zab.messages import Snapshot, Sync, Txn, Vote, Zxid
from comitia.protocols.zab.options import Options
from comitia.quorums.changes import Changes

LOOKING: Final = "looking"
FOLLOWING: Final = "following"
LEADING: Final = "leading"

NOTHING: Final = -1
"""The slot that a learner has acknowledged which has not taken over the leader's history yet."""


class Learner(Record):
    """What a leader knows of one follower or observer in its epoch (ZooKeeper's LearnerHandler)."""

    next: Slot = 0
    """The next slot to send; 0 while it is not known up to where the histories are equal."""
    needs_snapshot: bool = False
    """The next it needs is compacted away."""
    told: bool = False
    """NEWLEADER was sent behind everything before `next`."""
    acked: Slot = NOTHING
    """Its disk holds this epoch's history up to here."""
    inflight: tuple[Slot, ...] = ()
    """The last slot of each DIFF or PROPOSE that has not been answered."""
    committed_sent: Slot = 0
    round: int = 0
    """The latest round of pings that it has answered."""
    complained: bool = False
    """It missed something since the last ping, and is being sent that again."""


class Waiting(Record):
    """A read that may be served up to `slot` once a quorum has answered `round`."""

    round: int
    slot: Slot
    who: NodeId
    question: Read | Sync


class State(Replica):
    """Attributes under the paper's names, and of a leader what only a leader has."""

    stable: ClassVar[tuple[str, ...]] = (
        "accepted_epoch",
        "accepted_leader",
        "current_epoch",
        "history",
        "snapshot",
        "incarnation",
    )
    accepted_epoch: int
    """f.p: the last epoch whose NEWEPOCH was accepted; nothing of an earlier leader is."""
    accepted_leader: NodeId
    """Whose NEWEPOCH that was: an epoch is promised to one leader only."""
    current_epoch: int
    """f.a: the last epoch whose NEWLEADER was accepted, hence whose history this is."""
    history: Log[Txn]
    """The transaction at `history.first` is only there for its zxid: the snapshot covers it (slot
    0: none).  `history.first <= snapshot.slot`: some may be kept behind the snapshot."""
    snapshot: Snapshot
    incarnation: int
    """How often this server has started: tells its questions of today from those of before."""

    def __init__(self, id: NodeId, voters: tuple[NodeId, ...], options: Options) -> None:
        super().__init__(id)
        self.options = options
        self.accepted_epoch = 0
        self.accepted_leader = 0
        self.current_epoch = 0
        self.history = Log((Txn(0),), first=0)
        self.snapshot = Snapshot(0, 0, Configuration(tuple(sorted(set(voters)))))
        self.incarnation = 0

        # Volatile, on all servers.
        self.role: str = LOOKING
        self.leader_id: NodeId | None = None
        self.epoch = 0
        """The epoch that this server leads or follows in; 0 before NEWEPOCH."""
        self.incoming: Log[Txn] | None = None
        """A follower's: what it has of the history that it is to take over by NEWLEADER."""
        self.committed: Slot = 0
        self.configuration = self.snapshot.configuration
        self.configurations: Changes[Configuration] = ()
        self.loyal = False
        """Less than a timeout may have passed since a leader was told that it is followed: nobody
        else's epoch is accepted.  Leases rest on this."""

        # Fast Leader Election.
        self.round = 0
        self.vote = Vote(0, 0, True, id)
        self.received: Map[NodeId, Vote] = Map()
        self.referred: frozenset[NodeId] = frozenset()
        """Whom followers named as their leader, and who was asked since all were told the vote."""

        # Leaders: everything below is void in any other role.
        self.cepochs: Map[NodeId, int] = Map()
        self.acks_e: Map[NodeId, Zxid] = Map()
        self.discovered = False
        self.established = False
        self.initial: Slot = 0
        """Where the history ended that this epoch began with (I_e')."""
        self.learners: Map[NodeId, Learner] = Map()
        self.own_sent: Slot = 0
        self.active: frozenset[NodeId] = frozenset()
        """Who was heard since the last look at the quorum."""
        self.transfer: Transfer | None = None
        self.reconfigure: Reconfigure | None = None

        # Rounds of pings, leases, and reads under way.
        self.ping_round = 0
        self.rounds: tuple[tuple[int, Micros], ...] = ()
        self.lease_from: Micros | None = None
        self.waiting: tuple[Waiting, ...] = ()

    @property
    def leader(self) -> NodeId | None:
        """Whom to propose to: only in phase 3 is there anybody."""
        if self.role == LEADING:
            return self.id if self.established else None
        return self.leader_id if self.is_synchronised else None

    @property
    def is_synchronised(self) -> bool:
        """Has this server taken over the history of the epoch that it leads or follows in?"""
        return self.epoch == self.current_epoch and self.epoch != 0

    @property
    def snapshot_slot(self) -> Slot:
        return self.snapshot.slot

    @property
    def last_zxid(self) -> Zxid:
        history = self.history
        return history[history.last].zxid

    def is_from_leader(self, src: NodeId, epoch: int) -> bool:
        """Is a message of `epoch` from whom this server follows, in the epoch it accepted?"""
        return self.role == FOLLOWING and src == self.leader_id and epoch == self.epoch

    # What one phase asks of another.

    def look(self, out: Out) -> None:
        """Election: go back to phase 0."""
        raise NotImplementedError

    def follow(self, leader: NodeId, out: Out) -> None:
        """Election: phase 0 is over, `leader` leads."""
        raise NotImplementedError

    def lead(self, out: Out) -> None:
        """Election: phase 0 is over, this server leads."""
        raise NotImplementedError

    def may_lead(self) -> bool:
        """Reconfiguration: may this server be needed as a leader?"""
        raise NotImplementedError

    def hear(self, out: Out) -> None:
        """Election: a leader learns that it is followed."""
        raise NotImplementedError

    def begin_synchronisation(self, out: Out) -> None:
        """Synchronisation: a quorum has accepted the epoch."""
        raise NotImplementedError

    def synchronise(self, peer: NodeId, zxid: Zxid, out: Out) -> None:
        """Synchronisation: `peer` has accepted the epoch, and its history ends with `zxid`."""
        raise NotImplementedError

    def note_acked(self, peer: NodeId, slot: Slot, out: Out) -> Learner | None:
        """Broadcast: the disk of `peer` holds this epoch's history up to `slot`."""
        raise NotImplementedError

    def append(self, value: bytes, configuration: Configuration | None) -> None:
        """Broadcast: the primary gives the next zxid to something."""
        raise NotImplementedError

    def commit_to(self, slot: Slot, out: Out) -> None:
        """Broadcast: everything up to `slot` is committed."""
        raise NotImplementedError

    def begin_round(self, out: Out) -> None:
        """Reads: ping everybody who follows."""
        raise NotImplementedError

    def drop_reads(self, reason: str, out: Out) -> None:
        """Reads: whoever waits on this server waits in vain."""
        raise NotImplementedError

    def adopt_configurations(self, since: Slot) -> None:
        """Reconfiguration: the history has changed after `since`."""
        raise NotImplementedError

    def on_committed(self, out: Out) -> None:
        """Reconfiguration: `committed` has advanced."""
        raise NotImplementedError

    def renew_epoch(self, out: Out) -> None:
        """Handing over: begin a later epoch under the same leader."""
        raise NotImplementedError

    def end_transfer(self, reason: str, out: Out) -> None:
        """Handing over: it is over, one way or another."""
        raise NotImplementedError

    def on_caught_up(self, peer: NodeId, out: Out) -> None:
        """Handing over: `peer` has acknowledged something."""
        raise NotImplementedError
