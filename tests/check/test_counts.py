"""Counts that others have published, reproduced exactly."""

from __future__ import annotations

from comitia.check import Outcome, SystemSpace, World, breadth_first

from .registers import one_copy, replicated
from .specifications import transaction_commit, two_phase


def test_two_phase_commit_with_3_resource_managers_has_288_states() -> None:
    report = breadth_first(SystemSpace(two_phase(3)))
    assert (report.states, report.generated, report.depth) == (288, 1146, 11)
    assert report.outcome == Outcome.HOLDS


def test_transaction_commit_with_3_resource_managers_has_34_states() -> None:
    report = breadth_first(SystemSpace(transaction_commit(3)))
    assert (report.states, report.outcome) == (34, Outcome.HOLDS)


def test_a_register_on_1_server_with_2_clients_has_93_states() -> None:
    report = breadth_first(World(one_copy(2, 1), drop_stale=False))
    assert (report.states, report.outcome) == (93, Outcome.HOLDS)


def test_an_abd_register_on_2_servers_with_2_clients_has_544_states() -> None:
    report = breadth_first(World(replicated(2, 2), drop_stale=False))
    assert (report.states, report.outcome) == (544, Outcome.HOLDS)


def test_a_register_on_2_servers_that_do_not_talk_is_not_linearizable() -> None:
    report = breadth_first(World(one_copy(2, 2)))
    assert (report.property, report.depth) == ("RegisterIsLinearizable", 5)
