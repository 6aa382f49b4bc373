"""What an operator may choose."""

from __future__ import annotations

from typing import Literal

from comitia.kernel import Record


class Options(Record, kw_only=True):
    """Times in ms, sizes in bytes.  All members of a cluster should run with equal options."""

    election_timeout_ms: int = 300
    """A server that hears from no leader for this long, or up to twice, stands for election."""
    heartbeat_ms: int = 60
    clock_drift_ms: int = 30
    """While one clock counts an election timeout, another may be this much slower: leases end
    that much earlier.
    """
    pre_vote: bool = True
    check_quorum: bool = True
    reads: Literal["lease", "index"] = "lease"
    max_append_bytes: int = 1 << 20
    """Values in one AppendEntries; a single larger value goes alone."""
    max_inflight: int = 64
    """AppendEntries under way to one follower."""
    max_inflight_bytes: int = 16 << 20
    max_uncommitted: int = 4096
    """Entries a leader holds uncommitted before it refuses to take more."""
    trailing_entries: int = 4096
    """Entries kept behind a snapshot, so that a slow follower seldom needs one ..."""
    trailing_bytes: int = 16 << 20
    """... and at most this much of them."""

    def check(self) -> None:
        """Raise ValueError when these options cannot work together."""
        if not 0 < self.heartbeat_ms < self.election_timeout_ms:
            raise ValueError("a heartbeat must come more often than an election timeout")
        if not 0 <= self.clock_drift_ms < self.election_timeout_ms:
            raise ValueError("clock_drift_ms must be below election_timeout_ms")
        if self.reads == "lease" and not self.check_quorum:
            # Without it nobody refuses votes while a leader is alive: section 6.4.1.
            raise ValueError("lease reads need check_quorum")
        if self.max_inflight < 1 or self.max_uncommitted < 1:
            raise ValueError("max_inflight and max_uncommitted must be at least 1")
