"""An ABD member, as people see it."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.abd.node import Abd


def view(node: Abd) -> View:
    """Return what a member shows; nobody leads, and nothing is ever elected."""
    return View(
        role="member",
        epoch=0,
        leader=None,
        last=node.counter,
        committed=0,
        voters=node.system.members,
        facts=(
            ("keys", str(len(node.registers))),
            ("under way", str(len(node.operations))),
        ),
    )
