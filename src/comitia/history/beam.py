"""Long registers with many overlapping operations: follow the best few configurations only.

A sweep that keeps too many configurations is repeated with the most promising ones of each value,
which is sound for saying yes: what survives to the end is a linearization.  Where none survives
there is either a contradiction, which a small window around that moment shows exactly, or the
wrong ones were kept: then go back a little and keep more.
"""

from __future__ import annotations

from typing import Any, Final

from comitia.history.moves import READ, SWAP, WRITE, Moves, Order
from comitia.history.opened import Opened
from comitia.history.sweep import Configuration, Stuck, Sweep
from comitia.history.timeline import NEVER, ranks
from comitia.history.verdict import Expired, GaveUp, never
from comitia.history.window import contradicts

_STEPS: Final = 20_000
"""A full sweep that comes to more configurations than this is repeated with a beam."""
_WIDTH: Final = 2
_STRIDE: Final = 64
"""Events between two moments to go back to."""
_DEEP: Final = 3
_DEEPEST: Final = 6
"""How often to go back from one moment, each time twice as far and keeping thrice as many."""


def decide(moves: Moves, expired: Expired = never) -> Order | Stuck:
    """Return a linearization, or where what returned cannot be explained.

    Raises GaveUp when time is up.
    """
    unwritten = _unwritten(moves)
    if unwritten is not None:
        return unwritten
    try:
        return Sweep(moves, expired, _STEPS).run()
    except GaveUp:
        if expired():
            raise
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
    """A sweep that keeps at most `width` configurations of each value."""

    def __init__(self, moves: Moves, expired: Expired = never) -> None:
        super().__init__(moves, expired)
        self.width = _WIDTH
        self._saved: list[tuple[int, Opened, list[Configuration]]] = []

    def follow(self) -> Order | Stuck | None:
        """As `run`, or None when even a wide beam dies without a contradiction nearby."""
        events = self._events()
        at, died_at, depth = 0, -1, 0
        while at < len(events):
            if at % _STRIDE == 0:
                self._saved.append((at, self._open.copy(), self._configurations))
            rank, i, returns = events[at]
            at += 1
            if not returns:
                self._call(i)
                continue
            if self._return(i, rank):
                if at > died_at + _STRIDE and depth:
                    depth, self.width = 0, _WIDTH
                continue
            stuck = rank, max(rank, self._looked_ahead)
            # Looking for a contradiction is dear, and mostly the beam was only too narrow.
            if depth == _DEEP and contradicts(self.moves, stuck):
                return stuck
            depth = depth + 1 if at >= died_at else depth
            if depth > _DEEPEST:
                return None
            died_at = max(at, died_at)
            self.width = _WIDTH * 3**depth
            at = self._go_back(at - _STRIDE * 2**depth)
        return self._linearization()

    def _go_back(self, to: int) -> int:
        """Return to the last moment saved not after `to`, or to the first."""
        while self._saved[-1][0] > max(to, 0):
            self._saved.pop()
        at, opened, self._configurations = self._saved.pop()
        self._open = opened.copy()
        return at

    def _maximal(self, group: list[Configuration]) -> list[Configuration]:
        kept = super()._maximal(group)
        if len(kept) > self.width:
            kept.sort(key=self._cost)
            del kept[self.width :]
        return kept

    def _cost(self, c: Configuration) -> tuple[int, int]:
        """Promising: few pending operations used, many reads and few writes placed."""
        writes = c[1] & self._open.blind
        return c[2].bit_count(), 2 * writes.bit_count() - c[1].bit_count()
