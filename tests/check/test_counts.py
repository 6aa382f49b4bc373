"""Counts that others have published, reproduced exactly."""

from __future__ import annotations

from comitia.check import Outcome, SystemSpace, breadth_first

from .specifications import transaction_commit, two_phase


def test_two_phase_commit_with_3_resource_managers_has_288_states() -> None:
    report = breadth_first(SystemSpace(two_phase(3)))
    assert (report.states, report.generated, report.depth) == (288, 1146, 11)
    assert report.outcome == Outcome.HOLDS


def test_transaction_commit_with_3_resource_managers_has_34_states() -> None:
    report = breadth_first(SystemSpace(transaction_commit(3)))
    assert (report.states, report.outcome) == (34, Outcome.HOLDS)
