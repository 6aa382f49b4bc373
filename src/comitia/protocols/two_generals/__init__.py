"""The Two Generals: E. A. Akkoyunlu, K. Ekanadham and R. V. Huber, "Some Constraints and
Tradeoffs in the Design of Network Communications", 1975; named by Jim Gray, "Notes on Data Base
Operating Systems", 1978.

Two generals win when both attack at dawn and lose when one does.  They agree by messengers, any of
whom may be caught.  No finite protocol makes it certain: take a shortest run in which both attack
and lose its last messenger.  The one who sent it sees the same and attacks; the other attacks too,
or all is lost.  So the messenger was not needed, and the run was not shortest.

Covered: handshakes of any number of messengers under every rule of decision (`general.py`), what
is asked of them (`promises.py`), models for the checker, which finds the bad run of each
(`models.py`), and how unlikely a split can be made (`chances.py`).

**Left out**: generals that crash; randomised coordinated attack.

**Differs**: nothing is lost by the network in `models.py`, but dawn may come before any messenger
arrives, which is the same to a general.
"""

from __future__ import annotations

from comitia.kernel import Codec, NodeId, Protocol
from comitia.protocols.two_generals.general import General
from comitia.protocols.two_generals.messages import MESSAGES
from comitia.protocols.two_generals.models import cautious, hopeful, stubborn
from comitia.protocols.two_generals.promises import PROMISES
from comitia.protocols.two_generals.view import view


def make(
    id: NodeId,
    voters: tuple[NodeId, ...],
    handshake: int = 3,
    dawn_ms: int = 1_000,
) -> General:
    """Return a general who attacks when every messenger it waits for has come by dawn.

    Raises ValueError unless there are two generals and at least one messenger.
    """
    return General(id, voters, handshake, dawn_ms=dawn_ms)


PROTOCOL = Protocol(
    name="two_generals",
    source='Gray, "Notes on Data Base Operating Systems", 1978',
    codec=Codec("two_generals", 1, MESSAGES),
    make=make,
    promises=PROMISES,
    view=view,
    models=(cautious, hopeful, stubborn),
)

__all__ = ["PROTOCOL", "General", "make"]
