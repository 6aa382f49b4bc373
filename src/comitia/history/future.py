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
        self._returns = _FirstReturns(moves, calls, ends)
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

    def next_need(self, value: Any, now: int) -> int:
        """Return the rank of the next call of an operation that must find `value`."""
        calls, _ = self._needs.get(value, ((), ()))
        at = bisect_right(calls, now)
        return calls[at] if at < len(calls) else NEVER

    def must_change(self, value: Any, now: int) -> int:
        """Return the rank by which `value`, if it holds at `now`, has been written over.

        An operation called after `now`, unless it reads `value`, takes effect before it returns.
        """
        return self._returns.least(now, value)

    def first_need(self, value: Any, now: int) -> int:
        """Return the least return of the operations called after `now` that must find `value`."""
        calls, firsts = self._needs.get(value, ((), ()))
        at = bisect_right(calls, now)
        return firsts[at] if at < len(firsts) else NEVER


class _FirstReturns:
    """Least returns of the operations called after a moment."""

    def __init__(self, moves: Moves, calls: list[int], ends: list[int]) -> None:
        order = sorted(range(len(calls)), key=calls.__getitem__)
        self._calls = [calls[i] for i in order]
        self._least: list[tuple[int, Any, int]] = [(NEVER, _NOTHING, NEVER)] * (len(order) + 1)
        """From each call on: (least return, value that this one reads, least of the others)."""
        least, label, other = NEVER, _NOTHING, NEVER
        for n in range(len(order) - 1, -1, -1):
            i = order[n]
            end, value = ends[i], moves.old[i] if moves.kind[i] == READ else _NOTHING
            if value == label and value is not _NOTHING:
                least = min(least, end)
            elif end < least:
                least, label, other = end, value, least
            elif end < other:
                other = end
            self._least[n] = least, label, other

    def least(self, now: int, value: Any) -> int:
        """Return the least return of operations called after `now` except reads of `value`."""
        least, label, other = self._least[bisect_right(self._calls, now)]
        return other if label is not _NOTHING and label == value else least


_NOTHING = object()
