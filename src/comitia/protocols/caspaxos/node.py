"""A member: client-facing proposer, acceptor and collector in one process; there is no leader."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, NodeId, Out
from comitia.protocols.caspaxos.acceptor import Acceptor
from comitia.protocols.caspaxos.collector import Collector
from comitia.protocols.caspaxos.membership import Membership, Walk
from comitia.protocols.caspaxos.messages import (
    Accept,
    Erase,
    Fence,
    Join,
    ListKeys,
    Prepare,
    RefuseYounger,
    Transition,
)
from comitia.protocols.caspaxos.proposer import Proposer
from comitia.protocols.caspaxos.transition import register
from comitia.quorums import Majority, QuorumSystem

_TO_ACCEPTORS = (Prepare, Accept, RefuseYounger, Erase, Fence, ListKeys, Join)


class CasPaxos(Membership, Collector, Acceptor):
    """A register a key, changed by any member."""

    stable: ClassVar[tuple[str, ...]] = (*Acceptor.stable, *Proposer.stable)

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        system: QuorumSystem | None = None,
        transition: Transition = register,
        retry_ms: tuple[int, int] = (500, 1_000),
        backoff_ms: tuple[int, int] = (1, 20),
        collect_ms: tuple[int, int] = (1_000, 2_000),
        step_ms: tuple[int, int] = (500, 1_000),
        one_round_trip: bool = True,
    ) -> None:
        """`system` is the majority of `voters` unless given, until the first change of members.

        `retry_ms`: how long to wait for a quorum; `backoff_ms`: how long to wait after a conflict;
        `collect_ms`: when to erase tombstones; `step_ms`: when to repeat a step of a change of
        members.
        """
        quorums = Majority(voters) if system is None else system
        super().__init__(
            id, quorums, transition, retry_ms, backoff_ms, one_round_trip=one_round_trip
        )
        self.watch_garbage(collect_ms)
        self.walk: Walk | None = None
        self.step_ms = step_ms

    def on_start(self, out: Out) -> None:
        for key, kept in self.registers.items():
            if kept.state.value is None:
                self.on_tombstone(key)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, _TO_ACCEPTORS):
            Acceptor.on_message(self, src, message, out)
        if not isinstance(message, _TO_ACCEPTORS) or isinstance(message, Join):
            super().on_message(src, message, out)
