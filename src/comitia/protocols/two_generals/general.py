"""One general: sends and awaits messengers until dawn, then decides by what came."""

from __future__ import annotations

from typing import Final

from comitia.kernel import Message, Node, NodeId, Out, Timer
from comitia.protocols.two_generals.messages import Messenger

ATTACK: Final = "attack"
RETREAT: Final = "retreat"
DAWN: Final = "dawn"


def awaited(handshake: int, first: bool) -> int:
    """How many of `handshake` messengers go to the first general, or to the second."""
    return handshake // 2 if first else (handshake + 1) // 2


class General(Node):
    """A handshake of any length and any rule of decision: whatever a deterministic general does,
    it does by how many messengers came, since it knows what each says.
    """

    stable = ("received", "decision")
    received: int
    """Messengers that came in time."""
    decision: str | None

    def __init__(
        self,
        id: NodeId,
        generals: tuple[NodeId, ...],
        handshake: int,
        attacks_after: frozenset[int] | None = None,
        dawn_ms: int = 1_000,
    ) -> None:
        """`attacks_after`: the numbers of received messengers on which it attacks; by default all
        that it awaits.
        """
        super().__init__(id)
        if len(generals) != 2 or id not in generals or handshake < 1:
            raise ValueError(
                f"two generals and a messenger are needed, not {generals}, {handshake}"
            )
        self.first = id == min(generals)
        self.other = max(generals) if self.first else min(generals)
        self.handshake = handshake
        all_of_them = frozenset((awaited(handshake, self.first),))
        self.attacks_after = all_of_them if attacks_after is None else attacks_after
        self.dawn_ms = dawn_ms
        self.received = 0
        self.decision = None

    @property
    def next_awaited(self) -> int:
        """The number of the messenger that it waits for."""
        return 2 * self.received + (2 if self.first else 1)

    def on_start(self, out: Out) -> None:
        if self.decision is not None:
            return
        out.set_timer(DAWN, (self.dawn_ms, self.dawn_ms))
        if self.first:
            out.send(self.other, Messenger(1))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Messenger(number) if number == self.next_awaited and self.decision is None:
                self.received += 1
                if number < self.handshake:
                    out.send(self.other, Messenger(number + 1))

    def on_timer(self, timer: Timer, out: Out) -> None:
        assert timer == DAWN
        assert self.decision is None, "dawn comes once"
        self.decision = ATTACK if self.received in self.attacks_after else RETREAT
