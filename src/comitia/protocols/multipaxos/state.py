"""The state of one member, which runs an acceptor, a replica and a leader side by side.

What is stable: the acceptor's promise and its pvalues, the snapshot that stands for the slots
before them, and the leader's highest ballot, so that no ballot is ever used twice.
"""

from __future__ import annotations

from typing import ClassVar

from immutables import Map

from comitia.kernel import ZERO, Ballot, Log, NodeId, Out, Record, Replica, Slot
from comitia.protocols.multipaxos.messages import Configuration, PValue, Snapshot
from comitia.protocols.multipaxos.options import Options


class Commander(Record):
    """Sees the slots `first` to `last` through."""

    first: Slot
    last: Slot
    accepted: frozenset[NodeId] = frozenset()
    chosen: bool = False


class State(Replica):
    """Attributes under the paper's names, and the arithmetic of slots and configurations."""

    stable: ClassVar[tuple[str, ...]] = (
        "lifetime",
        "leader_ballot_num",
        "ballot_num",
        "accepted",
        "decided",
        "snapshot",
    )
    lifetime: int
    """Grows with every start; what was asked in one life is not answered in another."""
    leader_ballot_num: Ballot
    """The leader's: the last one that it tried."""
    ballot_num: Ballot
    """The acceptor's: it accepts nothing below."""
    accepted: Log[PValue | None]
    """The acceptor's: for each slot the pvalue of the highest ballot, or None (figure 4 keeps all;
    the section on reducing state, only these).  A decided slot holds what was decided.
    """
    decided: Slot
    """Every slot up to here was performed when `accepted` last changed.  Written only along with
    that, so it costs no sync of its own; may lag behind `slot_out`."""
    snapshot: Snapshot

    def __init__(self, id: NodeId, voters: tuple[NodeId, ...], options: Options) -> None:
        super().__init__(id)
        self.options = options
        founded = Configuration(1, tuple(sorted(set(voters))))
        self.lifetime = 0
        self.leader_ballot_num = self.ballot_num = ZERO
        self.accepted = Log()
        self.decided = 0
        self.snapshot = Snapshot(0, (founded,), options.window)

        # The acceptor's lease (Paxos Made Live, section 5.2).
        self.lease_holder: NodeId | None = None  # to nobody else is anything promised
        self.patient = False  # the timer "patience" is armed

        # The replica: figure 1.
        self.slot_out = 1  # the next slot to perform
        self.configurations = self.snapshot.configurations  # in force at slot_out, and later ones
        self.catching_up = False
        self.collectable = 0  # a majority has performed everything up to here

        # The leader: figures 6 and 7.
        self.scouting = False
        self.active = False
        self.scout_first = 0
        self.given_up = ZERO  # whose leader asked this one to take over
        self.promised: frozenset[NodeId] = frozenset()
        self.pmax: Map[Slot, PValue] = Map()  # of each slot, the reported pvalue of highest ballot
        self.commanders: tuple[Commander, ...] = ()  # in the order of slots
        self.wanted: Configuration | None = None  # asked for, and not yet decided

    # Slots and configurations.

    @property
    def window(self) -> int:
        """WINDOW."""
        return self.snapshot.window

    @property
    def snapshot_slot(self) -> Slot:
        return self.snapshot.slot

    @property
    def performed(self) -> Slot:
        """The last slot performed: it and all before it are decided."""
        return self.slot_out - 1

    def config_at(self, slot: Slot) -> Configuration:
        """Return who decides `slot`; known for sure below slot_out + WINDOW."""
        for configuration in reversed(self.configurations):
            if configuration.since <= slot:
                return configuration
        raise AssertionError(f"slot {slot} is older than {self.configurations}")

    @property
    def audience(self) -> tuple[NodeId, ...]:
        """Everybody else who is, or will be, a member; ascending."""
        return tuple(sorted({n for c in self.electorates for n in c.members} - {self.id}))

    @property
    def electorates(self) -> tuple[Configuration, ...]:
        """Those whose promises a leader needs: now, soon, and before it proposes a change."""
        return self.configurations if self.wanted is None else (*self.configurations, self.wanted)

    def may_lead(self) -> bool:
        """Is this member an acceptor now, or about to become one?"""
        return any(self.id in c.voters for c in self.configurations)

    def pvalue_at(self, slot: Slot) -> PValue | None:
        """Return what the acceptor holds for `slot`, which is not collected yet, if anything."""
        assert slot >= self.accepted.first, (slot, self.accepted.first)
        return self.accepted[slot] if slot <= self.accepted.last else None

    def put(self, first: Slot, pvalues: tuple[PValue, ...]) -> None:
        """Hold `pvalues` for the slots from `first` on; gaps before them stay gaps."""
        assert first >= self.accepted.first and pvalues, (first, self.accepted.first)
        log = self.accepted
        if first > log.last:
            self.accepted = log.append(((None,) * (first - log.last - 1)) + pvalues)
        else:
            behind = first + len(pvalues)
            rest = log.slice(behind, log.last) if behind <= log.last else ()
            self.accepted = log.cut_after(first - 1).append(pvalues + rest)
        self.decided = self.performed

    def step_down(self, reason: str, out: Out) -> None:
        """Leader: lead no more, and scout no more."""
        raise NotImplementedError

    def try_adopt(self, out: Out) -> None:
        """Scout: has a majority promised?"""
        raise NotImplementedError

    def on_configuration(self, configuration: Configuration, out: Out) -> None:
        """Membership: `configuration` was decided and will be in force from its slot on."""
        raise NotImplementedError

    def on_in_force(self, out: Out) -> None:
        """Membership: the next slot to perform is the first of another configuration."""
        raise NotImplementedError

    def on_performed(self, out: Out) -> None:
        """Membership: slots were performed, or somebody has promised."""
        raise NotImplementedError

    def begin_round(self, out: Out) -> None:
        """Commander: ask every replica whether it still follows this ballot."""
        raise NotImplementedError
