"""Raft's promises themselves: what they must let pass, and what they must not."""

from __future__ import annotations

import pytest
from raft_world import World

from comitia.kernel import Broken, replace
from comitia.protocols.raft import Raft
from comitia.protocols.raft.promises import StateMachineSafety


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
