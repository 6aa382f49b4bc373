"""Who is a member, and what the votes amount to (sections 4.1 and 4.3).

Which members decide, also while a change is under way, `Electorate` knows.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from comitia.kernel import NodeId
from comitia.quorums import Electorate


class Tally(enum.Enum):
    """What the votes so far amount to."""

    WON = "won"
    LOST = "lost"
    PENDING = "pending"


class Configuration(Electorate):
    """Members of the cluster; every tuple ascending."""

    learners: tuple[NodeId, ...] = ()
    """Receive the log and do not vote (section 4.2.1)."""
    learners_next: tuple[NodeId, ...] = ()
    """Become learners when the joint configuration is left: they still vote as outgoing."""

    def members(self) -> tuple[NodeId, ...]:
        """Everybody to whom a leader sends entries, ascending."""
        return tuple(sorted({*self.voters, *self.outgoing, *self.learners, *self.learners_next}))

    def tally(self, granted: AbstractSet[NodeId], refused: AbstractSet[NodeId]) -> Tally:
        """Return whether these votes decide: won needs both majorities, lost one of them."""
        if self.is_quorum(granted):
            return Tally.WON
        undecided = {*self.electors()} - refused
        return Tally.PENDING if self.is_quorum(granted | undecided) else Tally.LOST

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
