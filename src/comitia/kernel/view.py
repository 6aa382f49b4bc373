"""What people see of a node: status, metrics, dashboards and the explorer ask for this."""

from __future__ import annotations

from comitia.kernel.message import Record


class View(Record):
    """A node at one moment, in words common to all protocols; made by a protocol's `view.py`."""

    role: str
    """The paper's word: follower, candidate, leader; primary, backup; proposer, acceptor."""
    epoch: int
    """What grows when leadership changes: term, view, ballot round, epoch."""
    leader: int | None
    """Whom this node takes for the leader, if anybody."""
    last: int
    """The last slot in its log."""
    committed: int
    """The last slot it knows to be decided."""
    voters: tuple[int, ...]
    learners: tuple[int, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """Anything else worth showing, as (name, value)."""
