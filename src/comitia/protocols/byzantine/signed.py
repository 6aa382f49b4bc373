"""SM(m): signed messages (section 4)."""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Out
from comitia.protocols.byzantine.general import General
from comitia.protocols.byzantine.messages import RETREAT, Signed


def choice(values: frozenset[str]) -> str:
    """The only value, or RETREAT when the commander signed none or several (section 4)."""
    return next(iter(values)) if len(values) == 1 else RETREAT


class SignedGeneral(General):
    """Copes with m traitors among any number of generals; m+2 make the problem one (theorem 2)."""

    values: frozenset[str]
    """The paper's V: orders properly signed by the commander."""
    to_pass_on: tuple[Signed, ...]

    def __init__(
        self,
        id: NodeId,
        generals: tuple[NodeId, ...],
        m: int,
        command: str = RETREAT,
        round_ms: int = 1_000,
    ) -> None:
        super().__init__(id, generals, m, command, round_ms)
        self.values = frozenset()
        self.to_pass_on = ()

    def give_order(self, out: Out) -> None:
        out.broadcast(self.lieutenants, Signed(self.command, (self.id,)))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Signed(value, signatures) if (
                self.order is None
                and src in self.generals
                and self.properly_signed(signatures)
                and value not in self.values
            ):
                self.values |= {value}
                # With m lieutenants' signatures one loyal lieutenant has passed it on already: of
                # m traitors at most m-1 are lieutenants when the commander signed two orders.
                if len(signatures) <= self.m:
                    signed = Signed(value, (*signatures, self.id))
                    self.to_pass_on = (*self.to_pass_on, signed)

    def properly_signed(self, signatures: tuple[NodeId, ...]) -> bool:
        """Is it an order of the commander, signed by enough generals for this round?"""
        return (
            signatures[:1] == (self.commander,)
            and len(set(signatures)) == len(signatures)
            and set(signatures) <= set(self.generals)
            and self.id not in signatures
            # As many signatures as rounds.  Otherwise traitors keep an order back and show it to
            # one lieutenant in the last round, when he cannot tell the others any more.
            and len(signatures) >= self.round
        )

    def pass_on(self, out: Out) -> None:
        for signed in self.to_pass_on:
            out.broadcast(
                (j for j in self.lieutenants if j not in signed.signatures),
                signed,
            )
        self.to_pass_on = ()

    def decide(self) -> str:
        return choice(self.values)
