"""Every order of events in small worlds of ZAB, and mistakes that such a search finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comitia.check import breadth_first, space_of
from comitia.check.report import Report
from comitia.kernel import Model, NodeId, Out
from comitia.protocols.zab import PROTOCOL
from comitia.protocols.zab.messages import AckE
from comitia.protocols.zab.models import OracleServer, Survivor, broadcast, model, recovery


def explore(of: Model) -> Report:
    return breadth_first(space_of(of, PROTOCOL.promises))


@pytest.mark.slow
def test_broadcast_keeps_every_promise_in_every_order() -> None:
    report = explore(broadcast())
    assert report.outcome == "holds", report.story
    assert report.states > 1_000


@pytest.mark.slow
def test_recovery_keeps_every_promise_in_every_order() -> None:
    report = explore(recovery())
    assert report.outcome == "holds", report.story
    assert report.states > 1_000


class ForgetsItsPromise(OracleServer):
    """f.p is not on disk."""

    stable = tuple(name for name in OracleServer.stable if not name.startswith("accepted"))


class LeadsRegardless(OracleServer):
    """A leader does not look at how good the histories of others are."""

    def on_ack_e(self, src: NodeId, message: AckE, out: Out) -> None:
        known = message if self.discovered else AckE(message.epoch, 0, 0)
        super().on_ack_e(src, known, out)


BARE = Model(nodes={})


def test_a_promise_that_is_forgotten_in_a_crash_is_caught() -> None:
    servers = dict.fromkeys((1, 2, 3), ForgetsItsPromise)
    report = explore(model(servers, (2, 3), replace(BARE, crashes=1)))
    assert report.property in ("EpochsOnlyGrow", "OnePrimary")


def test_a_leader_without_what_was_delivered_is_caught() -> None:
    servers: dict[NodeId, type[OracleServer]] = {1: Survivor, 2: Survivor, 3: LeadsRegardless}
    report = explore(model(servers, (3,), BARE))
    assert report.outcome == "broken"
    print(report.property)
