"""ZAB's promises themselves: what they must let pass, and what they must not."""

from __future__ import annotations

from typing import Any

import pytest
from deliveries import same_in_order
from zab_world import World

from comitia.kernel import Broken, Log, Read
from comitia.protocols.zab import Snapshot, Txn, ZabServer
from comitia.protocols.zab.messages import zxid_of
from comitia.protocols.zab.promises import (
    Agreement,
    CommittedLogDurability,
    EpochsOnlyGrow,
    Integrity,
    MonotonicReads,
    OnePrimary,
    PrimaryIntegrity,
    PrimaryOrder,
    TotalOrder,
)
from comitia.protocols.zab.state import LEADING


def holding(node: ZabServer, *zxids: tuple[int, int], value: bytes = b"x") -> ZabServer:
    """`node`, whose history becomes the transactions of these epochs and counters."""
    txns = tuple(Txn(zxid_of(epoch, counter), value) for epoch, counter in zxids)
    node.history = Log((Txn(0),), first=0).append(txns)
    node.epoch = node.current_epoch = node.accepted_epoch = zxids[-1][0]
    return node


def leading(node: ZabServer, epoch: int) -> ZabServer:
    node.role, node.discovered, node.epoch = LEADING, True, epoch
    return node


def test_a_transaction_is_the_same_wherever_it_is_held() -> None:
    promise, nodes = Integrity(), World().nodes
    promise.on_step(holding(nodes[1], (1, 1)), nodes)
    promise.on_step(holding(nodes[2], (1, 1)), nodes)
    with pytest.raises(Broken, match=r"n3 holds .*'y'.* was broadcast as .*'x'"):
        promise.on_step(holding(nodes[3], (1, 1), value=b"y"), nodes)


def test_a_transaction_of_an_epoch_that_its_holder_is_not_in_was_broadcast_before() -> None:
    promise, nodes = Integrity(), World().nodes
    promise.on_step(holding(nodes[1], (1, 1)), nodes)
    promise.on_step(holding(nodes[2], (1, 1), (2, 1)), nodes)
    with pytest.raises(Broken, match=r"n3 holds 1\.2, which nobody broadcast"):
        promise.on_step(holding(nodes[3], (1, 1), (1, 2), (2, 1)), nodes)


def test_zxids_follow_each_other_within_an_epoch_and_begin_anew_in_the_next() -> None:
    promise, nodes = PrimaryOrder(), World().nodes
    promise.on_step(holding(nodes[1], (1, 1), (1, 2), (3, 1)), nodes)


@pytest.mark.parametrize(
    ("zxids", "told"),
    [
        (((1, 1), (1, 3)), r"n1 has 1\.3 after 1\.1"),
        (((1, 2),), r"n1 has 1\.2 after 0\.0"),
        (((1, 1), (2, 2)), r"n1 has 2\.2 after 1\.1"),
        (((2, 1), (1, 1)), r"n1 has 1\.1 after 2\.1"),
    ],
)
def test_a_hole_or_an_earlier_primary_behind_a_later_is_caught(
    zxids: tuple[tuple[int, int], ...], told: str
) -> None:
    nodes = World().nodes
    with pytest.raises(Broken, match=told):
        PrimaryOrder().on_step(holding(nodes[1], *zxids), nodes)


def test_two_may_hope_to_lead_an_epoch_and_one_leads_it() -> None:
    promise, nodes = OnePrimary(), World().nodes
    promise.on_step(leading(nodes[1], 1), nodes)
    leading(nodes[2], 1).discovered = False
    promise.on_step(nodes[2], nodes)
    promise.on_step(leading(nodes[2], 2), nodes)
    with pytest.raises(Broken, match="n1 and n3 both lead epoch 1"):
        promise.on_step(leading(nodes[3], 1), nodes)


def test_everybody_delivers_the_same_in_order_and_nothing_is_skipped() -> None:
    same_in_order(Agreement())


def test_what_a_snapshot_stands_for_is_not_delivered() -> None:
    promise, nodes = Agreement(), World().nodes
    nodes[1].snapshot = Snapshot(2, zxid_of(1, 2), nodes[1].configuration)
    promise.on_step(nodes[1], nodes)
    promise.on_deliver(1, 3, b"z")


def test_two_zxids_are_never_delivered_in_one_place() -> None:
    promise, nodes = TotalOrder(), World().nodes
    for id in (1, 2):
        holding(nodes[id], (1, 1), (1, 2)).committed = 2
        promise.on_step(nodes[id], nodes)
    holding(nodes[3], (1, 1), (2, 1)).committed = 1
    promise.on_step(nodes[3], nodes)
    nodes[3].committed = 2
    with pytest.raises(Broken, match=r"n3 delivered 2\.1 at 2, another 1\.2"):
        promise.on_step(nodes[3], nodes)


