"""Who takes part, and which sets of members decide.

The papers have a fixed ensemble.  ZooKeeper's reconfiguration (Shraer, Reed, Malkhi, Junqueira,
"Dynamic Reconfiguration of Primary/Backup Clusters", USENIX ATC 2012) has a change decided by a
quorum of the old and a quorum of the new configuration; a configuration is *joint* meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from comitia.kernel import NodeId, Record


class Configuration(Record):
    """Members of the ensemble; every tuple ascending."""

    voters: tuple[NodeId, ...]
    outgoing: tuple[NodeId, ...] = ()
    """The voters of before, while a change is under way; their quorums are needed as well."""
    observers: tuple[NodeId, ...] = ()
    """Are sent everything and decide nothing: what the kernel calls learners."""

    @property
    def joint(self) -> bool:
        return bool(self.outgoing)

    def members(self) -> tuple[NodeId, ...]:
        """Everybody who is sent transactions, ascending."""
        return tuple(sorted({*self.voters, *self.outgoing, *self.observers}))

    def participants(self) -> tuple[NodeId, ...]:
        """Everybody who votes, ascending."""
        return tuple(sorted({*self.voters, *self.outgoing}))

    def is_quorum(self, who: AbstractSet[NodeId]) -> bool:
        """Is there a majority of the voters in `who`, and one of the outgoing voters?"""
        return all(
            2 * sum(voter in who for voter in group) > len(group)
            for group in (self.voters, self.outgoing)
            if group
        )

    def reached(self, of: Callable[[NodeId], int]) -> int:
        """Return the greatest number that a quorum has reached, each voter being at `of(voter)`."""
        numbers = [
            sorted([of(voter) for voter in group])[(len(group) - 1) // 2]
            for group in (self.voters, self.outgoing)
            if group
        ]
        return min(numbers)

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
