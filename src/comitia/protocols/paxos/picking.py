"""What the votes of Fast Paxos say: what is chosen, what may be, and when nothing can be.

Fast Quorum Requirement: a read quorum of the classic system and any two fast quorums have a member
in common.  With N members and majorities that takes more than 3N/4 of them, about: 4 of 5, not 3.
"""

from __future__ import annotations

from collections.abc import Iterable

from comitia.kernel import NodeId
from comitia.protocols.paxos.messages import NO_ROUND, Round, Value
from comitia.quorums import QuorumSystem
from comitia.quorums.readwrite import ReadWrite, threshold

Vote = tuple[NodeId, Round, Value | None]
"""(acceptor, round, value): its vote in that round, or its last one."""


def fast_majority(voters: Iterable[NodeId]) -> ReadWrite:
    """Return the fewest votes that are fast quorums beside majorities of `voters`."""
    voters = tuple(voters)
    n = len(voters)
    majority = n // 2 + 1
    # Two fast quorums and a majority of n share at least 2 * fast + majority - 2 * n members.
    fast = (2 * n - majority) // 2 + 1
    return threshold(voters, majority, fast)


def _by_value(votes: Iterable[Vote]) -> dict[Value, set[NodeId]]:
    voters: dict[Value, set[NodeId]] = {}
    for acceptor, _, value in sorted(votes, key=lambda vote: vote[0]):
        if value is not None:
            voters.setdefault(value, set()).add(acceptor)
    return dict(sorted(voters.items()))


def chosen(votes: Iterable[Vote], system: QuorumSystem) -> Value | None:
    """Return the value that `votes`, all of one round, have chosen."""
    for value, voters in _by_value(votes).items():
        if system.is_write_quorum(voters):
            return value
    return None


def _possible(k: Round, reports: frozenset[Vote], fast: QuorumSystem) -> list[Value]:
    """The values that a fast quorum has voted for in round `k`, or may, given these `reports`."""
    silent = set(fast) - {acceptor for acceptor, _, _ in reports}
    by_value = _by_value(vote for vote in reports if vote[1] == k)
    return [value for value, voters in by_value.items() if fast.is_write_quorum(voters | silent)]


def hopeless(k: Round, votes: frozenset[Vote], fast: QuorumSystem) -> bool:
    """Can nothing be chosen any more in fast round `k`?"""
    return not _possible(k, votes, fast)


def pick(reports: frozenset[Vote], fast: QuorumSystem) -> Value | None:
    """Return the value that has been or may yet be chosen below, which is then the only one to
    propose; None when the coordinator is free.

    `reports` come from a read quorum, and the highest round `k` with a vote decides: in a classic
    round all votes are for one value, in a fast one the rule is the paper's O4(v).
    """
    k = max(vrnd for _, vrnd, _ in reports)
    if k == NO_ROUND:
        return None
    if k.classic:
        return next(iter(_by_value(vote for vote in reports if vote[1] == k)))
    # At most one, by the Fast Quorum Requirement.
    return next(iter(_possible(k, reports, fast)), None)


def favourite(reports: Iterable[Vote]) -> Value | None:
    """Return the value with the most votes: proposed by somebody, so fit for a free choice."""
    by_value = _by_value(reports)
    return max(by_value, key=lambda value: len(by_value[value]), default=None)
