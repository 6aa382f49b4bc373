"""Multi-Paxos, driven by hand."""

from __future__ import annotations

from typing import Any

from hand_world import Flying, HandWorld

from comitia.kernel import Ballot, Message, Propose, Slot
from comitia.protocols.multipaxos import PROTOCOL, MultiPaxos
from comitia.protocols.multipaxos.messages import Command, PValue


class PaxosWorld(HandWorld):
    """n1 leads from the start, unless `leader` is 0; `member` may be a mutant."""

    def __init__(
        self, size: int = 3, leader: int = 1, member: type[MultiPaxos] = MultiPaxos, **options: Any
    ) -> None:
        def make(*args: Any, **chosen: Any) -> MultiPaxos:
            node: MultiPaxos = PROTOCOL.make(*args, **chosen)
            node.__class__ = member
            return node

        super().__init__(PROTOCOL, size, make, **options)
        self.settle()
        if leader:
            self.elect(leader)

    def known(self, *values: str) -> None:
        """Somebody had proposed these before the test begins."""
        for promise in self.promises:
            for value in values:
                promise.on_request(1, Propose(value.encode()))

    def proposals(self, kind: type[Message], **where: int) -> list[Any]:
        """The messages of `kind` under way."""
        return [message for _, _, message in self.find(kind, **where)]

    def pass_on(self, kind: type[Message], src: int = 0, to: int = 0) -> list[Flying]:
        """Deliver what `find` finds, and nothing else."""
        found = self.find(kind, src, to)
        self.deliver(*found)
        return found

    def expire(self, *ids: int) -> None:
        """These have heard no leader for the time of a lease."""
        for id in ids:
            self.fire(id, "lease", settle=False)

    def stand(self, id: int, *silent: int, settle: bool = True) -> None:
        """`id` loses patience, after its own lease and those of `silent` have ended."""
        for other in (id, *silent):
            if "lease" in self.timers[other]:
                self.fire(other, "lease", settle=False)
        self.fire(id, "patience", settle)

    def held(self, id: int, slot: Slot) -> str | None:
        """What the acceptor of `id` holds for `slot`."""
        pvalue = self.nodes[id].pvalue_at(slot)
        return None if pvalue is None else pvalue.command.value.decode()

    def performed(self, id: int) -> Slot:
        slot: Slot = self.nodes[id].performed
        return slot


def pvalue(round: int, proposer: int, slot: Slot, value: str) -> PValue:
    return PValue(Ballot(round, proposer), slot, Command(value.encode()))
