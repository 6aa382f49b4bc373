"""ZAB with one line broken: noticed by the simulator, or by the test of the rule it breaks.

"Found here" marks mistakes that this implementation once had.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import test_zab_rules as rules
from mutants_by_rule import dies_by

from comitia.kernel import Out, Propose
from comitia.protocols.zab import PROTOCOL, ZabServer
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import Mutant, edited, kill, replaced
from comitia.sim.run import Settings
from pages.deaths import tell

Z = ZabServer
LOSSY = Settings(
    faults=parse_faults("network,crash,blackout,sync,transfer,compact"), steps=1500, nodes=3
)
SLOW_DISK = Settings(
    faults=parse_faults("crash,blackout,sync,slow_disk,loss,clog"), nodes=3, liveness=False
)
"""Without liveness: a follower that acknowledged what it then lost waits for it in vain as well."""
HANDED_OVER = Settings(
    faults=parse_faults("crash,blackout,sync,slow_disk,partition,transfer"),
    nodes=3,
    steps=1500,
    liveness=False,
)
"""Many epochs: who lost what it acknowledged by ACK-LD lost the epoch with it."""
MEMBERS = Settings(faults=parse_faults("network,crash,membership,compact,sync,transfer"))
CLOCKS = Settings(faults=parse_faults("network,pause,clock,crash,jump,transfer"), steps=1500)


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in Z.stable if name not in names)


SMALL_QUORUM = edited(
    "one voter less than a quorum commits",
    Z.advance,
    "self.configuration.reached(self.acked_by)",
    "sorted(map(self.acked_by, self.configuration.voters))"
    "[(len(self.configuration.voters) + 1) // 2]",
)

EARLY_ACK_LD = edited(
    "ACK-LD leaves before the disk has the history",
    Z.on_new_leader,
    "out.send(src, AckLd(",
    "out.send_early(src, AckLd(",
)


def refuse_and_leave(server: ZabServer, reason: str, out: Out) -> None:
    if server.established:
        for txn in server.history.slice(server.committed + 1, server.history.last):
            if txn.value:
                out.refuse(Propose(txn.value), reason)
    Z.leave_phase(server, reason, out)


BY_SIMULATION: list[tuple[Mutant, Settings, str]] = [
    (SMALL_QUORUM, LOSSY, "PrimaryIntegrity"),
    (
        replaced("f.p is forgotten in a crash", stable=without("accepted_epoch")),
        LOSSY,
        "EpochsOnlyGrow",
    ),
    (
        replaced("f.a is forgotten in a crash", stable=without("current_epoch")),
        LOSSY,
        "PrimaryIntegrity",
    ),
    (
        replaced(
            "a leader that gives up refuses what others may still commit",
            leave_phase=refuse_and_leave,
        ),
        LOSSY,
        "Refusal",
    ),
    (
        edited(
            "ACK leaves before the disk has the transaction",
            Z.on_proposal,
            "out.send(src, Ack(",
            "out.send_early(src, Ack(",
        ),
        SLOW_DISK,
        "PrimaryIntegrity",
    ),
    (
        EARLY_ACK_LD,
        HANDED_OVER,
        "PrimaryIntegrity",
    ),
    (
        edited(
            "the leader counts itself before its disk has the transaction",
            Z.replicate,
            "out.send(self.id, Ack(",
            "out.send_early(self.id, Ack(",
        ),
        SLOW_DISK,
        "PrimaryIntegrity",
    ),
    (
        edited(
            "found here: a follower that waits for a snapshot in phase 3 is sent it only once",
            Z.on_ping_timer,
            "elif learner.needs_snapshot and peer in self.active:",
            "elif False:",
        ),
        MEMBERS,
        "Liveness",
    ),
    (
        edited("a lease lasts ten times too long", Z.has_lease, "* 1000", "* 10000"),
        CLOCKS,
        "MonotonicReads",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "settings", "promise"), BY_SIMULATION, ids=[str(case[0]) for case in BY_SIMULATION]
)
def test_the_simulator_kills_the_mutant(
    mutant: Mutant, settings: Settings, promise: str, request: pytest.FixtureRequest
) -> None:
    failure = kill(PROTOCOL, mutant, seeds=3000, settings=settings)
    print(failure)
    assert failure.promise == promise, failure
    mutants = [case[0] for case in BY_SIMULATION]
    tell("zab", mutants, mutant, settings, failure, request)


BY_RULE: list[tuple[Mutant, Callable[[], None]]] = [
    (EARLY_ACK_LD, rules.test_ack_ld_leaves_when_history_and_epoch_are_on_disk),
    (
        edited(
            "found here: a follower does not notice that its leader looks again",
            Z.on_notification,
            "message.round > self.round:",
            "False:",
        ),
        rules.test_a_follower_whose_leader_looks_again_looks_too,
    ),
    (
        edited("a follower that hears its leader accepts others", Z.hear, "= True", "= False"),
        rules.test_a_follower_that_hears_its_leader_accepts_no_other_epoch_also_after_a_restart,
    ),
    (
        edited(
            "a leader with a worse history goes on",
            Z.on_ack_e,
            "theirs > (self.current_epoch, self.last_zxid)",
            "False",
        ),
        rules.test_a_leader_that_meets_a_better_history_gives_up,
    ),
    (
        edited(
            "an epoch is promised to any number of leaders",
            Z.on_new_epoch,
            "accepted != (message.epoch, src)",
            "accepted[0] != message.epoch",
        ),
        rules.test_an_epoch_is_promised_to_one_leader_only_also_across_a_restart,
    ),
    (
        edited(
            "an earlier epoch is accepted",
            Z.on_new_epoch,
            "if message.epoch > self.accepted_epoch:",
            "if True:",
        ),
        rules.test_a_follower_accepts_no_earlier_epoch,
    ),
    (
        edited(
            "NEWEPOCH leaves before the leader's promise is on disk",
            Z.propose_epoch,
            "out.send(peer, NewEpoch",
            "out.send_early(peer, NewEpoch",
        ),
        rules.test_new_epoch_leaves_only_when_the_leaders_own_promise_is_on_disk,
    ),
    (
        edited(
            "a new epoch need not be later than what others accepted",
            Z.propose_epoch,
            "max(self.cepochs.values()) + 1",
            "self.accepted_epoch + 1",
        ),
        rules.test_an_epoch_is_later_than_any_that_a_quorum_has_accepted,
    ),
    (
        edited(
            "votes of older rounds count",
            Z.on_vote,
            "if message.round < self.round:",
            "if False:",
        ),
        rules.test_votes_of_an_older_round_are_not_counted_and_their_sender_catches_up,
    ),
    (
        edited(
            "an overtaken vote counts",
            Z.on_vote,
            "if known is None or known < message.vote:",
            "if True:",
        ),
        rules.test_a_vote_that_was_overtaken_by_a_better_one_of_its_sender_does_not_count,
    ),
    (
        edited(
            "a leader waits for a member that can never accept its epoch",
            Z.on_cepoch,
            "self.renew_epoch(out)",
            "pass",
        ),
        rules.test_a_member_that_accepted_a_later_epoch_is_taken_in_by_one_later_still,
    ),
    (
        edited(
            "TRUNC cuts the history on disk",
            Z.on_trunc,
            "self.say_where(out)",
            "self.history = self.incoming; self.say_where(out)",
        ),
        rules.test_trunc_and_diff_take_nothing_from_the_disk_before_new_leader,
    ),
    (
        edited(
            "NEWLEADER is accepted whatever is here",
            Z.on_new_leader,
            "if not log.first <= slot <= log.last or log[slot].zxid != message.zxid:",
            "if False:",
        ),
        rules.test_new_leader_is_not_accepted_before_all_that_it_speaks_of_is_here,
    ),
    (
        edited(
            "a snapshot is installed over a history that holds it",
            Z.on_snap,
            "history[slot].zxid == snapshot.zxid",
            "False",
        ),
        rules.test_a_snapshot_that_the_history_covers_is_not_installed,
    ),
    (
        edited(
            "proposals go only to who acknowledged the leader",
            Z.replicate,
            "elif learner.next and (",
            "elif learner.next and (learner.acked >= 0 or not learner.told) and (",
        ),
        rules.test_proposals_go_to_who_acknowledged_the_epoch_not_only_the_new_leader,
    ),
    (
        edited(
            "acknowledgements of any epoch count",
            Z.on_ack,
            "or message.epoch != self.epoch",
            "",
        ),
        rules.test_an_acknowledgement_of_an_older_epoch_is_not_counted,
    ),
    (
        edited(
            "promises to any epoch count",
            Z.on_ack_e,
            "or message.epoch != self.epoch",
            "",
        ),
        rules.test_a_promise_to_an_earlier_epoch_does_not_count,
    ),
    (
        edited(
            "who took over any epoch's history establishes a leader",
            Z.on_ack_ld,
            "and message.epoch == self.epoch",
            "",
        ),
        rules.test_who_took_over_the_history_of_an_earlier_epoch_establishes_nobody_in_this_one,
    ),
    (
        edited(
            "messages of anybody are a leader's",
            Z.is_from_leader,
            "and src == self.leader_id and epoch == self.epoch",
            "",
        ),
        rules.test_messages_of_another_epoch_or_of_who_is_not_followed_change_nothing,
    ),
    (
        edited(
            "a gap is not noticed by a ping",
            Z.on_ping,
            "if message.last > here:",
            "if False:",
        ),
        rules.test_a_lost_last_proposal_is_noticed_by_the_next_ping,
    ),
    (
        edited(
            "a lease counts from the answers",
            Z.on_round,
            "max(when for number, when in self.rounds if number <= reached)",
            "out.now",
        ),
        rules.test_a_lease_counts_from_before_its_round_was_sent,
    ),
    (
        edited(
            "a round that began before a read confirms it",
            Z.confirm,
            "self.ping_round + 1",
            "self.ping_round",
        ),
        rules.test_without_leases_a_round_that_begins_after_the_read_confirms_it,
    ),
    (
        edited(
            "an answer from before a restart serves",
            Z.on_synced,
            "if message.incarnation != self.incarnation:",
            "if False:",
        ),
        rules.test_an_answer_from_before_a_restart_serves_no_read_of_after_it,
    ),
    (
        edited(
            "a change needs the new voters only",
            Z.on_reconfigure,
            'self.append(b"", target)',
            'self.append(b"", target.settled())',
        ),
        rules.test_a_joint_change_does_not_commit_without_the_outgoing_majority,
    ),
    (
        edited(
            "a joint configuration is never left",
            Z.on_committed,
            'self.append(b"", configuration.settled())',
            "pass",
        ),
        rules.test_a_leader_that_is_removed_hands_over,
    ),
    (
        edited(
            "a server that restarts is loyal to nobody",
            Z.on_start,
            "if self.accepted_epoch == 0:",
            "if True:",
        ),
        rules.test_a_follower_that_hears_its_leader_accepts_no_other_epoch_also_after_a_restart,
    ),
    (
        edited(
            "found here: who joins a leader takes the later of two rounds, and never sees it go",
            Z.on_notification,
            "self.round = message.round",
            "self.round = max(self.round, message.round)",
        ),
        rules.test_the_best_history_of_a_quorum_leads,
    ),
]


@pytest.mark.parametrize(("mutant", "rule"), BY_RULE, ids=[str(case[0]) for case in BY_RULE])
def test_the_test_of_a_rule_kills_its_mutant(
    mutant: Mutant, rule: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_by(rule, Z, mutant, monkeypatch)
