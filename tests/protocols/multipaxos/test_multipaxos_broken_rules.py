"""Multi-Paxos with one line broken: the test of the rule notices at once.  Most of these mistakes
take the simulator a rare coincidence.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import test_multipaxos_ballots as ballots
import test_multipaxos_membership as membership
import test_multipaxos_reads as reads
import test_multipaxos_replicas as replicas
from mutants_by_rule import dies_by

from comitia.protocols.multipaxos import MultiPaxos as Paxos
from comitia.sim.mutants import Mutant, edited, replaced

BY_RULE = [
    (
        edited(
            "an acceptor answers P1a before its disk",
            Paxos.on_p1a,
            "out.send(src, P1b",
            "out.send_early(src, P1b",
        ),
        ballots.test_nothing_is_answered_before_it_is_on_disk,
    ),
    (
        edited(
            "an acceptor answers P2a before its disk",
            Paxos.on_p2a,
            "out.send(src, P2b",
            "out.send_early(src, P2b",
        ),
        ballots.test_nothing_is_answered_before_it_is_on_disk,
    ),
    (
        edited(
            "a scout goes out before its ballot is on disk",
            Paxos.send_p1a,
            "out.send(acceptor",
            "out.send_early(acceptor",
        ),
        ballots.test_a_ballot_is_on_disk_before_its_scout_goes_out,
    ),
    (
        replaced(
            "a leader's ballot is forgotten in a crash",
            stable=tuple(name for name in Paxos.stable if name != "leader_ballot_num"),
        ),
        ballots.test_no_ballot_is_used_twice_even_if_its_leader_crashed_as_it_began,
    ),
    (
        edited(
            "a promise that does not cover the first slots counts",
            Paxos.on_p1b,
            "or message.first > self.scout_first",
            "",
        ),
        ballots.test_a_promise_that_does_not_cover_the_first_slots_does_not_count,
    ),
    (
        edited(
            "an acceptance in another ballot counts",
            Paxos.on_p2b,
            " or message.ballot_num != self.leader_ballot_num",
            "",
        ),
        ballots.test_what_was_accepted_in_another_ballot_is_not_counted,
    ),
    (
        edited(
            "acceptances are counted by message",
            Paxos.on_p2b,
            "commander.accepted | {src}",
            "commander.accepted | {src if src not in commander.accepted else src + 2}",
        ),
        ballots.test_a_command_is_decided_by_a_majority_and_not_by_fewer,
    ),
    (
        edited(
            "a leader counts its own acceptor before its disk",
            Paxos.propose,
            "out.send(self.id, P2b",
            "out.send_early(self.id, P2b",
        ),
        ballots.test_a_leader_counts_its_own_acceptor_only_when_that_is_on_disk,
    ),
    (
        edited(
            "promises are counted by message",
            Paxos.on_p1b,
            "if (\n",
            "src += src in self.promised\n    if (\n",
        ),
        ballots.test_a_leader_needs_the_promises_of_a_majority_of_distinct_acceptors,
    ),
    (
        edited(
            "what waited for a slot is refused and proposed by the next ballot all the same",
            Paxos.step_down,
            "waiting, self.requests = self.requests, ()",
            "waiting = self.requests",
        ),
        ballots.test_what_waits_for_a_slot_when_the_leader_steps_down_is_refused_and_never_decided,
    ),
    (
        edited(
            "holes stay holes until a client comes",
            Paxos.next_commands,
            "if slot <= self.pmax_last:",
            "if slot in self.pmax:",
        ),
        ballots.test_holes_are_filled_with_no_ops,
    ),
    (
        edited(
            "a leader proposes beyond the window",
            Paxos.next_commands,
            "end = self.slot_out + self.window",
            "end = self.slot_out + 8 * self.window",
        ),
        ballots.test_no_more_than_the_window_is_under_way,
    ),
    (
        edited(
            "acceptors follow who was founded with another window",
            Paxos.on_p1a,
            "if message.window != self.window:",
            "if False:",
        ),
        ballots.test_an_acceptor_founded_with_another_window_promises_nothing,
    ),
    (
        edited(
            "a scout asks its own acceptor first",
            Paxos.send_p1a,
            "last = acceptor == self.id and not self.active",
            "last = False",
        ),
        ballots.test_a_scout_asks_its_own_acceptor_last,
    ),
    (
        edited(
            "a leader that a majority follows does not take back who has promised to another",
            Paxos.on_heartbeat_timer,
            "if self.preempted > self.leader_ballot_num and",
            "if False and",
        ),
        ballots.test_a_leader_that_one_acceptor_preempts_goes_on_and_takes_it_back,
    ),
    (
        edited(
            "a leader that hears nobody leads on",
            Paxos.on_lease_timer,
            "if self.active:",
            "if False:",
        ),
        ballots.test_a_leader_that_hears_no_majority_leads_no_more,
    ),
    (
        edited(
            "found here, seed 20954: a scout that hears a leader goes on asking whom it asked",
            Paxos.follow,
            "if self.scouting:",
            "if False:",
        ),
        ballots.test_a_scout_gives_up_when_it_hears_a_leader,
    ),
    # Replicas.
    (
        edited(
            "a snapshot throws away what was accepted behind it",
            Paxos.on_install_snapshot,
            "if behind else",
            "if False else",
        ),
        replicas.test_what_was_accepted_behind_a_snapshot_stays_accepted,
    ),
    (
        edited(
            "a slot is forgotten although only this replica has performed it",
            Paxos.collect,
            "min(self.snapshot.slot, self.collectable)",
            "self.snapshot.slot",
        ),
        replicas.test_a_slot_is_forgotten_when_a_majority_has_performed_it_and_not_before,
    ),
    (
        edited(
            "the leader takes what it has performed itself for performed by a majority",
            Paxos.on_heartbeat_timer,
            "self.learn_collectable(self.performed_by_majority())",
            "self.learn_collectable(self.performed)",
        ),
        replicas.test_a_slot_is_kept_until_a_majority_of_five_has_performed_it,
    ),
    (
        edited(
            "a follower forgets what is decided",
            Paxos.on_decision,
            "self.learn_collectable(message.collectable)",
            "self.learn_collectable(message.decided)",
        ),
        replicas.test_a_slot_is_kept_until_a_majority_of_five_has_performed_it,
    ),
    (
        edited(
            "a replica says that it has performed what is not on its disk",
            Paxos.on_decision,
            "out.send(src, Heard",
            "out.send_early(src, Heard",
        ),
        replicas.test_nobody_says_that_it_has_performed_a_snapshot_before_it_is_on_disk,
    ),
    (
        edited(
            "what is learnt does not replace what was accepted before",
            Paxos.learn,
            "if held is None or held.ballot_num < pvalue.ballot_num:",
            "if held is None:",
        ),
        replicas.test_what_is_learnt_takes_the_place_of_what_was_accepted_in_a_lower_ballot,
    ),
    (
        edited(
            "what is learnt replaces what was accepted in a higher ballot",
            Paxos.learn,
            "if held is None or held.ballot_num < pvalue.ballot_num:",
            "if True:",
        ),
        replicas.test_what_was_accepted_in_a_higher_ballot_than_is_learnt_stays,
    ),
    (
        edited(
            "what was decided is not performed again after a restart",
            Paxos.wake_replica,
            "self.decided + 1",
            "self.slot_out",
        ),
        replicas.test_a_restarted_replica_performs_at_once_what_it_knew_to_be_decided,
    ),
    # Membership.
    (
        edited(
            "a configuration decides from the next slot on",
            Paxos.takes_effect,
            "slot + self.window",
            "slot + 1",
        ),
        membership.test_a_configuration_decided_at_a_slot_decides_from_window_slots_later_on,
    ),
    (
        edited(
            "new acceptors are not asked for promises",
            Paxos.next_commands,
            " or not self.has_promised(configuration)",
            "",
        ),
        membership.test_new_acceptors_promise_before_anything_is_proposed_for_their_slots,
    ),
    (
        edited(
            "the slots before a change takes effect wait for clients",
            Paxos.next_commands,
            "elif slot < fill:",
            "elif False:",
        ),
        membership.test_a_change_takes_effect_without_any_client,
    ),
    (
        edited(
            "a change is done before the new acceptors know of the old slots",
            Paxos.on_progress,
            " and self.performed_by_majority() >= now.since - 1",
            "",
        ),
        membership.test_a_change_is_done_when_a_majority_of_the_new_has_performed_the_old_slots,
    ),
    (
        edited(
            "a snapshot forgets how the configuration has changed",
            Paxos.on_compact,
            "in_force(known, slot + 1)",
            "self.snapshot.configurations",
        ),
        membership.test_configurations_survive_a_restart_and_a_snapshot,
    ),
    (
        edited(
            "found here, seed 1259: a leader does not ask its own acceptor when slots change hands",
            Paxos.send_p1a,
            " and not self.active",
            "",
        ),
        membership.test_a_leader_s_own_acceptor_promises_for_the_slots_of_a_change_too,
    ),
    (
        edited(
            "found here, seed 1327: who left does not tell who came that they decide now",
            Paxos.tell_heirs,
            "if self.performed and",
            "if False and",
        ),
        membership.test_who_left_tells_those_who_came_that_they_decide_now,
    ),
    # Reads (Paxos Made Live, section 5.2).
    (
        edited("a lease lasts ten times too long", Paxos.has_lease, "lasts_ms * 1000", "10**7"),
        reads.test_a_lease_answers_at_once_and_ends_before_anybody_may_promise_to_others,
    ),
    (
        edited(
            "an acceptor promises to others while a lease runs",
            Paxos.on_p1a,
            "if self.lease_holder not in (None, src) and message.given_up != self.ballot_num:",
            "if False:",
        ),
        reads.test_an_acceptor_that_hears_the_leader_promises_nothing_to_others,
    ),
    (
        edited(
            "an acceptor that restarts forgets its lease",
            Paxos.wake_acceptor,
            "self.hear(holder, out)",
            "self.wait(out)",
        ),
        reads.test_an_acceptor_that_restarts_keeps_the_lease_that_it_may_have_granted,
    ),
    (
        edited(
            "a lease is counted from the answers",
            Paxos.on_round,
            "= self.lease_sent, 0",
            "= out.now, 0",
        ),
        reads.test_a_lease_is_counted_from_before_its_round_was_sent_not_from_the_answers,
    ),
    (
        edited(
            "a leader keeps its lease when it hands over",
            Paxos.tell_to_take_over,
            "self.lease_given_up = True",
            "pass",
        ),
        reads.test_a_leader_that_has_asked_another_to_take_over_has_no_lease_in_its_ballot,
    ),
    (
        edited(
            "a read is confirmed by a round that began before it",
            Paxos.confirm,
            "Confirming(self.round + 1,",
            "Confirming(self.round,",
        ),
        reads.test_a_read_by_a_round_waits_for_answers_to_a_round_that_began_after_it,
    ),
    (
        edited(
            "an answer to a round of another ballot counts",
            Paxos.on_heard,
            " and message.ballot_num == self.leader_ballot_num",
            "",
        ),
        reads.test_an_answer_to_a_round_of_an_earlier_life_confirms_no_read,
    ),
    (
        edited(
            "an acceptance in another ballot answers a round",
            Paxos.on_p2b,
            "if not self.active or",
            "self.note_round(src, message.round, out)\n    if not self.active or",
        ),
        reads.test_an_acceptance_of_an_earlier_life_confirms_no_read,
    ),
    (
        edited(
            "a hand-over of any earlier ballot ends a lease",
            Paxos.on_p1a,
            "message.given_up != self.ballot_num",
            "message.given_up == ZERO",
        ),
        reads.test_the_late_scout_of_a_hand_over_that_came_to_nothing_finds_no_promise,
    ),
    (
        edited(
            "an order to take over is obeyed however late it is",
            Paxos.on_take_over,
            "message.ballot_num >= self.ballot_num and ",
            "",
        ),
        reads.test_a_late_order_to_take_over_is_not_obeyed_once_there_is_a_later_ballot,
    ),
    (
        edited(
            "newcomers are not asked whether they still follow",
            Paxos.confirmed_round,
            "min(map(self.round_of, self.configurations))",
            "self.round_of(self.configurations[0])",
        ),
        membership.test_a_lease_takes_the_word_of_the_next_acceptors_too,
    ),
    (
        edited(
            "a lease outlives a change of who grants it",
            Paxos.on_configuration,
            "self.forget_lease()",
            "pass",
        ),
        membership.test_a_lease_takes_the_word_of_the_next_acceptors_too,
    ),
    (
        edited(
            "an answer to an earlier life serves a read",
            Paxos.on_read_reply,
            "if message.lifetime != self.lifetime:",
            "if False:",
        ),
        reads.test_an_answer_to_the_process_that_ran_here_before_serves_no_read,
    ),
]


@pytest.mark.parametrize(("mutant", "rule"), BY_RULE, ids=[str(case[0]) for case in BY_RULE])
def test_a_rule_s_own_test_kills_its_mutant(
    mutant: Mutant, rule: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_by(rule, Paxos, mutant, monkeypatch)
