"""Who decides by majority while the membership may be changing.

An electorate is *joint* while it has `outgoing` voters: then a decision needs a majority of the
voters and a majority of the outgoing voters, so neither can decide alone (Ongaro and Ousterhout
2014, section 6; Shraer, Reed, Malkhi, Junqueira 2012).  A log's configuration, which travels in
messages and stands on disk, is one; `Joint` is the same for any two systems, to be analysed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

from comitia.kernel import NodeId, Record
from comitia.quorums.majority import reached_by_most

UNBOUNDED: Final = 2**63 - 1
"""What no voters at all have reached: they hold nothing back in a joint decision."""


class Electorate(Record):
    """Voters, and those of before while a change is under way; every tuple ascending."""

    voters: tuple[NodeId, ...] = ()
    outgoing: tuple[NodeId, ...] = ()
    """The voters of before; empty when the electorate is not joint."""

    @property
    def joint(self) -> bool:
        return bool(self.outgoing)

    def is_voter(self, node: NodeId) -> bool:
        return node in self.voters or node in self.outgoing

    def electors(self) -> tuple[NodeId, ...]:
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
        incoming = reached_by_most(self.voters, of) if self.voters else UNBOUNDED
        if not self.outgoing:
            return incoming
        return min(incoming, reached_by_most(self.outgoing, of))
