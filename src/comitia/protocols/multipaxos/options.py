"""What an operator may choose."""

from __future__ import annotations

from typing import Literal

from comitia.kernel import Record


class Options(Record, kw_only=True):
    """Times in ms, sizes in bytes.  All members of a cluster should run with equal options."""

    lease_ms: int = 300
    """An acceptor that hears a leader promises nothing to others for this long; a replica that
    hears of none for once to twice as long tries to lead."""
    heartbeat_ms: int = 60
    """A leader begins a round this often, and repeats what is not acknowledged."""
    clock_drift_ms: int = 30
    """While one clock counts a lease, another may be this much slower: the leader's ends earlier
    by as much."""
    reads: Literal["lease", "index"] = "lease"
    window: int = 256
    """WINDOW: slots that may be under way at once.  Fixed at a cluster's first start; members that
    were founded with different windows do not follow each other."""
    max_waiting: int = 4096
    """Commands that may wait for a free slot before more are refused."""
    max_message_bytes: int = 1 << 20
    """Values in one P2a or Decisions; a single larger value goes alone."""
    trailing_slots: int = 4096
    """Slots kept behind a snapshot, so that a slow replica seldom needs one ..."""
    trailing_bytes: int = 16 << 20
    """... and at most this much of them."""

    def check(self) -> None:
        """Raise ValueError when these options cannot work together."""
        if not 0 < self.heartbeat_ms < self.lease_ms:
            raise ValueError("heartbeat_ms must be positive and below lease_ms")
        if not 0 <= self.clock_drift_ms < self.lease_ms:
            raise ValueError("clock_drift_ms must be below lease_ms")
        if min(self.window, self.max_waiting, self.max_message_bytes) < 1:
            raise ValueError("window, max_waiting and max_message_bytes must be positive")
