"""Long registers with many overlapping operations: follow the most promising configurations only.

Leaving some out is sound for saying yes: what survives to the end is a linearization.  Where none
survives and none was left out, there is no linearization.  Else there is either a contradiction
nearby, which a window around that moment shows exactly, or the wrong ones were left out: then go
back a little and keep more.
"""

from __future__ import annotations

from collections import deque
from heapq import nsmallest
from typing import Any, Final

from comitia.history.dominance import Configuration
from comitia.history.moves import READ, SWAP, WRITE, Moves, Order
from comitia.history.opened import Opened
from comitia.history.sweep import Stuck, Sweep
from comitia.history.timeline import NEVER, ranks
from comitia.history.verdict import Expired, never
from comitia.history.window import contradicts

_WIDTH: Final = 4
"""Configurations kept at first."""
_ENOUGH: Final = 4
"""Ways to place one operation that are looked at from one configuration, at first."""
_STRIDE: Final = 64
"""Events between two moments to go back to."""
_DEEPEST: Final = 6
"""How often to go back from one moment, each time further and keeping thrice as many."""
_SAVED: Final = 16
"""Moments that are remembered: the furthest to go back."""


def decide(moves: Moves, expired: Expired = never) -> Order | Stuck:
    """Return a linearization, or where what returned cannot be explained.

    Raises GaveUp when time is up.
    """
    unwritten = _unwritten(moves)
    if unwritten is not None:
        return unwritten
    answer = Beam(moves, expired).follow()
    return Sweep(moves, expired).run() if answer is None else answer


def _unwritten(moves: Moves) -> Stuck | None:
    """Return where something found a value that nobody had been called to write by then."""
    calls, ends = ranks(moves.operations)
    first: dict[Any, int] = {moves.initial: -1}
    for i, kind in enumerate(moves.kind):
        if kind in (WRITE, SWAP):
            first[moves.new[i]] = min(calls[i], first.get(moves.new[i], NEVER))
    for i, kind in enumerate(moves.kind):
        if kind in (READ, SWAP) and first.get(moves.old[i], NEVER) > ends[i]:
            return ends[i], ends[i]
    return None


class Beam(Sweep):
    """A sweep that keeps at most `width` configurations."""

    def __init__(self, moves: Moves, expired: Expired = never) -> None:
        super().__init__(moves, expired)
        self._widen(0)
        self._saved: deque[tuple[int, Opened, list[Configuration], bool]] = deque(maxlen=_SAVED)

    def _widen(self, depth: int) -> None:
        self.width, self._enough = _WIDTH * 3**depth, _ENOUGH * 3**depth

    def follow(self) -> Order | Stuck | None:
        """As `run`, or None when even a wide beam dies without a contradiction nearby."""
        events = self._events()
        at, died_at, depth = 0, -1, 0
        while at < len(events):
            if at % _STRIDE == 0:
                self._saved.append((at, self._open.copy(), self._configurations, self.cut))
            rank, i, returns = events[at]
            at += 1
            if not returns:
                self._call(i)
                continue
            if self._return(i, rank):
                if depth and at > died_at + _STRIDE:
                    depth, died_at = depth - 1, at
                    self._widen(depth)
                continue
            stuck = rank, max(rank, self._looked_ahead)
            depth += 1
            # Looking for a contradiction is dear, and mostly the beam was only too narrow.
            if not self.cut or (depth > 1 and contradicts(self.moves, stuck, _STRIDE << depth)):
                return stuck
            if depth > _DEEPEST:
                return None
            died_at = max(at, died_at)
            self._widen(depth)
            at = self._go_back(at - 2 * depth * _STRIDE)
        return self._linearization()

    def _go_back(self, to: int) -> int:
        """Return to the last moment saved not after `to`, or to the first that is remembered."""
        while len(self._saved) > 1 and self._saved[-1][0] > to:
            self._saved.pop()
        at, opened, self._configurations, self.cut = self._saved.pop()
        self._open = opened.copy()
        return at

    def _thinned(self, found: list[Configuration], now: int) -> list[Configuration]:
        if len(found) > 8 * self.width:  # comparing all with all would be dear
            found = self._best(found, 8 * self.width)
        kept = super()._thinned(found, now)
        return self._best(kept, self.width) if len(kept) > self.width else kept

    def _best(self, found: list[Configuration], most: int) -> list[Configuration]:
        self.cut = True
        return nsmallest(most, found, key=self._cost)

    def _cost(self, c: Configuration) -> tuple[int, int]:
        """Promising: few pending operations used, much placed, but few writes."""
        writes = c[1] & self._open.blind
        return c[2].bit_count(), 3 * writes.bit_count() - c[1].bit_count()
