"""Synod and Fast Paxos with one line broken.  A check that lets them live proves nothing."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from comitia.kernel import ZERO, Ballot, Message, NodeId, Out
from comitia.protocols.paxos.acceptor import Acceptor
from comitia.protocols.paxos.fast import FastPaxos
from comitia.protocols.paxos.messages import Accept, Accepted, Phase2a, Prepare, Promise, Proposal
from comitia.protocols.paxos.picking import favourite
from comitia.protocols.paxos.proposer import Proposer


class AcceptDoesNotPromise(Acceptor):
    """An acceptor that accepts keeps its old, lower promise."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        promised = self.max_bal
        super().on_message(src, message, out)
        if isinstance(message, Accept):
            self.max_bal = promised


class MostFrequentValue(Proposer):
    """Phase 2(a) takes the value that most answers report, not that of the highest ballot."""

    def accept(self, out: Out) -> None:
        count = Counter(val for _, _, val in self.promises if val is not None)
        if count:
            most = max(sorted(count), key=lambda val: count[val])
            self.promises = frozenset((a, Ballot(1, 1), most) for a, _, _ in self.promises)
        super().accept(out)


class VotesCountedByMessage(Proposer):
    """An answer that arrives twice counts as two."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Accepted) and src in self.votes:
            src = next((m for m in self.system if m not in self.votes), src)
        super().on_message(src, message, out)


class PromisesCountedByMessage(Proposer):
    """A promise that arrives twice counts as two."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Promise):
            told = {acceptor for acceptor, _, _ in self.promises}
            if src in told:
                src = next((m for m in self.system if m not in told), src)
        super().on_message(src, message, out)


class ForgetsItsPromise(Acceptor):
    """The promise is not on disk."""

    stable: ClassVar = ("max_vbal", "max_val")

    def on_start(self, out: Out) -> None:
        self.max_bal = self.max_vbal
        super().on_start(out)


class ForgetsItsVote(Acceptor):
    """What was accepted is not on disk."""

    stable: ClassVar = ("max_bal",)


class ForgetsItsBallot(Proposer):
    """The highest ballot tried is not on disk: after a restart it is tried again."""

    stable: ClassVar = ()


class GoesOnAfterARestart(Proposer):
    """After a restart late answers to the ballot of the former life count."""

    def on_start(self, out: Out) -> None:
        super().on_start(out)
        if self.n > ZERO:
            self.phase = 1


class BallotsWithoutAProposer(Proposer):
    """Two proposers use the same ballots."""

    def prepare(self, out: Out) -> None:
        self.n, self.phase = Ballot(max(self.n, self.seen).round + 1, 1), 1
        self.promises, self.v, self.votes = frozenset(), None, frozenset()
        out.broadcast(self.system, Prepare(self.n))
        out.set_timer("retry", after=self.retry_ms)


class PicksAnyValue(FastPaxos):
    """Phase 2a is free although a value may have been chosen in a fast round."""

    def propose(self, reports, out: Out) -> None:  # type: ignore[no-untyped-def]
        if self.crnd.classic:
            v = self.wish or favourite(reports) or self.heard
            if v is not None:
                self.phase = 2
                out.broadcast(self.system, Phase2a(self.crnd, v))
        else:
            super().propose(reports, out)


class VotesTwiceInARound(FastPaxos):
    """Every proposal that arrives in a fast round gets a vote."""

    def vote(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Proposal) and self.rnd == self.vrnd and self.rnd.fast:
            self.cast(message.v, out)
        else:
            super().vote(src, message, out)


class ForgetsItsFastVote(FastPaxos):
    """The vote is not on disk."""

    stable: ClassVar = ("rnd", "crnd")


FAST_MUTANTS = (PicksAnyValue, VotesTwiceInARound, ForgetsItsFastVote)