def test_a_primary_begins_with_what_was_delivered_in_earlier_epochs() -> None:
    promise, nodes = PrimaryIntegrity(), World().nodes
    holding(nodes[1], (1, 1), (1, 2)).committed = 2
    promise.on_step(nodes[1], nodes)
    promise.on_step(leading(holding(nodes[2], (1, 1), (1, 2), (1, 3)), 2), nodes)
    promise.on_step(leading(holding(nodes[3], (1, 1)), 1), nodes)  # what it lacks is of its epoch
    with pytest.raises(Broken, match=r"n3 leads epoch 2 without 1\.2 at 2, delivered in epoch 1"):
        promise.on_step(leading(nodes[3], 2), nodes)


def test_what_was_delivered_anywhere_leaves_no_history_but_what_was_not_may() -> None:
    promise, nodes = CommittedLogDurability(), World().nodes
    holding(nodes[1], (1, 1), (1, 2)).committed = 2
    holding(nodes[2], (1, 1), (1, 2), (1, 3))
    for node in (nodes[1], nodes[2]):
        promise.on_step(node, nodes)
    nodes[2].history = nodes[2].history.cut_after(2)
    promise.on_step(nodes[2], nodes)
    nodes[2].history = nodes[2].history.cut_after(1)
    with pytest.raises(Broken, match=r"n2 removed 1\.2, which was delivered"):
        promise.on_step(nodes[2], nodes)


def test_what_was_delivered_may_give_way_to_a_snapshot_or_be_gone_after_a_crash() -> None:
    promise, nodes = CommittedLogDurability(), World().nodes
    for id in (1, 2):
        holding(nodes[id], (1, 1), (1, 2)).committed = 2
        promise.on_step(nodes[id], nodes)
    nodes[1].history = Log((nodes[1].history[2],), first=2)
    promise.on_step(nodes[1], nodes)
    nodes[2].history = nodes[2].history.cut_after(1)
    promise.on_restart(nodes[2])
    promise.on_step(nodes[2], nodes)


Epochs = tuple[int, int, int]


def with_epochs(node: Any, epochs: Epochs) -> ZabServer:
    assert isinstance(node, ZabServer)
    node.accepted_epoch, node.accepted_leader, node.current_epoch = epochs
    return node


BEFORE = (4, 2, 3)


@pytest.mark.parametrize("after", [BEFORE, (4, 2, 4), (5, 3, 4), (5, 2, 3)])
def test_epochs_may_grow_and_a_later_one_may_be_promised_to_another(after: Epochs) -> None:
    promise, nodes = EpochsOnlyGrow(), World().nodes
    for epochs in (BEFORE, after):
        promise.on_step(with_epochs(nodes[1], epochs), nodes)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ((3, 2, 3), "n1 went from epochs 4, 3 to 3, 3"),
        ((4, 2, 2), "n1 went from epochs 4, 3 to 4, 2"),
        ((4, 2, 5), "n1 went from epochs 4, 3 to 4, 5"),
        ((4, 3, 3), "n1 promised epoch 4 to n2 and n3"),
    ],
)
def test_epochs_that_fall_and_an_epoch_of_two_leaders_are_caught(after: Epochs, told: str) -> None:
    promise, nodes = EpochsOnlyGrow(), World().nodes
    promise.on_step(with_epochs(nodes[1], BEFORE), nodes)
    with pytest.raises(Broken, match=told):
        promise.on_step(with_epochs(nodes[1], after), nodes)


def test_an_epoch_that_was_not_on_the_disk_was_promised_to_nobody() -> None:
    promise, nodes = EpochsOnlyGrow(), World().nodes
    promise.on_step(with_epochs(nodes[1], BEFORE), nodes)
    promise.on_restart(with_epochs(nodes[1], (3, 1, 3)))
    promise.on_step(with_epochs(nodes[1], (4, 3, 3)), nodes)


def test_a_read_shows_what_anybody_had_delivered_when_it_was_asked_and_may_show_more() -> None:
    promise, read = MonotonicReads(), Read(1)
    promise.on_deliver(1, 1, b"x")
    promise.on_request(2, read)
    promise.on_request(3, read)
    promise.on_deliver(1, 2, b"y")
    promise.on_answer(2, read, 1)
    with pytest.raises(Broken, match="n3 serves a read at 0; 1 was known before it began"):
        promise.on_answer(3, read, 0)
