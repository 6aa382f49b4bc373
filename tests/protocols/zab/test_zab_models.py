"""Every order of events in small worlds of ZAB, and mistakes that such a search finds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest
import zookeeper_bugs as bugs
from test_zab_mutants import SMALL_QUORUM

from comitia.check import breadth_first, space_of
from comitia.check.report import Report
from comitia.kernel import Model, NodeId, Out
from comitia.protocols.zab import PROTOCOL, ZabServer
from comitia.protocols.zab.messages import AckE, CEpoch, NewEpoch
from comitia.protocols.zab.models import (
    Heir,
    OracleServer,
    Second,
    Survivor,
    broadcast,
    dead,
    epoch_first,
    epochs,
    in_turn,
    model,
    recovery,
    relapse,
    succession,
)
from comitia.sim.mutants import Mutant, edited

Z = ZabServer


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


@pytest.mark.slow
def test_two_epochs_and_a_crash_keep_every_promise_in_every_order() -> None:
    report = explore(succession())
    assert report.outcome == "holds", report.story
    assert report.states > 50_000


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("bigger", [epochs(), epochs(crashes=1), relapse()], ids=str)
def test_two_epochs_from_the_start_and_with_a_history_keep_every_promise(bigger: Model) -> None:
    report = explore(bigger)
    assert report.outcome == "holds", report.story
    assert report.states > 40_000


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


def with_mistake(of: Model, mistake: Mutant | type[ZabServer]) -> Model:
    """Return `of` with every server making `mistake`."""
    bases = () if isinstance(mistake, Mutant) else (mistake,)
    attributes = mistake.attributes if isinstance(mistake, Mutant) else {}
    kinds: dict[type, type] = {}
    nodes = {}
    for id, server in of.nodes.items():
        sane = server.func
        if sane not in kinds:
            kinds[sane] = type(sane.__name__, (*bases, sane), dict(attributes))
        nodes[id] = partial(kinds[sane], *server.args)
    return replace(of, nodes=nodes, dead=dict.fromkeys(kinds.values(), dead), sometimes={})


FOLLOWED = replace(
    relapse(),
    prologue=(
        (2, "2"),
        (3, "2"),
        (2, CEpoch),
        (3, NewEpoch),
        (2, AckE, 2),
        (2, AckE, 3),
    ),
)
"""n2 leads epoch 2, and sends n3 the transaction that it lacks."""


MISTAKES: list[tuple[Mutant | type[ZabServer], Model, str]] = [
    (SMALL_QUORUM, succession(crashes=0), "PrimaryIntegrity"),
    (
        edited(
            "ACK leaves before the disk has the transaction",
            Z.on_proposal,
            "out.send(src, Ack(",
            "out.send_early(src, Ack(",
        ),
        succession(),
        "PrimaryIntegrity",
    ),
    (
        edited(
            "a leader with a worse history goes on",
            Z.on_ack_e,
            "theirs > (self.current_epoch, self.last_zxid)",
            "False",
        ),
        relapse(crashes=0),
        "PrimaryIntegrity",
    ),
    (
        edited(
            "NEWLEADER is accepted whatever is here",
            Z.on_new_leader,
            "if not log.first <= slot <= log.last or log[slot].zxid != message.zxid:",
            "if False:",
        ),
        relapse(crashes=0),
        "works",
    ),
    (
        edited(
            "an earlier epoch is accepted",
            Z.on_new_epoch,
            "if message.epoch > self.accepted_epoch:",
            "if True:",
        ),
        relapse(),
        "EpochsOnlyGrow",
    ),
    (bugs.Zookeeper3911, FOLLOWED, "PrimaryIntegrity"),
    (bugs.Zookeeper4394, FOLLOWED, "works"),
    (bugs.Zookeeper4646, FOLLOWED, "PrimaryIntegrity"),
    (bugs.Zookeeper4785, FOLLOWED, "PrimaryIntegrity"),
]


@pytest.mark.parametrize(
    ("mistake", "of", "broken"), MISTAKES, ids=[str(mistake) for mistake, _, _ in MISTAKES]
)
def test_a_search_of_every_order_finds_the_mistake(
    mistake: Mutant | type[ZabServer], of: Model, broken: str
) -> None:
    report = explore(with_mistake(of, mistake))
    assert report.outcome == "broken"
    assert broken in report.property, report.story
    print(f"{report.states} states, {report.depth} deep")


class HistoryFirst(Second):
    """Writes the history, and then the epoch that goes with it."""

    apart: ClassVar[tuple[tuple[str, ...], ...]] = (("history", "snapshot"),)


@pytest.mark.campaign
def test_a_crash_between_two_writes_does_no_harm_when_the_history_is_the_first() -> None:
    """So it is the order of the two that `epoch_first` shows to be wrong, not that they are two."""
    report = explore(in_turn({1: Heir, 2: Heir, 3: HistoryFirst}, 0, crashes=1))
    assert report.outcome == "holds", report.story
    assert report.states > 100_000


def test_an_epoch_that_is_on_disk_before_its_history_is_caught() -> None:
    report = explore(epoch_first())
    assert (report.outcome, report.property) == ("broken", "PrimaryIntegrity")
