"""What Multi-Paxos promises, checked after every step.

The names follow the invariants of PMMC (A1 to A5 of its acceptors, C1 and C2 of its commanders, R1
and R2 of its replicas) and Paxos Made Simple (P2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from immutables import Map

from comitia.kernel import (
    ZERO,
    Ballot,
    Broken,
    DeliveriesAgree,
    Log,
    Node,
    NodeId,
    Promise,
    Propose,
    ReadsAreCurrent,
    Request,
    Slot,
)
from comitia.protocols.multipaxos.messages import Command, Configuration, PValue
from comitia.protocols.multipaxos.multipaxos import MultiPaxos

Nodes = Mapping[NodeId, MultiPaxos]


class PromisesGrow(Promise):
    """A1: neither the ballot that an acceptor promised nor the one a leader tried ever falls; nor
    does what a replica has performed, while it runs.
    """

    watch: ClassVar[tuple[str, ...]] = ("ballot_num", "leader_ballot_num", "slot_out")

    def __init__(self) -> None:
        self.seen: Map[NodeId, tuple[Ballot, Ballot, Slot]] = Map()

    def on_restart(self, node: Any) -> None:
        # What a crash took back had not left the member: the second law sees to that.
        restored = node.ballot_num, node.leader_ballot_num, node.snapshot.slot + 1
        self.seen = self.seen.set(node.id, restored)

    def on_step(self, node: MultiPaxos, nodes: Nodes) -> None:
        now = node.ballot_num, node.leader_ballot_num, node.slot_out
        before = self.seen.get(node.id, (ZERO, ZERO, 1))
        for name, new, old in zip(("promise", "own ballot", "slot_out"), now, before, strict=True):
            if new < old:  # type: ignore[operator]
                raise Broken(f"n{node.id}: its {name} fell from {old} to {new}")
        self.seen = self.seen.set(node.id, now)


class BallotsLeadOnce(Promise):
    """C1: one leader proposes in a ballot, in one lifetime: no ballot is used again."""

    watch: ClassVar[tuple[str, ...]] = ("active", "leader_ballot_num")

    def __init__(self) -> None:
        self.leaders: Map[Ballot, tuple[NodeId, int]] = Map()

    def on_step(self, node: MultiPaxos, nodes: Nodes) -> None:
        if not node.active:
            return
        me = node.id, node.lifetime
        known = self.leaders.get(node.leader_ballot_num)
        if known is None:
            self.leaders = self.leaders.set(node.leader_ballot_num, me)
        elif known != me:
            raise Broken(f"{known} and {me} (member, lifetime) both lead {node.leader_ballot_num}")


class Acceptances(Promise):
    """Sees every new pvalue of every acceptor; the base of two promises."""

    watch: ClassVar[tuple[str, ...]] = ("accepted", "slot_out")

    def __init__(self) -> None:
        self.logs: Map[NodeId, Log[PValue | None]] = Map()

    def on_restart(self, node: Node) -> None:
        self.logs = self.logs.delete(node.id) if node.id in self.logs else self.logs

    def on_step(self, node: MultiPaxos, nodes: Nodes) -> None:
        log, before = node.accepted, self.logs.get(node.id)
        if before is not log:
            first = log.first
            if before is not None:
                first = max(first, before.shared_until(log) + 1)
            for slot in range(first, log.last + 1):
                pvalue = log[slot]
                old = before[slot] if before is not None and slot <= before.last else None
                if pvalue is not None and pvalue is not old:
                    self.on_accepted(node, old, pvalue)
            self.logs = self.logs.set(node.id, log)

    def on_accepted(self, node: MultiPaxos, old: PValue | None, new: PValue) -> None:
        """`node` holds `new`, where it held `old`."""
        raise NotImplementedError


class OneCommandABallot(Acceptances):
    """A4 and A2: in one ballot one command is accepted for a slot, by whomever; and an acceptor
    holds, of each slot, only ever a later ballot than before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commands: Map[tuple[Ballot, Slot], Command] = Map()

    def on_accepted(self, node: MultiPaxos, old: PValue | None, new: PValue) -> None:
        key = new.ballot_num, new.slot
        known = self.commands.get(key)
        if known is None:
            self.commands = self.commands.set(key, new.command)
        elif known != new.command:
            raise Broken(f"n{node.id} accepts {new}, another {known}")
        if old is not None and old.ballot_num > new.ballot_num:
            raise Broken(f"n{node.id} holds {new} instead of {old}")
        if new.ballot_num > node.ballot_num and new.slot >= node.slot_out:
            raise Broken(f"n{node.id} accepts {new} and has promised only {node.ballot_num}")


