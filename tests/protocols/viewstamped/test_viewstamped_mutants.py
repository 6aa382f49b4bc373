"""Viewstamped Replication with one line broken: the simulator must notice every time.

The first are the paper's own errors; "found here" marks mistakes that this implementation once had.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import test_viewstamped_rules as rules
from mutants_by_rule import dies_by
from test_viewstamped_rules import STALE

from comitia.kernel import Message
from comitia.protocols.viewstamped import (
    PROTOCOL,
    ViewstampedReplica,
)
from comitia.protocols.viewstamped.messages import (
    AgreeToLeave,
    CommitOk,
    DoViewChange,
    Op,
    StartEpoch,
    StartView,
    StartViewChange,
    View,
)
from comitia.protocols.viewstamped.view_change import ViewChange
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import Mutant, edited, kill, replaced
from comitia.sim.run import Settings, simulate
from pages.deaths import tell

VR = ViewstampedReplica


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in VR.stable if name not in names)


REFUSES_WHAT_IT_PREPARED = edited(
    "what is in the log of a view that ends is refused",
    VR.leave_normal,
    "in self.proposed:",
    "in (*self.log.slice(max(self.commit_number + 1, self.log.first), self.op_number),"
    " *self.proposed):",
)

MUTANTS = [
    edited(
        "f replicas are enough to commit",
        VR.advance_commit_number,
        "self.quorum.reached(lambda n: self.prepared.get(n, 0))",
        "sorted(self.prepared.get(n, 0) for n in self.group.configuration)[1 - self.quorum.size]",
    ),
    edited(
        "f replicas are enough to start a view",
        VR.start_view,
        "if not self.quorum.is_write_quorum(frozenset(self.received.keys())):",
        "if len(self.received) < self.quorum.size - 1:",
    ),
    replaced("the view is forgotten in a crash", stable=without("view", "last_normal_view")),
    replaced("the last normal view is forgotten in a crash", stable=without("last_normal_view")),
    replaced("the log is forgotten in a crash", stable=without("log", "checkpoint", "groups")),
    edited(
        "a primary that restarts goes on in its view, although its PREPAREs overtook its disk",
        VR.on_start,
        "self.start_view_change(self.next_view(), self.view, out)",
        "self.begin_as_primary(out)",
    ),
    REFUSES_WHAT_IT_PREPARED,
    edited(
        "found here: a restart enters old epochs again",
        VR.execute,
        " and self.executed > self.group.since",
        "",
    ),
    edited(
        "found here: a restarted group does not know that its RECONFIGURATION is committed",
        VR.on_start,
        "self.execute(max(self.commit_number, self.group.since), out)",
        "pass",
    ),
]
DISK_MUTANTS = [
    edited(
        "R-vr-state-transfer: what is not committed is dropped before its replacement is at hand",
        VR.transfer_to,
        "self.view = view",
        "self.view = view; self.log = self.log.cut_after(self.commit_number)",
    ),
    edited(
        "the primary counts its own copy before it is on disk",
        VR.prepare,
        "out.send(self.id, PrepareOk",
        "out.send_early(self.id, PrepareOk",
    ),
    edited(
        "a backup acknowledges before its disk",
        VR.on_prepare,
        "out.send(src, PrepareOk",
        "out.send_early(src, PrepareOk",
    ),
    edited(
        "a new primary answers reads before it knows what is committed",
        VR.ask_primary,
        "max(self.commit_number, self.view_start)",
        "self.commit_number",
    ),
    edited(
        "found here: a replica that is cut off runs through views alone and cannot come back",
        VR.on_start_view_change,
        " and not self.is_primary",
        "",
    ),
]
TIME_MUTANTS = [
    edited(
        "the longest log wins, not that of the latest normal view",
        VR.start_view,
        "(m.last_normal_view, m.base + len(m.ops))",
        "(m.base + len(m.ops), m.last_normal_view)",
    ),
    edited(
        "a lease lasts ten times too long",
        VR.has_lease,
        "lasts_ms * 1000",
        "lasts_ms * 10000",
    ),
]
DISK = Settings(faults=parse_faults("network,crash,sync,slow_disk,batch,blackout"), steps=1500)
TIME = Settings(faults=parse_faults("network,pause,clock,crash,jump,transfer"), steps=1500)
CASES = [
    *((mutant, Settings()) for mutant in MUTANTS),
    *((mutant, DISK) for mutant in DISK_MUTANTS),
    *((mutant, TIME) for mutant in TIME_MUTANTS),
]


@pytest.mark.parametrize(("mutant", "settings"), CASES, ids=[str(case[0]) for case in CASES])
def test_every_mutant_is_killed(
    mutant: Mutant, settings: Settings, request: pytest.FixtureRequest
) -> None:
    failure = kill(PROTOCOL, mutant, seeds=3000, settings=settings)
    print(failure)
    tell("viewstamped", [case[0] for case in CASES], mutant, settings, failure, request)


# What needs a rare coincidence is shown by the rule's own test instead.
BY_RULE = [
    (
        edited(
            "a replica that hears the primary joins a view change",
            VR.on_start_view_change,
            "if self.loyal and message.given_up != self.view and not self.is_primary:",
            "if False:",
        ),
        rules.test_who_hears_the_primary_does_not_join_a_view_change_of_others,
    ),
    (
        edited(
            "requests are ordered behind a RECONFIGURATION",
            VR.on_propose,
            "elif self.reconfiguring():",
            "elif False:",
        ),
        rules.test_nothing_is_ordered_behind_a_reconfiguration_in_its_epoch,
    ),
    (
        edited(
            "a read is confirmed by a round that began before it",
            VR.ask_primary,
            "((self.round + 1, op_number",
            "((self.round, op_number",
        ),
        rules.test_a_read_is_answered_only_after_a_round_that_began_after_it,
    ),
    (
        edited(
            "an acknowledgement of an older view counts",
            VR.on_prepare_ok,
            "or message.view != self.view",
            "",
        ),
        rules.test_an_acknowledgement_of_an_older_view_is_not_counted,
    ),
    (
        edited(
            "DOVIEWCHANGE leaves before the view is on disk",
            VR.do_view_change,
            "out.send(self",
            "out.send_early(self",
        ),
        rules.test_do_view_change_is_sent_only_when_the_view_is_on_disk,
    ),
    (
        edited(
            "newcomers count before they answered",
            VR.cold,
            "n not in self.prepared or self.prepared[n] < warm",
            "self.prepared.get(n, -1) < warm",
        ),
        rules.test_a_newcomer_that_does_not_run_is_named_and_nothing_changes,
    ),
    (
        edited(
            "an answer to a round of an older view counts",
            VR.on_commit_ok,
            "or message.view != self.view",
            "",
        ),
        partial(rules.test_what_is_of_an_older_view_changes_nothing, CommitOk(STALE, 2, 99), True),
    ),
    (
        edited(
            "a log that was sent for an older view may be chosen",
            VR.on_do_view_change,
            "message.view < self.view or ",
            "",
        ),
        partial(
            rules.test_what_is_of_an_older_view_changes_nothing,
            DoViewChange(STALE, View(0, 0), 0, ()),
            False,
        ),
    ),
    (
        edited(
            "a replica that has left an older view counts for this one",
            VR.on_start_view_change,
            "if message.view < self.view:",
            "if False:",
        ),
        partial(rules.test_what_is_of_an_older_view_changes_nothing, StartViewChange(STALE), True),
    ),
    (
        edited(
            "the log of an older view is followed",
            VR.on_start_view,
            "message.view < self.view or ",
            "",
        ),
        partial(
            rules.test_what_is_of_an_older_view_changes_nothing,
            StartView(STALE, 0, (Op(b"x"), Op(b"y"), Op(b"z")), 3),
            False,
        ),
    ),
    (
        edited(
            "who agreed to leave an older view agrees to leave this one",
            VR.on_agree_to_leave,
            "message.view != self.view or ",
            "",
        ),
        partial(rules.test_what_is_of_an_older_view_changes_nothing, AgreeToLeave(STALE), True),
    ),
    (
        edited(
            "any log of the latest normal view will do",
            VR.start_view,
            "(m.last_normal_view, m.base + len(m.ops))",
            "m.last_normal_view",
        ),
        rules.test_of_logs_of_one_view_the_longest_is_chosen,
    ),
    (
        edited(
            "a new primary does not fetch what another knows to be committed",
            VR.start_view,
            "if most.base > self.commit_number:",
            "if False:",
        ),
        rules.test_a_new_primary_first_fetches_what_another_knows_to_be_committed,
    ),
    (
        edited(
            "nobody hears of what was proposed in the turn that ends a view",
            VR.leave_normal,
            "if op.value:",
            "if False:",
        ),
        rules.test_what_was_proposed_in_the_turn_that_ends_a_view_is_refused_and_nowhere,
    ),
    (
        REFUSES_WHAT_IT_PREPARED,
        partial(rules.test_what_is_in_the_log_of_a_view_that_ends_is_not_refused, True),
    ),
    (
        edited(
            "a replica in state transfer takes part in the change to that view",
            VR.on_start_view_change,
            "elif self.status == VIEW_CHANGE:",
            "else:",
        ),
        rules.test_a_replica_in_state_transfer_speaks_for_its_old_log_and_only_in_a_later_view,
    ),
    *(
        (
            edited(f"{name} does not wait for the disk", method, old, new),
            rules.test_prepares_overtake_the_disk_of_the_primary_and_nothing_that_promises_does,
        )
        for name, method, old, new in (
            ("COMMITOK", VR.on_commit, "out.send(src", "out.send_early(src"),
            ("STARTVIEW", VR.send_start_view, "out.send(to", "out.send_early(to"),
            ("PREPAREOK of a new log", ViewChange.follow, "out.send(self", "out.send_early(self"),
        )
    ),
    (
        edited(
            "an answer to an older RECOVERY counts",
            VR.on_recovery_response,
            "message.nonce != self.lifetime",
            "False",
        ),
        rules.test_an_answer_to_an_older_recovery_is_not_counted,
    ),
    (
        edited(
            "the oldest view among the answers is recovered into",
            VR.on_recovery_response,
            "max(",
            "min(",
        ),
        rules.test_recovery_needs_the_primary_of_the_latest_view_among_the_answers,
    ),
    (
        edited(
            "what a primary said in an older view counts",
            VR.on_recovery_response,
            " and primary.view == latest",
            "",
        ),
        rules.test_recovery_needs_an_answer_that_the_primary_gave_in_the_latest_view,
    ),
    (
        edited(
            "the primary's answer to RECOVERY is enough",
            VR.on_recovery_response,
            "not self.quorum.is_write_quorum(frozenset(self.responses.keys()))",
            "False",
        ),
        rules.test_recovery_needs_answers_of_f_and_one_more_replicas,
    ),
    (
        edited(
            "a view that was promised to be left is recovered into",
            VR.on_recovery_response,
            " and latest >= self.view",
            "",
        ),
        rules.test_a_replica_recovers_into_no_view_older_than_one_it_promised_to_enter,
    ),
    (
        replaced("anybody's log may be recovered at any time", may_take_state=lambda *_: True),
        rules.test_a_recovering_replica_takes_no_log_before_it_knows_which_is_long_enough,
    ),
    (
        replaced("any log is long enough to recover", holds_enough=lambda *_: True),
        rules.test_a_recovering_replica_takes_no_log_that_is_shorter_than_the_primary_s_was,
    ),
    (
        replaced("a recovering replica handles everything", WHILE_RECOVERING=(Message,)),
        rules.test_a_recovering_replica_takes_no_part_in_a_view_change,
    ),
    (
        edited(
            "found here: what is known to be committed is executed although the log is lost",
            VR.on_start,
            "if self.keeps_log:",
            "if True:",
        ),
        rules.test_a_log_in_memory_is_recovered_after_a_reconfiguration,
    ),
    (
        replaced("the groups between checkpoint and now stay lost", recall_group=lambda *_: None),
        rules.test_a_log_in_memory_is_recovered_from_a_checkpoint_older_than_its_group,
    ),
    (
        replaced(
            "found here: who recovers in an epoch that is over is not told",
            WHILE_RECOVERING=tuple(kind for kind in VR.WHILE_RECOVERING if kind is not StartEpoch),
        ),
        rules.test_a_log_in_memory_is_recovered_though_the_epoch_ended_meanwhile,
    ),
]


@pytest.mark.parametrize(("mutant", "rule"), BY_RULE, ids=[str(case[0]) for case in BY_RULE])
def test_a_rule_s_own_test_kills_its_mutant(
    mutant: Mutant, rule: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_by(rule, VR, mutant, monkeypatch)


# More than f replicas without their logs at once may wait for ever: only safety is promised.
CRASHES = Settings(
    faults=parse_faults("network,crash,sync,membership,compact,transfer"),
    liveness=False,
    options={"log": "memory"},
)


def test_a_log_in_memory_is_recovered_from_the_others_when_the_view_is_on_disk() -> None:
    served = 0
    for seed in range(100):
        outcome = simulate(PROTOCOL, seed, CRASHES)
        assert outcome.failure is None, outcome.failure
        served += outcome.served
    assert served > 500
