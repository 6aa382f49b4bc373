"""What crosses the valley."""

from __future__ import annotations

from comitia.kernel import Message


class Messenger(Message):
    """Messenger `number` of the handshake, from 1; those of the first general are odd.

    The first says "attack at dawn", each later one "I know that you sent the one before".
    """

    number: int


MESSAGES = (Messenger,)
