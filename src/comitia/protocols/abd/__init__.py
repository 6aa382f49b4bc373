"""ABD: an atomic register over quorums, without consensus; any member reads and writes.

Source: Hagit Attiya, Amotz Bar-Noy, Danny Dolev, "Sharing Memory Robustly in Message-Passing
Systems", 1995: the emulation of a register by majorities, where a read writes back what it returns.
Several writers as in Nancy Lynch and Alex Shvartsman, "Robust emulation of shared memory using
dynamic quorum-acknowledged broadcasts", 1997: a write first asks for the latest timestamp, and
timestamps are (counter, writer).

It promises linearizable reads and writes whatever may be lost or late, and that who reaches a
quorum is always served.  It cannot read, modify and write in one step: that takes consensus.

**Left out**  Bounded timestamps; change of membership.  A value that was deleted leaves its
timestamp behind.

**Differs**  Quorums are those of any `QuorumSystem`: phase 1 takes read quorums, phase 2 write
quorums.  Members crash and recover, so copies are on disk, and so is the highest counter that a
writer has used: a writer that forgot it could give one timestamp to two values.  Requests for one
key that wait at one member share the next two phases.
"""

from comitia.kernel import Codec, Protocol
from comitia.protocols.abd import messages, models
from comitia.protocols.abd.node import Abd
from comitia.protocols.abd.promises import OneValueATimestamp
from comitia.protocols.abd.view import view

PROTOCOL = Protocol(
    name="abd",
    source='Attiya, Bar-Noy, Dolev, "Sharing Memory Robustly in Message-Passing Systems", 1995',
    codec=Codec("abd", 1, (messages.Query, messages.Held, messages.Store, messages.Stored)),
    make=Abd,
    promises=(OneValueATimestamp,),
    view=view,
    ask=lambda token, verb, key, value: (
        messages.ReadRegister(token, key.encode())
        if verb == "read"
        else messages.WriteRegister(token, key.encode(), value if verb == "write" else None)
    ),
    verbs=("read", "write", "delete"),
    models=(models.writers,),
)
