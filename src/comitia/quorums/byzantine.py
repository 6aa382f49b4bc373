"""Quorum systems that hold with f liars among the members.

Malkhi and Reiter, "Byzantine quorum systems" (1998), for any f members failing: a dissemination
system (section 4) serves data its reader can verify, a masking system (section 3) data it cannot.
Both ask for consistency (how much two quorums share) and for availability (whichever f members
fail, some quorum has none of them).
"""

from __future__ import annotations

from collections.abc import Iterable

from comitia.quorums.measure import resilience
from comitia.quorums.overlap import check_overlap
from comitia.quorums.readwrite import ReadWrite, threshold
from comitia.quorums.system import ExpressedSystem


def quorum_size(n: int, f: int) -> int:
    """The least size at which any two of `n` share f+1 members: ceil((n+f+1)/2).

    It is 2f+1 only when n = 3f+1; with more members a fixed 2f+1 is too small.
    """
    if f < 0 or n < 3 * f + 1:
        raise ValueError(f"{n} members tolerate no {f} liars: at least {3 * f + 1} are needed")
    return (n + f + 2) // 2


def masking_quorum_size(n: int, f: int) -> int:
    """The least size at which any two of `n` share 2f+1 members: ceil((n+2f+1)/2)."""
    if f < 0 or n < 4 * f + 1:
        raise ValueError(f"{n} members mask no {f} liars: at least {4 * f + 1} are needed")
    return (n + 2 * f + 2) // 2


def dissemination(members: Iterable[int], f: int) -> ReadWrite:
    """The threshold system for signed data, n >= 3f+1."""
    members = tuple(members)
    size = quorum_size(len(members), f)
    return threshold(members, size, size)


def masking(members: Iterable[int], f: int) -> ReadWrite:
    """The threshold system for unsigned data, n >= 4f+1."""
    members = tuple(members)
    size = masking_quorum_size(len(members), f)
    return threshold(members, size, size)


def check_dissemination(system: ExpressedSystem, f: int) -> None:
    """Raise TooLittleShared, or ValueError with the reason, unless f liars are tolerated."""
    _check(system, f, f + 1)


def check_masking(system: ExpressedSystem, f: int) -> None:
    """Raise TooLittleShared, or ValueError with the reason, unless f liars are masked."""
    _check(system, f, 2 * f + 1)


def _check(system: ExpressedSystem, f: int, share: int) -> None:
    # Writes are held against each other too: two commits must have a correct witness in common.
    for kind, quorums in (("read", system.reads), ("write", system.writes)):
        check_overlap((kind, "write"), quorums, system.writes, share)
        if resilience(quorums) < f:
            raise ValueError(f"{f} silent members can stop every {kind} quorum")
