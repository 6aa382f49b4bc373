"""The Byzantine Generals: Leslie Lamport, Robert Shostak and Marshall Pease, "The Byzantine
Generals Problem", ACM TOPLAS 4(3), 1982.

A commander sends an order to his lieutenants; some of them, or he, are traitors.  IC1: all loyal
lieutenants obey the same order.  IC2: if the commander is loyal, they obey his.

Covered: OM(m), oral messages, for more than 3m generals (section 3), and SM(m), signed messages,
for any number (section 4).  Read `messages.py`, `general.py`, then `oral.py` and `signed.py`.
`adversary.py` searches everything that traitors can do in lock step; `models.py` has OM(1) for the
model checker; `counts.py` the numbers of messages.

**Left out**: networks in which not everybody can send to everybody (section 5); orders other than
ATTACK and RETREAT.

**Differs**: a signature is the name of its signer, and `adversary.py` keeps traitors from writing
another's (assumption A4); PBFT signs for real.  Generals pass on at the end of a round what came in
it, and the recursion of OM(m) is laid out by rounds along paths.  SM(m) accepts a value that bears
more signatures than rounds have passed: a faster clock, or traitors who signed for each other, lose
nobody time to pass it on.
"""

from __future__ import annotations

from typing import Any, Literal

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.byzantine.adversary import Search, exhaust
from comitia.protocols.byzantine.general import General
from comitia.protocols.byzantine.messages import ATTACK, MESSAGES, RETREAT
from comitia.protocols.byzantine.models import oral, three_generals
from comitia.protocols.byzantine.oral import OralGeneral
from comitia.protocols.byzantine.promises import PROMISES
from comitia.protocols.byzantine.signed import SignedGeneral
from comitia.protocols.byzantine.view import view


def make(
    id: NodeId,
    voters: tuple[NodeId, ...],
    messages: Literal["oral", "signed"] = "oral",
    m: int = 1,
    **options: Any,
) -> General:
    """Return a loyal general who copes with `m` traitors; `options` are those of `General`.

    Raises ValueError when there are too few generals for `m` (theorems 1 and 2).
    """
    needed = 3 * m + 1 if messages == "oral" else m + 2
    if len(voters) < needed:
        raise ValueError(f"{m} traitors and {messages} messages take {needed} generals")
    kind = OralGeneral if messages == "oral" else SignedGeneral
    return kind(id, voters, m, **options)


PROTOCOL = Protocol(
    name="byzantine",
    source='Lamport, Shostak, Pease, "The Byzantine Generals Problem", 1982',
    codec=Codec("byzantine", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    models=(oral, three_generals),
)

__all__ = [
    "ATTACK",
    "PROTOCOL",
    "RETREAT",
    "General",
    "OralGeneral",
    "Search",
    "SignedGeneral",
    "exhaust",
    "make",
]
