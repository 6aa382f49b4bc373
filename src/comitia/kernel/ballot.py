"""Ballots: proposal numbers that no two proposers share."""

from __future__ import annotations

from comitia.kernel.message import Record


class Ballot(Record, order=True):
    """A proposal number (Lamport, Paxos Made Simple, section 2.2).

    Ordered by `round`, then by `proposer`, which keeps the ballots of two proposers apart.
    """

    round: int
    proposer: int

    def next(self, proposer: int) -> Ballot:
        """Return the smallest ballot of `proposer` whose round exceeds this one's."""
        return Ballot(self.round + 1, proposer)


ZERO = Ballot(0, 0)
"""Smaller than every ballot a proposer tries."""
