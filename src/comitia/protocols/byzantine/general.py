"""What the generals of both algorithms share: rounds, an order to give, an order to obey.

Assumptions A1 to A3 of the paper: what is sent arrives, its receiver knows from whom, and silence
is noticed.  Generals march in rounds: what is sent in one arrives before it ends, or counts as
silence.  A round ends when the timer "round" fires.
"""

from __future__ import annotations

from typing import Final

from comitia.kernel import Node, NodeId, Out, Timer
from comitia.protocols.byzantine.messages import RETREAT

ROUND: Final = "round"


class General(Node):
    """A loyal general."""

    stable = ("order",)
    order: str | None
    """The order it obeys, once it has decided."""
    round: int
    """From 1: the round whose messages it awaits."""

    def __init__(
        self,
        id: NodeId,
        generals: tuple[NodeId, ...],
        m: int,
        command: str = RETREAT,
        round_ms: int = 1_000,
    ) -> None:
        """The first of `generals` is the commander and orders `command`; `m` is the paper's m.

        A round lasts `round_ms`: longer than any message takes, with the drift of all clocks.
        """
        super().__init__(id)
        if id not in generals or m < 0:
            raise ValueError(f"general {id} is none of {generals}, or m = {m} is below 0")
        self.generals = tuple(sorted(generals))
        self.commander = self.generals[0]
        self.m = m
        self.command = command
        self.round_ms: int | None = round_ms
        self.round = 1
        self.order = None

    @property
    def lieutenants(self) -> tuple[NodeId, ...]:
        return self.generals[1:]

    @property
    def last_round(self) -> int:
        """Traitors in m+1 rounds cannot all be the only ones to speak: one round is honest."""
        return self.m + 1

    def on_start(self, out: Out) -> None:
        if self.order is not None:
            return
        if self.id == self.commander:
            self.give_order(out)
            self.order = self.command
        else:
            self._await_round(out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        assert timer == ROUND
        assert self.order is None, "a general who decided awaits no round"
        self.end_round(out)

    def end_round(self, out: Out) -> None:
        """Pass on what came in this round, and await the next; or decide."""
        if self.round == self.last_round:
            self.order = self.decide()
            return
        self.pass_on(out)
        self.round += 1
        self._await_round(out)

    def _await_round(self, out: Out) -> None:
        if self.round_ms is not None:
            out.set_timer(ROUND, (self.round_ms, self.round_ms))

    def give_order(self, out: Out) -> None:
        """The commander's part."""
        raise NotImplementedError

    def pass_on(self, out: Out) -> None:
        """What a lieutenant sends when round `round` is over and not the last."""
        raise NotImplementedError

    def decide(self) -> str:
        """The order that a lieutenant obeys after the last round."""
        raise NotImplementedError
