"""CASPaxos: a register a key, rewritten by any member; a replicated state machine without a log.

Source: Denis Rystsov, "CASPaxos: Replicated State Machines without logs", 2018: sections 2.2 (the
protocol, the one-round-trip optimisation, flexible quorums), 2.3 (change of membership), 3.1
(deletion).  Leaderless: every member is proposer, acceptor and collector, so that the loss of one
is noticed by its own clients only.

**Left out**  WAN object stealing (section 2.4); learners; more than one member coming or going in
one change.

**Differs**
Every state carries, for each proposer, the ballot of its last change that the state descends from:
a proposer that tries again, after a conflict, sees whether an earlier try took effect, and a change
is applied once.  The paper leaves that to the client's change function.
Changes of one key that wait at one proposer are applied together and accepted as one state.
A tombstone is not erased while a greater ballot is promised on that acceptor: with the promise
gone two proposers could pass phase 1 in the wrong order.  And a proposer that is told of a deletion
begins its phase 1 under way for that key again, as it forgets its cache.
Every key is written again before a cluster with an even number of members *shrinks*, too, not only
before it grows; the next configuration is agreed on in a register; a member that is removed without
its consent is fenced by the ages of section 3.1.
"""

from comitia.kernel import Codec, Protocol
from comitia.protocols.caspaxos import messages, models
from comitia.protocols.caspaxos.node import CasPaxos
from comitia.protocols.caspaxos.promises import Chain, OneStateABallot
from comitia.protocols.caspaxos.view import view

PROTOCOL = Protocol(
    name="caspaxos",
    source='Denis Rystsov, "CASPaxos: Replicated State Machines without logs", 2018',
    codec=Codec(
        "caspaxos",
        1,
        (
            messages.Prepare,
            messages.Promised,
            messages.Accept,
            messages.Accepted,
            messages.Conflict,
            messages.Invalidate,
            messages.Invalidated,
            messages.RefuseYounger,
            messages.AgesKept,
            messages.Erase,
            messages.Erased,
            messages.Fence,
            messages.Join,
            messages.Configure,
            messages.ListKeys,
            messages.Keys,
            messages.Done,
        ),
    ),
    make=CasPaxos,
    promises=(Chain, OneStateABallot),
    view=view,
    ask=lambda token, verb, key, value: messages.Change(
        token, key.encode(), {"read": b"", "write": b"=" + value, "delete": b"-"}[verb]
    ),
    verbs=("read", "write", "delete"),
    stress={
        "collect_ms": ((20, 50), (100, 200)),
        "retry_ms": ((150, 300), (500, 1_000)),
        "one_round_trip": (True, False),
    },
    models=(models.append, models.one_round_trip, models.quorums_that_miss),
)
