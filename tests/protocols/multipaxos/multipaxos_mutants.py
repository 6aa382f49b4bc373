"""Multi-Paxos with one line broken, many times over: each must be caught.

Every mutant names the rule it breaks and how it is caught: by the simulator under these settings,
or, where that takes a rare coincidence, by the rule's own test.
"""

from __future__ import annotations

from comitia.protocols.multipaxos import MultiPaxos as Paxos
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import edited, replaced
from comitia.sim.run import Settings


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in Paxos.stable if name not in names)


ANY = Settings()
CHURN = Settings(
    faults=parse_faults("network,crash,pause,sync,slow_disk,batch,blackout"),
    options={"lease_ms": 61, "clock_drift_ms": 0, "reads": "index"},
    steps=1500,
)
"""Leases are so short that leaders come and go."""
MEMBERS = Settings(
    faults=parse_faults("network,crash,membership,transfer"),
    options={"window": 2},
    steps=1500,
)
TIME = Settings(
    faults=parse_faults("network,pause,clock,crash,jump,transfer"),
    options={"reads": "lease"},
    steps=1500,
)

BY_SIMULATION = [
    # Acceptors (PMMC, figure 4).
    (replaced("a promise is forgotten in a crash", stable=without("ballot_num")), CHURN),
    (
        replaced("what was accepted is forgotten in a crash", stable=without("accepted", "decided")),
        ANY,
    ),
    (
        edited(
            "an acceptor accepts what is below its promise",
            Paxos.on_p2a,
            "if not self.follow(src, message.ballot_num, out):",
            "if not self.follow(src, message.ballot_num, out) and self.id == 0:",
        ),
        CHURN,
    ),
    (
        edited("accepting is no promise", Paxos.follow, "self.promise(ballot_num, out)", "pass"),
        ANY,
    ),
    (
        edited(
            "an acceptor answers P2a before its disk",
            Paxos.on_p2a,
            "out.send(src, P2b",
            "out.send_early(src, P2b",
        ),
        CHURN,
    ),
    (
        edited(
            "a snapshot throws away what was accepted behind it",
            Paxos.on_install_snapshot,
            "if behind else",
            "if False else",
        ),
        ANY,
    ),
    # Scouts (figure 6).
    (replaced("a leader's ballot is forgotten in a crash", stable=without("leader_ballot_num")), ANY),
    (
        edited(
            "a scout needs one promise less than a majority",
            Paxos.is_enough,
            "configuration.quorum.is_read_quorum(promised)",
            "len(promised & {*configuration.voters}) >= configuration.quorum.size - 1",
        ),
        ANY,
    ),
    (
        edited(
            "of two pvalues the one of the lower ballot is proposed again",
            Paxos.on_p1b,
            "pvalue.ballot_num > known.ballot_num",
            "pvalue.ballot_num < known.ballot_num",
        ),
        CHURN,
    ),
    (
        edited(
            "what acceptors report is not proposed again",
            Paxos.next_commands,
            "command = pvalue.command if pvalue else NO_OP",
            "command = NO_OP",
        ),
        ANY,
    ),
    (
        edited(
            "a scout does not learn what others know to be decided",
            Paxos.try_adopt,
            "if self.ahead > self.performed:",
            "if False:",
        ),
        ANY,
    ),
    (
        edited(
            "a promise to another ballot counts",
            Paxos.on_p1b,
            "message.ballot_num != self.leader_ballot_num",
            "message.ballot_num > self.leader_ballot_num",
        ),
        CHURN,
    ),
    # Commanders.
    (
        edited(
            "a command is decided by one acceptor less than a majority",
            Paxos.has_accepted,
            "configuration.quorum.is_write_quorum(accepted)",
            "len(accepted) >= configuration.quorum.size - 1",
        ),
        ANY,
    ),
    (
        edited(
            "a leader counts its own acceptor before its disk",
            Paxos.propose,
            "out.send(self.id, P2b",
            "out.send_early(self.id, P2b",
        ),
        CHURN,
    ),
    (
        edited(
            "a decision is taken to speak of any ballot's pvalue",
            Paxos.learn_decided,
            " or pvalue.ballot_num != ballot_num",
            "",
        ),
        CHURN,
    ),
    # Membership.
    (
        edited(
            "a configuration decides from the next slot on",
            Paxos.takes_effect,
            "slot + self.window",
            "slot + 1",
        ),
        MEMBERS,
    ),
    (
        edited(
            "a leader proposes beyond the window",
            Paxos.next_commands,
            "end = self.slot_out + self.window",
            "end = self.slot_out + 8 * self.window",
        ),
        MEMBERS,
    ),
    (
        edited(
            "new acceptors are not asked for promises",
            Paxos.next_commands,
            " or not self.has_promised(configuration)",
            "",
        ),
        MEMBERS,
    ),
    (
        edited(
            "a snapshot forgets how the configuration has changed",
            Paxos.on_compact,
            "in_force(known, slot + 1)",
            "self.snapshot.configurations",
        ),
        ANY,
    ),
    (
        edited(
            "found here: a leader does not ask its own acceptor for the slots of a new configuration",
            Paxos.send_p1a,
            "and not self.active",
            "",
        ),
        ANY,
    ),
    (
        edited(
            "found here: who left does not tell who came that they decide now",
            Paxos.tell_heirs,
            "if self.performed and",
            "if False and",
        ),
        MEMBERS,
    ),
    # Reads (Paxos Made Live, section 5.2).
    (
        edited("a lease lasts ten times too long", Paxos.has_lease, "lasts_ms * 1000", "10**7"),
        TIME,
    ),
    (
        edited(
            "an acceptor promises to others while a lease runs",
            Paxos.on_p1a,
            "if self.lease_holder not in (None, src) and message.given_up != self.ballot_num:",
            "if False:",
        ),
        TIME,
    ),
    (
        edited(
            "an acceptor that restarts forgets its lease",
            Paxos.wake_acceptor,
            "self.hear(holder, out)",
            "self.wait(out)",
        ),
        TIME,
    ),
    (
        edited(
            "a lease is counted from the answers",
            Paxos.on_round,
            "= self.lease_sent, 0",
            "= out.now, 0",
        ),
        TIME,
    ),
    (
        edited(
            "a leader keeps its lease when it hands over",
            Paxos.tell_to_take_over,
            "self.lease_given_up = True",
            "pass",
        ),
        TIME,
    ),
    (
        edited(
            "a new leader serves reads before it has performed what others may have",
            Paxos.confirm,
            "if self.settled and self.has_lease(out):",
            "if self.has_lease(out):",
        ),
        TIME,
    ),
    (
        edited(
            "a read is confirmed by a round that began before it",
            Paxos.confirm,
            "Confirming(self.round + 1,",
            "Confirming(self.round,",
        ),
        CHURN,
    ),
    (
        edited(
            "newcomers are not asked whether they still follow",
            Paxos.confirmed_round,
            "min(map(self.round_of, self.configurations))",
            "self.round_of(self.configurations[0])",
        ),
        MEMBERS,
    ),
    (
        edited(
            "a lease outlives a change of who grants it",
            Paxos.on_configuration,
            "self.forget_lease()",
            "pass",
        ),
        MEMBERS,
    ),
]
