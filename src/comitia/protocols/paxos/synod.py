"""A member of a Synod: proposer, acceptor and learner in one process (section 2.4)."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, NodeId, Out
from comitia.protocols.paxos.acceptor import Acceptor
from comitia.protocols.paxos.messages import Accept, Chosen, Prepare
from comitia.protocols.paxos.proposer import Proposer
from comitia.quorums import Majority, QuorumSystem


class Synod(Proposer, Acceptor):
    """Accepts, and proposes when asked to, or when a choice it took part in is not told to it."""

    stable: ClassVar[tuple[str, ...]] = (*Acceptor.stable, *Proposer.stable)

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        system: QuorumSystem | None = None,
        retry_ms: tuple[int, int] = (100, 200),
        learn_ms: tuple[int, int] = (1_000, 2_000),
    ) -> None:
        """`system` is the majority of `voters` unless given; times in ms."""
        super().__init__(id, Majority(voters) if system is None else system, retry_ms)
        self.learn_ms = learn_ms

    def on_start(self, out: Out) -> None:
        if self.max_val is not None:
            out.set_timer("learn", after=self.learn_ms)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare() | Accept() if self.chosen is not None and src != self.id:
                out.send(src, Chosen(self.chosen))
            case Prepare() | Accept():
                Acceptor.on_message(self, src, message, out)
                if self.max_val is not None:
                    out.set_timer("learn", after=self.learn_ms)
            case _:
                Proposer.on_message(self, src, message, out)
                if self.chosen is not None:
                    out.cancel_timer("learn")
