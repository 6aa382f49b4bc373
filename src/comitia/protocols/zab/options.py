"""What an operator may choose."""

from __future__ import annotations

from typing import Literal

from comitia.kernel import Record


class Options(Record, kw_only=True):
    """Times in ms, sizes in bytes.  All members of a cluster should run with equal options."""

    timeout_ms: int = 300
    """A follower that hears from no leader for this long looks for another; a leader that a quorum
    has not answered for this long gives up."""
    ping_ms: int = 60
    """How often a leader pings, and how often anything that may have been lost is said again."""
    settle_ms: int = 20
    """How long an election waits for a better vote once a quorum agrees (finalizeWait)."""
    clock_drift_ms: int = 30
    """While one clock counts a timeout, another may be this much slower: leases end that much
    earlier."""
    reads: Literal["lease", "index"] = "lease"
    max_message_bytes: int = 1 << 20
    """Values in one PROPOSE or DIFF; a single larger value goes alone."""
    max_inflight: int = 64
    """PROPOSEs or DIFFs under way to one follower."""
    max_uncommitted: int = 4096
    """Transactions a leader holds uncommitted before it refuses to take more."""
    trailing_txns: int = 4096
    """Transactions kept behind a snapshot, so that a slow follower seldom needs a SNAP ..."""
    trailing_bytes: int = 16 << 20
    """... and at most this much of them."""

    def check(self) -> None:
        """Raise ValueError when these options cannot work together."""
        if not 0 < self.ping_ms < self.timeout_ms:
            raise ValueError("a ping must come more often than a timeout")
        if not 0 < self.settle_ms < self.timeout_ms:
            raise ValueError("an election must settle within a timeout")
        if not 0 <= self.clock_drift_ms < self.timeout_ms:
            raise ValueError("clock_drift_ms must be below timeout_ms")
        if min(self.max_message_bytes, self.max_inflight, self.max_uncommitted) < 1:
            raise ValueError("max_message_bytes, max_inflight and max_uncommitted must be positive")
