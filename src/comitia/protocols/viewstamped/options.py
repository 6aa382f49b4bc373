"""What an operator may choose."""

from __future__ import annotations

from typing import Literal

from comitia.kernel import Record


class Options(Record, kw_only=True):
    """Times in ms, sizes in bytes.  All members of a cluster should run with equal options."""

    view_change_timeout_ms: int = 300
    """A replica that hears from no primary for this long, or up to twice, starts a view change."""
    commit_ms: int = 60
    """An idle primary sends COMMIT this often (section 4.1, step 6)."""
    clock_drift_ms: int = 30
    """While one clock counts a timeout, another may be this much slower: leases end that much
    earlier."""
    reads: Literal["lease", "index"] = "lease"
    log: Literal["disk", "memory"] = "disk"
    """Where the log is kept.  In memory (section 4.3) a replica writes only its view to disk and
    asks the others for the log when it restarts.  The danger: when more than f replicas restart
    before they have it back, what was executed is lost and the group never serves again.
    """
    max_message_bytes: int = 1 << 20
    """Values in one PREPARE or NEWSTATE; a single larger value goes alone."""
    max_uncommitted: int = 4096
    """Ops a primary holds uncommitted before it refuses to take more."""
    trailing_ops: int = 4096
    """Ops kept behind a checkpoint, so that a slow backup seldom needs one ..."""
    trailing_bytes: int = 16 << 20
    """... and at most this much of them."""

    def check(self) -> None:
        """Raise ValueError when these options cannot work together."""
        if not 0 < self.commit_ms < self.view_change_timeout_ms:
            raise ValueError("commit_ms must be positive and below view_change_timeout_ms")
        if not 0 <= self.clock_drift_ms < self.view_change_timeout_ms:
            raise ValueError("clock_drift_ms must be below view_change_timeout_ms")
        if self.log not in ("disk", "memory"):
            raise ValueError(f"log must be disk or memory, not {self.log!r}")
        if min(self.max_message_bytes, self.max_uncommitted) < 1:
            raise ValueError("max_message_bytes and max_uncommitted must be positive")
