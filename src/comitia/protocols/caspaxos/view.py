"""A CASPaxos member, as people see it."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.caspaxos.node import CasPaxos


def view(node: CasPaxos) -> View:
    """Return what a member shows; `epoch` is the version of the configuration, nobody leads."""
    return View(
        role="member" if node.id in node.system.members else "spare",
        epoch=node.current.version,
        leader=None,
        last=node.round,
        committed=0,
        voters=node.system.members,
        facts=(
            ("keys", str(len(node.registers))),
            ("tombstones known", str(len(node.garbage))),
            ("changes under way", str(len(node.operations))),
            ("age", str(node.age)),
        ),
    )