class ChosenStays(Acceptances):
    """P2 and R1: once a command is known to be decided for a slot, nobody performs another there,
    and no later ballot proposes another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.decided: Map[Slot, PValue] = Map()
        self.last = 0
        self.later: Map[Slot, PValue] = Map()  # by slot not known to be decided: its last ballot

    def on_step(self, node: MultiPaxos, nodes: Nodes) -> None:
        super().on_step(node, nodes)
        log = node.accepted
        for slot in range(max(self.last + 1, log.first), node.slot_out):
            pvalue = log[slot]
            assert pvalue is not None, f"n{node.id} performed {slot} and does not hold it"
            self.decided, self.last = self.decided.set(slot, pvalue), slot
            self.compare(node, pvalue, self.later.get(slot))
            if slot in self.later:
                self.later = self.later.delete(slot)

    def on_accepted(self, node: MultiPaxos, old: PValue | None, new: PValue) -> None:
        known = self.decided.get(new.slot)
        if known is not None:
            self.compare(node, known, new)
        elif new.slot > self.last:
            latest = self.later.get(new.slot)
            if latest is None or latest.ballot_num < new.ballot_num:
                self.later = self.later.set(new.slot, new)

    def compare(self, node: MultiPaxos, decided: PValue, other: PValue | None) -> None:
        if other is None or other.command == decided.command:
            return
        if other.ballot_num >= decided.ballot_num or other.slot < node.slot_out:
            raise Broken(f"{decided} is decided, and n{node.id} holds {other}")


class PerformedAgree(DeliveriesAgree):
    """R1 and R2: no two replicas perform different values at a slot, each performs all in order."""

    watch: ClassVar[tuple[str, ...]] = ("snapshot",)


class ConfigurationsAgree(Promise):
    """Everybody knows the same configurations, each from the same slot on."""

    watch: ClassVar[tuple[str, ...]] = ("configurations",)

    def __init__(self) -> None:
        self.known: Map[Slot, Configuration] = Map()

    def on_step(self, node: MultiPaxos, nodes: Nodes) -> None:
        for configuration in node.configurations:
            known = self.known.get(configuration.since)
            if known is None:
                self.known = self.known.set(configuration.since, configuration)
            elif known != configuration:
                raise Broken(f"n{node.id} knows {configuration}, another {known}")


class NothingInvented(Promise):
    """Only what was proposed is decided (Paxos Made Simple, section 2.1)."""

    watch: ClassVar[tuple[str, ...]] = ("snapshot",)  # never to be told of other steps

    def __init__(self) -> None:
        self.proposed: frozenset[bytes] = frozenset()

    def on_request(self, node: NodeId, request: Request) -> None:
        if isinstance(request, Propose):
            self.proposed |= {request.value}

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if value and value not in self.proposed:
            raise Broken(f"n{node} performs {value!r} at {slot}, which nobody proposed")


class LeasesExclude(ReadsAreCurrent):
    """Paxos Made Live, section 5.2: while a lease holds, nobody else has anything decided, so a
    read under it shows everything that anybody had performed when it was asked."""


PROMISES: tuple[Callable[[], Promise], ...] = (
    PromisesGrow,
    BallotsLeadOnce,
    OneCommandABallot,
    ChosenStays,
    PerformedAgree,
    ConfigurationsAgree,
    NothingInvented,
    LeasesExclude,
)
