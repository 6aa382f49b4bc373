"""Every order of events in small worlds of Viewstamped Replication, and mistakes found there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from comitia.check import breadth_first, space_of
from comitia.check.report import Limits, Report
from comitia.kernel import Model, NodeId
from comitia.protocols.viewstamped import PROTOCOL
from comitia.protocols.viewstamped.models import (
    OPTIONS,
    Impatient,
    crashes,
    dropping_transfer,
    forgotten_log,
    views,
)
from comitia.sim.mutants import Mutant, edited


def explore(model: Model) -> Report:
    return breadth_first(space_of(model, PROTOCOL.promises))


@pytest.mark.slow
def test_a_change_of_view_keeps_every_promise_in_every_order() -> None:
    report = explore(views())
    assert report.outcome == "holds", report.story
    assert report.states > 100_000


@pytest.mark.campaign
def test_a_primary_that_crashes_at_any_moment_keeps_every_promise_in_every_order() -> None:
    report = explore(crashes())
    assert report.outcome == "holds", report.story
    assert report.states == 3_045_232


@pytest.mark.slow
def test_without_recovery_a_log_in_memory_loses_what_was_executed() -> None:
    report = explore(forgotten_log())
    assert (report.outcome, report.property) == ("broken", "CommittedSurvive")


def test_r_vr_state_transfer_in_every_order_of_what_follows() -> None:
    """The paper's loses an op six steps later; ours, after the same events, none in eight."""
    paper = dropping_transfer()
    report = explore(paper)
    assert (report.outcome, report.property) == ("broken", "CommittedSurvive")
    ours = replace(paper, nodes=views().nodes, breaks="")
    report = breadth_first(space_of(ours, PROTOCOL.promises), Limits(depth=8))
    assert report.outcome == "cut", report.story
    assert report.states > 10_000


@pytest.mark.parametrize(
    "mutant",
    [
        edited(
            "f replicas are enough to commit",
            Impatient.advance_commit_number,
            "self.quorum.reached(lambda n: self.prepared.get(n, 0))",
            "sorted(self.prepared.get(n, 0) for n in self.group.configuration)"
            "[1 - self.quorum.size]",
        ),
        edited(
            "f replicas are enough to start a view",
            Impatient.start_view,
            "if not self.quorum.is_write_quorum(frozenset(self.received.keys())):",
            "if len(self.received) < self.quorum.size - 1:",
        ),
    ],
    ids=str,
)
def test_a_mutant_is_caught_by_exhaustive_search(mutant: Mutant) -> None:
    broken = type("Broken", (Impatient,), mutant.attributes)
    members = (1, 2, 3)
    nodes: dict[NodeId, Callable[[], Impatient]] = {
        id: partial(broken, id, members, OPTIONS) for id in members
    }
    report = explore(replace(views(), nodes=nodes))
    assert report.outcome == "broken"
