"""What a leader knows of a follower: nextIndex and matchIndex (figure 3.1), and what is under way.

A leader *probes* until it knows where the logs agree, one message at a time; then it *replicates*,
many messages ahead of the answers (section 10.2.1, pipelining); a follower whose next entry is
compacted away waits for a *snapshot*.
"""

from __future__ import annotations

from typing import Final

from comitia.kernel import Record

PROBE: Final = "probe"
REPLICATE: Final = "replicate"
SNAPSHOT: Final = "snapshot"


class Progress(Record):
    """Of one follower, in one term."""

    next_index: int
    """The next entry to send."""
    match_index: int = 0
    """The follower's log is known to equal the leader's up to here, on the follower's disk."""
    state: str = PROBE
    waiting: bool = False
    """PROBE: the question has been asked; the answer, or a heartbeat's, brings the next one."""
    inflight: tuple[tuple[int, int], ...] = ()
    """(last index, bytes) of each message with entries that has not been answered."""
    inflight_bytes: int = 0
    commit_sent: int = 0
    """The greatest commit index sent: whether somebody has still to tell the follower."""
    round: int = 0
    """The latest round that the follower has answered."""
    active: bool = False
    """Has it answered since the last check of the quorum?"""
