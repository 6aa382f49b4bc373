"""What generals tell each other."""

from __future__ import annotations

from typing import Final

from comitia.kernel import Message, NodeId

ATTACK: Final = "ATTACK"
RETREAT: Final = "RETREAT"
"""Also what silence means, and what is obeyed when there is no majority (section 2)."""


class Oral(Message):
    """`value`, as it was passed on from the commander along `path`, sender last (OM, section 3).

    A path (1, 3, 2) reads "2 says that 3 says that commander 1 says".
    """

    value: str
    path: tuple[NodeId, ...]


class Signed(Message):
    """`value` with the signatures of all who passed it on, in order (SM, section 4).

    The paper writes v:0:j1:...:jk.  A signature is the name of its signer; see assumption A4.
    """

    value: str
    signatures: tuple[NodeId, ...]


MESSAGES = (Oral, Signed)
"""Both algorithms' messages."""
