"""What is still to come on a register: who will be called to write a value, and who to find it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from comitia.history.moves import READ, SWAP, WRITE, Moves
from comitia.history.timeline import NEVER


class Future:
    """For each value, who will be called to write it and to find it."""

    def __init__(self, moves: Moves, calls: list[int], ends: list[int]) -> None:
        self._writes: dict[Any, list[int]] = {}
        needs: dict[Any, list[tuple[int, int]]] = {}
        for i, kind in enumerate(moves.kind):
            if kind in (WRITE, SWAP):
                self._writes.setdefault(moves.new[i], []).append(calls[i])
            if kind in (READ, SWAP):
                needs.setdefault(moves.old[i], []).append((calls[i], ends[i]))
        for times in self._writes.values():
            times.sort()
        self._needs: dict[Any, tuple[list[int], list[int]]] = {}
        for value, found in needs.items():
            found.sort()
            least, firsts = NEVER, [0] * len(found)
            for n in range(len(found) - 1, -1, -1):
                least = min(least, found[n][1])
                firsts[n] = least
            self._needs[value] = [call for call, _ in found], firsts

    def next_write(self, value: Any, now: int) -> int:
        """Return the rank of the next call that writes `value`."""
        times = self._writes.get(value, ())
        at = bisect_right(times, now)
        return times[at] if at < len(times) else NEVER

    def first_need(self, value: Any, now: int) -> int:
        """Return the least return of the operations called after `now` that must find `value`."""
        calls, firsts = self._needs.get(value, ((), ()))
        at = bisect_right(calls, now)
        return firsts[at] if at < len(firsts) else NEVER
