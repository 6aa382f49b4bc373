"""Generals with one line broken; each must be caught."""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Out
from comitia.protocols.byzantine.messages import ATTACK, RETREAT, Signed
from comitia.protocols.byzantine.oral import OralGeneral, Path, majority
from comitia.protocols.byzantine.signed import SignedGeneral


class ObeysTheCommander(OralGeneral):
    """Takes the commander's word and forgets what the others say."""

    def decide(self) -> str:
        return self.said.get((self.commander,), RETREAT)


class ForgetsItsOwnEars(OralGeneral):
    """Leaves what it heard itself out of the majority."""

    def used(self, path: Path) -> str:
        if len(path) == self.last_round:
            return self.said.get(path, RETREAT)
        return majority(self.used((*path, j)) for j in self.others(path))


class BreaksTiesByItself(OralGeneral):
    """Without a majority, does what it heard itself instead of RETREAT."""

    def used(self, path: Path) -> str:
        own = self.said.get(path, RETREAT)
        if len(path) == self.last_round:
            return own
        values = [own, *(self.used((*path, j)) for j in self.others(path))]
        return own if 2 * values.count(ATTACK) == len(values) else majority(values)


class StopsARoundEarly(OralGeneral):
    """OM(m-1) where OM(m) is due."""

    @property
    def last_round(self) -> int:
        return self.m


class BelievesEverybody(OralGeneral):
    """Does not ask who brings a message."""

    def believable(self, src: NodeId, path: Path) -> bool:
        return super().believable(path[-1], path)


class AcceptsLateOrders(SignedGeneral):
    """Does not count signatures against rounds."""

    def properly_signed(self, signatures: tuple[NodeId, ...]) -> bool:
        return (
            signatures[:1] == (self.commander,)
            and len(set(signatures)) == len(signatures)
            and self.id not in signatures
        )


class CountsSignaturesTwice(SignedGeneral):
    """Signatures need not be distinct."""

    def properly_signed(self, signatures: tuple[NodeId, ...]) -> bool:
        return (
            signatures[:1] == (self.commander,)
            and self.id not in signatures
            and len(signatures) >= self.round
        )


class ObeysAnySignature(SignedGeneral):
    """The first signature need not be the commander's."""

    def properly_signed(self, signatures: tuple[NodeId, ...]) -> bool:
        return len(set(signatures)) == len(signatures) >= self.round and self.id not in signatures


class PassesNothingOn(SignedGeneral):
    """Keeps what it heard to itself."""

    def pass_on(self, out: Out) -> None:
        self.to_pass_on = ()


class StopsPassingOnTooSoon(SignedGeneral):
    """Passes on while fewer than m-1, not m, lieutenants have signed."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        before = self.to_pass_on
        super().on_message(src, message, out)
        assert isinstance(message, Signed)
        if len(message.signatures) >= self.m:
            self.to_pass_on = before


class ObeysTheFirstOrder(SignedGeneral):
    """Obeys what came first though the commander signed two orders."""

    first = ""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        super().on_message(src, message, out)
        self.first = self.first or next(iter(self.values), "")

    def decide(self) -> str:
        return self.first or RETREAT
