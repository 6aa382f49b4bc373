"""Who is a member, and which members decide (sections 4.1 and 4.3).

A configuration is *joint* while it has `outgoing` voters: then a decision needs a majority of the
voters and a majority of the outgoing voters, so neither can decide alone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from comitia.kernel import NodeId, Record


class Tally(enum.Enum):
    """What the votes so far amount to."""

    WON = "won"
    LOST = "lost"
    PENDING = "pending"


UNBOUNDED = 2**63 - 1
"""The committed index of no voters at all: they hold nothing back in a joint decision."""


class Configuration(Record):
    """Members of the cluster; every tuple ascending."""

    voters: tuple[NodeId, ...] = ()
    outgoing: tuple[NodeId, ...] = ()
    """The voters before this joint configuration; empty when it is not joint."""
    learners: tuple[NodeId, ...] = ()
    """Receive the log and do not vote (section 4.2.1)."""
    learners_next: tuple[NodeId, ...] = ()
    """Become learners when the joint configuration is left: they still vote as outgoing."""

    @property
    def joint(self) -> bool:
        return bool(self.outgoing)

    def members(self) -> tuple[NodeId, ...]:
        """Everybody to whom a leader sends entries, ascending."""
        return tuple(sorted({*self.voters, *self.outgoing, *self.learners, *self.learners_next}))

    def is_voter(self, node: NodeId) -> bool:
        return node in self.voters or node in self.outgoing

    def tally(self, granted: AbstractSet[NodeId], refused: AbstractSet[NodeId]) -> Tally:
        """Return whether these votes decide: won needs both majorities, lost one of them."""
        incoming = _majority_tally(self.voters, granted, refused)
        if not self.outgoing:
            return incoming
        outgoing = _majority_tally(self.outgoing, granted, refused)
        if incoming is outgoing:
            return incoming
        if Tally.LOST in (incoming, outgoing):
            return Tally.LOST
        return Tally.PENDING

    def reached(self, index_of: Callable[[NodeId], int]) -> int:
        """Return the greatest index that a quorum has reached, each voter being at `index_of`."""
        incoming = _majority_reached(self.voters, index_of)
        if not self.outgoing:
            return incoming
        return min(incoming, _majority_reached(self.outgoing, index_of))

    def enter(self, voters: Iterable[NodeId], learners: Iterable[NodeId]) -> Configuration:
        """Return the configuration on the way to exactly `voters` and `learners`.

        When at most one voter comes or goes that is the target itself (section 4.1): any majority
        before meets any majority after.  Otherwise it is the joint configuration (section 4.3).
        Raises ValueError when the target, or this moment, allows no change.
        """
        target = Configuration(tuple(sorted(set(voters))), (), tuple(sorted(set(learners))))
        if self.joint:
            raise ValueError("a joint configuration has not been left yet")
        if not target.voters:
            raise ValueError("a cluster needs a voter")
        if both := sorted(set(target.voters) & set(target.learners)):
            raise ValueError(f"both voter and learner: {both}")
        if len(set(self.voters) ^ set(target.voters)) <= 1:
            return target
        # A voter of before cannot be a learner at the same time: it waits in `learners_next`.
        waiting = tuple(n for n in target.learners if n in self.voters)
        at_once = tuple(n for n in target.learners if n not in self.voters)
        return Configuration(target.voters, self.voters, at_once, waiting)

    def leave(self) -> Configuration:
        """Return what follows this joint configuration: the incoming voters decide alone."""
        assert self.joint, self
        return Configuration(
            self.voters, (), tuple(sorted({*self.learners, *self.learners_next})), ()
        )


def _majority_tally(
    voters: tuple[NodeId, ...], granted: AbstractSet[NodeId], refused: AbstractSet[NodeId]
) -> Tally:
    quorum = len(voters) // 2 + 1
    yes = sum(voter in granted for voter in voters)
    if yes >= quorum or not voters:  # nobody is asked, nobody objects
        return Tally.WON
    silent = sum(voter not in granted and voter not in refused for voter in voters)
    return Tally.PENDING if yes + silent >= quorum else Tally.LOST


def _majority_reached(voters: tuple[NodeId, ...], index_of: Callable[[NodeId], int]) -> int:
    if not voters:
        return UNBOUNDED
    return sorted([index_of(voter) for voter in voters])[(len(voters) - 1) // 2]
