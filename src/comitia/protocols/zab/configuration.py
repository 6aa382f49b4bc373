"""Who takes part; which sets of members decide, `Electorate` knows.

The papers have a fixed ensemble.  ZooKeeper's reconfiguration (Shraer, Reed, Malkhi, Junqueira,
"Dynamic Reconfiguration of Primary/Backup Clusters", USENIX ATC 2012) has a change decided by a
quorum of the old and a quorum of the new configuration; a configuration is *joint* meanwhile.
"""

from __future__ import annotations

from comitia.kernel import NodeId
from comitia.quorums import Electorate


class Configuration(Electorate):
    """Members of the ensemble; every tuple ascending."""

    observers: tuple[NodeId, ...] = ()
    """Are sent everything and decide nothing: what the kernel calls learners."""

    def members(self) -> tuple[NodeId, ...]:
        """Everybody who is sent transactions, ascending."""
        return tuple(sorted({*self.voters, *self.outgoing, *self.observers}))

    def towards(self, voters: frozenset[NodeId], observers: frozenset[NodeId]) -> Configuration:
        """Return what comes next on the way to exactly `voters` and `observers`.

        Raises ValueError when nobody could decide, or somebody would be both.
        """
        if not voters:
            raise ValueError("an ensemble needs a voter")
        if both := sorted(voters & observers):
            raise ValueError(f"both voter and observer: {both}")
        outgoing = () if tuple(sorted(voters)) == self.voters else self.voters
        return Configuration(tuple(sorted(voters)), outgoing, tuple(sorted(observers)))

    def settled(self) -> Configuration:
        """Return what follows a joint configuration."""
        return Configuration(self.voters, (), self.observers)
