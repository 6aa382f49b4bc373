"""Each mutant of `raft_mutants.py` is caught: by the test of its rule, at once, and many of them by
the simulator, which knows no rules, only promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import raft_mutants as m
import test_raft_compaction as compaction
import test_raft_elections as elections
import test_raft_incumbent_bugs as incumbent
import test_raft_membership as membership
import test_raft_reads as reads
import test_raft_replication as replication
from raft_world import World

from comitia.protocols.raft import PROTOCOL, Options, Raft
from comitia.sim.run import Settings, simulate

RULES: dict[type[m.Mutant], Callable[[], None]] = {
    m.VotesTwice: (elections.test_a_vote_is_never_given_twice_in_one_term),
    m.ForgetsItsVote: (incumbent.test_two_votes_in_one_term_are_not_given_across_a_restart),
    m.ForgetsItsTerm: (incumbent.test_two_votes_in_one_term_are_not_given_across_a_restart),
    m.AnswersVotesEarly: (elections.test_a_vote_waits_for_the_disk),
    m.VotesForAnyLog: partial(
        elections.test_a_vote_goes_only_to_a_log_at_least_as_complete, 2, 1, False
    ),
    m.VotesForTheLongerLog: partial(
        elections.test_a_vote_goes_only_to_a_log_at_least_as_complete, 9, 0, False
    ),
    m.PreVotesForAnyLog: partial(
        elections.test_a_pre_vote_goes_only_to_a_log_at_least_as_complete, 2, 1, False
    ),
    m.CountsOldPreVotes: (elections.test_pre_votes_for_an_older_term_are_not_counted),
    m.LeadsWithoutAQuorum: (elections.test_a_leader_that_reaches_no_quorum_steps_down),
    m.CountsEveryAnswer: (elections.test_votes_are_counted_by_distinct_members_not_by_messages),
    m.CountsOldVotes: (elections.test_votes_of_an_older_term_are_not_counted),
    m.ElectsWithHalf: (elections.test_half_of_the_votes_is_not_enough),
    m.DeposesOnAnyRequest: (
        incumbent.test_a_vote_request_from_an_empty_log_does_not_depose_a_healthy_leader
    ),
    m.CommitsOlderTerms: (
        replication.test_only_entries_of_the_current_term_are_committed_by_counting
    ),
    m.CountsAnyTermsAnswers: (incumbent.test_an_acknowledgement_of_an_older_term_does_not_commit),
    m.AcknowledgesItsWholeLog: (
        replication.test_an_acknowledgement_speaks_for_what_it_names_not_for_the_whole_log
    ),
    m.TruncatesOnDuplicates: (
        incumbent.test_a_duplicate_append_does_not_truncate_acknowledged_entries
    ),
    m.KeepsConflicts: (replication.test_a_conflicting_suffix_is_replaced),
    m.CommitsBeyondTheProof: (
        replication.test_the_commit_index_of_a_follower_never_passes_what_the_message_proves_equal
    ),
    m.SkipsTheConsistencyCheck: (
        replication.test_a_follower_whose_previous_entry_is_of_another_term_refuses
    ),
    m.FollowsOldLeaders: (
        elections.test_an_old_leader_learns_its_successor_from_the_answer_to_its_entries
    ),
    m.CountsItselfEarly: (
        replication.test_the_leader_counts_itself_only_when_its_own_disk_has_the_entry
    ),
    m.AcknowledgesEarly: (replication.test_an_acknowledgement_waits_for_the_disk),
    m.RefusesWhatItAppended: (
        replication.test_what_a_deposed_leader_had_not_committed_is_unknown_not_refused
    ),
    m.CommitsWithOneLess: (replication.test_an_entry_is_committed_when_a_majority_has_it_on_disk),
    m.AnswersSnapshotsUnseen: (
        incumbent.test_success_is_not_told_for_a_write_that_a_partial_snapshot_replaces
    ),
    m.KeepsAConflictingLog: (
        compaction.test_a_snapshot_whose_last_entry_conflicts_with_the_log_replaces_all_of_it
    ),
    m.DropsItsLogForAnySnapshot: (
        compaction.test_a_snapshot_that_the_log_already_covers_commits_it_and_keeps_what_follows
    ),
    m.AcknowledgesSnapshotsEarly: (
        compaction.test_a_snapshot_is_acknowledged_when_it_is_on_disk_and_not_before
    ),
    m.CompactsTheConfigurationAway: (
        compaction.test_the_configuration_of_a_snapshot_is_used_and_survives_a_restart
    ),
    m.ChangesAtOnce: (
        membership.test_several_voters_change_through_a_joint_configuration_that_is_left_by_itself
    ),
    m.DecidesJointlyByOneMajority: (
        membership.test_a_joint_configuration_does_not_commit_without_the_outgoing_majority
    ),
    m.ChangesTwiceAtOnce: (membership.test_no_second_change_while_one_is_under_way),
    m.ChangesBeforeItsFirstCommit: (
        membership.test_no_reconfiguration_before_the_first_commit_of_the_term
    ),
    m.CountsLearnersCopies: (membership.test_a_learner_receives_everything_and_counts_for_nothing),
    m.CountsLearnersVotes: (membership.test_a_learner_s_vote_counts_for_nothing),
    m.CountsItselfWhenRemoved: (membership.test_a_leader_that_removes_itself_does_not_count_itself),
    m.HeedsTheRemoved: (
        membership.test_the_later_term_of_a_removed_server_does_not_depose_the_leader
    ),
    m.KeepsARemovedConfiguration: (
        membership.test_a_configuration_goes_when_its_entry_is_removed_from_the_log
    ),
    m.ServesReadsUnconfirmed: (reads.test_a_deposed_leader_answers_no_read),
    m.ConfirmsByOlderRounds: (reads.test_answers_to_older_rounds_confirm_no_read),
    m.ReadsBelowItsNoOp: partial(
        reads.test_a_new_leaders_reads_cover_what_its_predecessors_committed, "index"
    ),
    m.CountsLeasesFromAnswers: (
        reads.test_a_lease_counts_from_before_its_round_was_sent_not_from_the_answers
    ),
    m.LeasesWithoutEnd: (
        reads.test_a_leader_that_was_paused_beyond_its_lease_does_not_answer_alone
    ),
    m.VotesAgainstTheLeaderItHears: (elections.test_nobody_votes_against_a_leader_that_it_hears),
    m.VotesAtOnceAfterARestart: (
        elections.test_a_restarted_server_votes_for_nobody_until_its_election_timer_fires
    ),
    m.KeepsItsLeaseInATransfer: (
        reads.test_a_leader_that_told_another_to_take_over_has_no_lease_any_more
    ),
    m.BelievesOldAnswers: (reads.test_an_answer_from_before_a_restart_serves_no_read_of_after_it),
}

FOUND_BY_SIMULATION = [
    m.VotesTwice,
    m.ForgetsItsTerm,
    m.VotesForAnyLog,
    m.VotesForTheLongerLog,
    m.CountsOldVotes,
    m.AcknowledgesItsWholeLog,
    m.TruncatesOnDuplicates,
    m.KeepsConflicts,
    m.CommitsBeyondTheProof,
    m.FollowsOldLeaders,
    m.CountsItselfEarly,
    m.AcknowledgesEarly,
    m.CommitsWithOneLess,
    m.AnswersSnapshotsUnseen,
    m.CompactsTheConfigurationAway,
    m.CommitsOlderTerms,
    m.ServesReadsUnconfirmed,
    m.ReadsBelowItsNoOp,
    m.BelievesOldAnswers,
]


def test_every_mutant_has_a_test_that_notices_it() -> None:
    mutants = {c for c in vars(m).values() if isinstance(c, type) and issubclass(c, m.Mutant)}
    assert set(RULES) == mutants - {m.Mutant}
    assert all(mutant.__doc__ for mutant in mutants)


@pytest.mark.parametrize("mutant", RULES, ids=lambda mutant: mutant.__name__)
def test_the_test_of_a_rule_notices_when_it_is_broken(
    mutant: type[m.Mutant], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES[mutant]
    rule()
    monkeypatch.setattr(World, "usual", mutant)
    with pytest.raises((Exception, pytest.fail.Exception)):
        rule()


@pytest.mark.slow
@pytest.mark.parametrize("mutant", FOUND_BY_SIMULATION, ids=lambda mutant: mutant.__name__)
def test_the_simulator_notices_without_knowing_the_rule(mutant: type[m.Mutant]) -> None:
    def make(id: int, voters: tuple[int, ...], **options: Any) -> Raft:
        return mutant(id, voters, Options(**options))

    broken = replace(PROTOCOL, make=make)
    failures = (simulate(broken, seed, mutant.SETTINGS).failure for seed in range(2000))
    found = next((failure for failure in failures if failure is not None), None)
    assert found is not None, f"{mutant.__name__} survived 2000 seeds"
    print(f"{mutant.__name__}: {found.promise}, after {found.seed + 1} seeds")


@pytest.mark.slow
@pytest.mark.parametrize(
    "seeds", [40, pytest.param(1500, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])]
)
def test_with_the_settings_of_the_mutants_the_simulator_notices_nothing_in_raft(seeds: int) -> None:
    settings: list[Settings] = []
    for mutant in FOUND_BY_SIMULATION:
        if mutant.SETTINGS not in settings:
            settings.append(mutant.SETTINGS)
    assert len(settings) > 3
    for each in settings:
        failures = (simulate(PROTOCOL, seed, each).failure for seed in range(seeds))
        assert [str(failure) for failure in failures if failure] == []
