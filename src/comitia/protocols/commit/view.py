"""A party to an atomic commitment, as people see it."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.commit.seats import RESOURCE
from comitia.protocols.commit.transactions import Transactions
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


def transactions_view(node: Transactions) -> View:
    """Return what a party to many transactions shows: nobody leads, nothing is in slots."""
    own = [kept for seat, kept in node.kept.items() if seat[2] == RESOURCE]
    return View(
        role="member",
        epoch=0,
        leader=None,
        last=node.begun,
        committed=0,
        voters=node.voters,
        facts=(
            ("parts", str(len(own))),
            ("prepared", str(sum(kept.state == "prepared" for kept in own))),
            ("committed", str(sum(kept.state == "committed" for kept in own))),
            ("aborted", str(sum(kept.state == "aborted" for kept in own))),
        ),
    )
