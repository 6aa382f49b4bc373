"""A member of a replicated log: what hosts, front doors and operators rely on, for every protocol.

A replica serves `Propose` (on its leader), `Read` (on any member), `Compact`, `Reconfigure` and
`Transfer`, delivers decided values in order of their slots, and sends and installs snapshots.
"""

from __future__ import annotations

from comitia.kernel.node import Node, NodeId, Slot


class Replica(Node):
    """A node of a leader-based replicated log."""

    @property
    def leader(self) -> NodeId | None:
        """Whom to propose to, as far as this node knows; its own id when it is the leader."""
        raise NotImplementedError

    @property
    def snapshot_slot(self) -> Slot:
        """The slot of the snapshot that this node's log starts from; 0 when it starts empty."""
        raise NotImplementedError
