"""Paxos, single decree: one value is chosen, once, by members that crash and messages that vanish.

Sources: Leslie Lamport, "Paxos Made Simple", 2001: sections 2.2 (acceptor, proposer), 2.3
(learning), 2.4 (progress), 2.5 (stable storage and distinct ballots).  Heidi Howard, Dahlia
Malkhi, Alexander Spiegelman, "Flexible Paxos: Quorum Intersection Revisited", 2016: phase 1 takes
read quorums and phase 2 write quorums of any `QuorumSystem`, and only those must meet.  Leslie
Lamport, "Fast Paxos", 2006: fast rounds, the rule O4(v), coordinated recovery.

**Left out**  The election of a distinguished proposer: proposers retry after random times.  Of Fast
Paxos, uncoordinated recovery and the merging of a round's phase 2a with the next one's phase 1a.

**Differs**  An acceptor tells a proposer that its ballot is too low, as the paper advises.  A
member that knows the choice answers any later proposal with it.  A round of Fast Paxos is a pair
(fast, then classic) owned by one coordinator, which makes the recovery round the next round.
"""

from comitia.kernel import Codec, Protocol
from comitia.protocols.paxos import messages, models
from comitia.protocols.paxos.fast import FastPaxos
from comitia.protocols.paxos.promises import Agreement, Nontriviality
from comitia.protocols.paxos.synod import Synod
from comitia.protocols.paxos.view import fast_view, view

PROTOCOL = Protocol(
    name="paxos",
    source='Leslie Lamport, "Paxos Made Simple", 2001',
    codec=Codec(
        "paxos",
        1,
        (
            messages.Prepare,
            messages.Promise,
            messages.Accept,
            messages.Accepted,
            messages.Rejected,
            messages.Chosen,
        ),
    ),
    make=Synod,
    promises=(Agreement, Nontriviality),
    view=view,
    ask=lambda token, verb, key, value: messages.Decide(token, value),
    verbs=("write",),
    models=(models.agreement, models.quorums_that_miss),
)

FAST_PAXOS = Protocol(
    name="fast_paxos",
    source='Leslie Lamport, "Fast Paxos", 2006',
    codec=Codec(
        "fast_paxos",
        1,
        (
            messages.Proposal,
            messages.Phase1a,
            messages.Phase1b,
            messages.Phase2a,
            messages.Phase2b,
            messages.Chosen,
        ),
    ),
    make=FastPaxos,
    promises=(Agreement, Nontriviality),
    view=fast_view,
    ask=lambda token, verb, key, value: messages.Decide(token, value),
    verbs=("write",),
    models=(models.fast, models.fast_quorums_too_small),
)
