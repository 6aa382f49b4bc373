"""The state of a server (figure 3.1), and what the sections of the protocol ask of each other."""

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
from comitia.protocols.raft.configuration import Configuration
from comitia.protocols.raft.messages import Entry, Snapshot
from comitia.protocols.raft.options import Options
from comitia.protocols.raft.progress import Progress
from comitia.quorums.changes import Changes

FOLLOWER: Final = "follower"
PRE_CANDIDATE: Final = "pre-candidate"
CANDIDATE: Final = "candidate"
LEADER: Final = "leader"


class Asked(Record):
    """Question `sequence` of member `src`."""

    src: NodeId
    incarnation: int
    sequence: int


class Confirming(Record):
    """A read that may be served up to `read_index` once a quorum has answered `round`."""

    round: int
    read_index: int
    question: Read | Asked


class State(Replica):
    """Attributes under the paper's names.  lastApplied is the host's: it is handed every committed
    entry in the step that commits it.
    """

    stable: ClassVar[tuple[str, ...]] = (
        "current_term",
        "voted_for",
        "log",
        "snapshot",
        "incarnation",
    )
    current_term: int
    voted_for: NodeId | None
    log: Log[Entry]
    """The entry at `log.first` is only there for its term: the snapshot covers it (index 0: none).
    `log.first <= snapshot.index`: a few entries may be kept behind the snapshot.
    """
    snapshot: Snapshot
    incarnation: int
    """How often this server has started: tells its questions of today from those of before."""

    def __init__(self, id: NodeId, voters: tuple[NodeId, ...], options: Options) -> None:
        super().__init__(id)
        options.check()
        self.options = options
        self.current_term = 0
        self.voted_for = None
        self.log = Log((Entry(0),), first=0)
        self.snapshot = Snapshot(0, 0, Configuration(tuple(sorted(set(voters)))))
        self.incarnation = 0

        # Volatile, on all servers.
        self.role: str = FOLLOWER
        self.leader_id: NodeId | None = None
        self.commit_index = 0
        self.configuration = self.snapshot.configuration
        self.configurations: Changes[Configuration] = ()
        self.leader_heard = True
        self.heard_round = 0

        # Candidates.
        self.votes: Map[NodeId, bool] = Map()

        # Leaders: everything below is void in any other role.
        self.term_start = 0  # the index of this term's no-op
        self.progress: Map[NodeId, Progress] = Map()  # of every peer and of itself
        self.peers: tuple[NodeId, ...] = ()
        self.round = 0
        self.round_due = False
        self.transfer: Transfer | None = None
        self.transfer_told = False
        self.reconfigure: Reconfigure | None = None
        self.change_pending = False  # a configuration in the log whose commit is to be acted upon

        # Leases (section 6.4.1).
        self.measured_round = 0
        self.measured_at: Micros = 0
        self.lease_from: Micros | None = None
        self.lease_given_up = False

        # Reads under way: those this leader confirms, and those it asks a leader for.
        self.confirming: tuple[Confirming, ...] = ()
        self.sequence_sent = 0

    @property
    def leader(self) -> NodeId | None:
        return self.leader_id

    @property
    def snapshot_slot(self) -> Slot:
        return self.snapshot.index

    # What one section asks of another.

    def become_follower(self, term: int, leader: NodeId | None, out: Out) -> None:
        """Election: follow `leader`, or nobody yet, in `term`."""
        raise NotImplementedError

    def append(self, entry: Entry) -> None:
        """Replication: the leader takes `entry` into its log."""
        raise NotImplementedError

    def begin_round(self, out: Out) -> None:
        """Replication: every follower is to answer this turn."""
        raise NotImplementedError

    def commit_to(self, index: int, out: Out) -> None:
        """Replication: everything up to `index` is committed."""
        raise NotImplementedError

    def on_commit(self, out: Out) -> None:
        """Membership: the commit index has advanced."""
        raise NotImplementedError

    def on_match(self, peer: NodeId, out: Out) -> None:
        """Transfer: `peer` has acknowledged entries."""
        raise NotImplementedError

    def on_round(self, out: Out) -> None:
        """Reads: a follower has answered a newer round."""
        raise NotImplementedError

    def on_new_leader(self, out: Out) -> None:
        """Reads: this server has found whom to follow."""
        raise NotImplementedError

    def hear(self, round: int, out: Out) -> None:
        """Election: the leader was alive when it began `round`."""
        raise NotImplementedError

    def measure_lease(self, out: Out) -> None:
        """Reads: a round begins."""
        raise NotImplementedError

    def drop_confirming(self, reason: str, out: Out) -> None:
        """Reads: refuse what this leader was asked and cannot confirm any more."""
        raise NotImplementedError

    def end_transfer(self, reason: str, out: Out) -> None:
        """Transfer: it is over, one way or another."""
        raise NotImplementedError

    def stand(self, leader_transfer: bool, out: Out) -> None:
        """Election: become a candidate."""
        raise NotImplementedError

    def send_snapshot(self, peer: NodeId, progress: Progress, out: Out) -> None:
        """Compaction: `peer` needs entries that are compacted away."""
        raise NotImplementedError

    def send_append(
        self, peer: NodeId, prev_log_index: int, entries: tuple[Entry, ...], out: Out
    ) -> None:
        """Replication: one AppendEntries."""
        raise NotImplementedError

    def adopt_configurations(self, since: int) -> None:
        """Membership: the log has changed after position `since`."""
        raise NotImplementedError

    def use_configurations(self, configurations: Changes[Configuration]) -> None:
        """Membership: these are in the log after the snapshot; the last one holds."""
        raise NotImplementedError

    def configuration_at(self, index: int) -> Configuration:
        """Membership: what held after every entry up to `index`."""
        raise NotImplementedError

    def may_stand(self) -> bool:
        """Membership: may this server be needed as a leader?"""
        raise NotImplementedError
