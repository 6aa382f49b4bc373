"""Byzantine members: an adversary speaks for them."""

from __future__ import annotations

from collections.abc import Iterable

from comitia.kernel import Message, NodeId


class Adversary:
    """Rewrites what some nodes say.  The nodes themselves run the protocol and know nothing of it.

    A subclass draws what it needs from `comitia.sim.dice.Dice`, keeps what it has heard to replay
    it later, and sees everything that its nodes send to others, one message at a time.
    """

    def __init__(self, liars: Iterable[NodeId]) -> None:
        """`liars` are the members that it speaks for."""
        self.liars = frozenset(liars)

    def rewrite(
        self, src: NodeId, to: NodeId, message: Message
    ) -> Iterable[tuple[NodeId, Message]]:
        """Return what leaves `src` in the place of `message` to `to`: whom, and what."""
        return ((to, message),)
