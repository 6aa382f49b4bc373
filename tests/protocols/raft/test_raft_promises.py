"""Raft's promises themselves: what they must let pass, and what they must not."""

from __future__ import annotations

import pytest
from raft_world import World

from comitia.kernel import Broken, replace
from comitia.protocols.raft import Configuration, Entry, Raft, Snapshot
from comitia.protocols.raft.promises import (
    ElectableCompleteness,
    LeaseExclusivity,
    StateMachineSafety,
)
from comitia.protocols.raft.state import LEADER


def take_over(promise: StateMachineSafety, node: Raft, index: int) -> None:
    node.snapshot = replace(node.snapshot, index=index)
    promise.on_step(node, {node.id: node})


def test_a_second_snapshot_may_come_while_what_followed_the_first_waits_for_the_disk() -> None:
    """Found by a campaign, one seed in 17,670: it was the promise that erred, not the server."""
    promise, node = StateMachineSafety(), World().nodes[1]
    for index in (1, 3):
        take_over(promise, node, index)
    for slot in (2, 4, 5):
        promise.on_deliver(1, slot, b"")


@pytest.mark.parametrize("slot", [3, 5])
def test_who_skips_an_entry_after_its_snapshot_is_caught(slot: int) -> None:
    promise, node = StateMachineSafety(), World().nodes[1]
    take_over(promise, node, 1)
    with pytest.raises(Broken, match="its snapshots"):
        promise.on_deliver(1, slot, b"")


def three_of_which_two_hold_what_is_committed(voters_of_third: tuple[int, ...]) -> dict[int, Raft]:
    nodes = World().nodes
    for node in (nodes[1], nodes[2]):
        node.log = node.log.append((Entry(1),))
    nodes[1].commit_index = 1
    nodes[3].snapshot = Snapshot(0, 0, Configuration(voters_of_third))
    nodes[3].use_configurations(())
    return nodes


def test_who_lacks_what_is_committed_may_not_be_electable_by_a_configuration_of_its_own() -> None:
    for voters in ((1, 2, 3), (1, 2, 3, 4)):
        nodes = three_of_which_two_hold_what_is_committed(voters)
        ElectableCompleteness().on_step(nodes[1], nodes)
    nodes = three_of_which_two_hold_what_is_committed((3,))
    with pytest.raises(Broken, match=r"n3 lacks the entry .* \[3\] could elect it"):
        ElectableCompleteness().on_step(nodes[1], nodes)


def test_a_leader_of_an_older_term_may_not_have_its_lease_still() -> None:
    promise, nodes = LeaseExclusivity(), World().nodes
    older, newer = nodes[1], nodes[2]
    for term, node in enumerate((older, newer), 1):
        node.role, node.current_term = LEADER, term
    older.lease_from = 1_000_000
    promise.on_step_at(older, nodes, 1_000_000)
    promise.on_step_at(newer, nodes, 0)
    promise.on_step_at(older, nodes, 1_270_000)
    with pytest.raises(Broken, match="n1 may answer reads alone in term 1, but n2 leads term 2"):
        promise.on_step_at(older, nodes, 1_269_999)
