"""Which operations on a register are open at one moment of a sweep, found by what they do."""

from __future__ import annotations

from bisect import insort
from typing import Any

from comitia.history.moves import OTHER, READ, WRITE, Moves
from comitia.history.timeline import NEVER


class Opened:
    """Tables of the open operations.

    An operation that will return has a bit, reused once it returned.  One that never returns stays
    in its table for good, oldest first, and has a bit among its own kind.
    """

    def __init__(self, moves: Moves, calls: list[int], ends: list[int]) -> None:
        self._moves, self._ends = moves, ends
        late = sorted((call, i) for i, call in enumerate(calls) if ends[i] == NEVER)
        self.late_bits = {i: 1 << n for n, (_, i) in enumerate(late)}
        """Operation that never returns -> its bit."""
        self.bits: dict[int, int] = {}
        """Open operation -> its bit."""
        self.occupied = 0
        self.deadlines: list[tuple[int, int]] = []
        """The open operations as (return, bit), soonest return first."""
        self.reads: dict[Any, int] = {}
        """Value -> mask of the open reads of it."""
        self.others: dict[int, Any] = {}
        """Bit of an open OTHER -> the value it did not find."""
        self.writes: dict[Any, tuple[tuple[int, int, int], ...]] = {}
        """Value -> open writes of it as (return, bit, operation), soonest return first."""
        self.swaps: dict[Any, tuple[tuple[int, int, int], ...]] = {}
        """Value -> open swaps that find it, likewise."""
        self.blind = 0
        """Mask of the open blind writes."""
        self.makers: dict[Any, int] = {}
        """Value -> mask of the open operations that write it."""
        self.late_writes: dict[Any, tuple[int, ...]] = {}
        self.late_swaps: dict[Any, tuple[int, ...]] = {}
        self.late_makers: dict[Any, int] = {}
        """Value -> mask of the pending operations called so far that write it."""

    def copy(self) -> Opened:
        """Return the tables as they are now."""
        twin = object.__new__(Opened)
        for name, value in vars(self).items():
            shared = name == "late_bits" or not isinstance(value, dict | list)
            setattr(twin, name, value if shared else value.copy())
        return twin

    def call(self, i: int) -> int:
        """Enter operation `i`; return its bit, 0 when it never returns."""
        kind, old, new, end = (
            self._moves.kind[i],
            self._moves.old[i],
            self._moves.new[i],
            self._ends[i],
        )
        if end == NEVER:
            self.late_makers[new] = self.late_makers.get(new, 0) | self.late_bits[i]
            table, value = (self.late_writes, new) if kind == WRITE else (self.late_swaps, old)
            table[value] = (*table.get(value, ()), i)
            return 0
        bit = ~self.occupied & (self.occupied + 1)
        self.occupied |= bit
        self.bits[i] = bit
        insort(self.deadlines, (end, bit))
        if kind == READ:
            self.reads[old] = self.reads.get(old, 0) | bit
        elif kind == OTHER:
            self.others[bit] = old
        else:
            self.makers[new] = self.makers.get(new, 0) | bit
            opened, value = (self.writes, new) if kind == WRITE else (self.swaps, old)
            entries = list(opened.get(value, ()))
            insort(entries, (end, bit, i))
            opened[value] = tuple(entries)
            if kind == WRITE:
                self.blind |= bit
        return bit

    def close(self, i: int) -> None:
        """Forget operation `i`, which returned."""
        kind, old, new = self._moves.kind[i], self._moves.old[i], self._moves.new[i]
        bit = self.bits.pop(i)
        self.occupied &= ~bit
        self.deadlines.remove((self._ends[i], bit))
        if kind == READ:
            _clear(self.reads, old, bit)
        elif kind == OTHER:
            del self.others[bit]
        else:
            _clear(self.makers, new, bit)
            opened, value = (self.writes, new) if kind == WRITE else (self.swaps, old)
            left = tuple(entry for entry in opened[value] if entry[1] != bit)
            if left:
                opened[value] = left
            else:
                del opened[value]
            self.blind &= ~bit

    def swap_mask(self) -> int:
        """Return the mask of the open swaps."""
        mask = 0
        for entries in self.swaps.values():
            for _, bit, _ in entries:
                mask |= bit
        return mask

    def first_end(self, mask: int) -> int:
        """Return the least return among the open operations in `mask`."""
        return min(self._ends[i] for i, bit in self.bits.items() if bit & mask)


def _clear(masks: dict[Any, int], value: Any, bit: int) -> None:
    left = masks[value] & ~bit
    if left:
        masks[value] = left
    else:
        del masks[value]
