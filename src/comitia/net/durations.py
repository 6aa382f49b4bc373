"""How long something took, lately and ever: for metrics and for people."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

BOUNDS_S = tuple(0.000_125 * 2**k for k in range(16))
"""Upper bounds of the buckets, 0.125 ms to 4 s; the last bucket has none."""
RECENT = 1024


class Durations:
    """A histogram since the start, and the most recent samples for exact percentiles."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        """Count one sample."""
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds
        self._recent.append(seconds)

    @property
    def count(self) -> int:
        """How many samples there were."""
        return sum(self.buckets)

    def percentile_ms(self, percent: float) -> float | None:
        """Return the percentile of the recent samples, in ms; None when there are none."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
