"""A party to an atomic commitment, as people see it."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager


def view(node: ResourceManager | TransactionManager) -> View:
    """Return what a party shows."""
    manages = isinstance(node, TransactionManager)
    return View(
        role="transaction manager" if manages else "resource manager",
        epoch=0,
        leader=node.id if isinstance(node, TransactionManager) else node.manager,
        last=0,
        committed=int(node.state == "committed"),
        voters=(),
        facts=(("state", node.state),),
    )
