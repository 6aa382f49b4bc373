"""What people see of a replica."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.viewstamped.state import State


def view(node: State) -> View:
    """Return the role (or what keeps the replica from having one), the view and the log's ends."""
    role = node.status
    if not node.is_member:
        role = "outsider"
    elif role == "normal":
        role = "primary" if node.leader == node.id else "backup"
    return View(
        role=role,
        epoch=node.view.number,
        # A primary that hears no quorum is one still, by arithmetic, and serves nobody.
        leader=node.leader if node.loyal or not node.is_primary else None,
        last=node.op_number,
        committed=node.commit_number,
        voters=node.group.configuration,
        facts=(
            ("status", node.status),
            ("epoch", str(node.group.epoch)),
            ("last normal view", str(node.last_normal_view.number)),
            ("checkpoint", str(node.checkpoint.op_number)),
        ),
    )
