"""Which configurations of a register's sweep need not be kept, because another does as well.

A configuration stands for all its completions: orders of what is still to be placed.  It is
needless when every completion of it can be imitated from another that is kept.

A *spare* change is one whose value nobody can find any more: whoever must find that value is
placed already, or will be called only after the value has certainly been written over.  In a
completion a spare change can be left out, with the value before it holding on: what follows it is
a blind write or nothing.  (Blind writes that the completion hides before it, or in it, are then
placed openly instead.)  So having placed a spare change is as good as not having placed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comitia.history.future import Future
from comitia.history.opened import Opened
from comitia.history.timeline import NEVER
from comitia.history.trail import Trail

UNSEEN = object()
"""Stands for every value that nobody will find before it is written over."""

Configuration = tuple[Any, int, int, int, Trail]
"""(value, mask of open operations placed, mask of pending ones used, mask of open writes that are
free, trail)."""

Change = tuple[int, int]
"""(mask of open changes, mask of those who must find their value): spare once these are placed."""


@dataclass(frozen=True, slots=True)
class Spare:
    """What can become spare at one moment."""

    now: int
    opened: Opened
    future: Future
    writes: list[Change]
    changes: list[Change]
    """Blind writes and compare-and-sets."""

    @classmethod
    def at(cls, now: int, opened: Opened, future: Future) -> Spare:
        """Find them among the open changes."""
        writes, changes = [], []
        for value, makers in opened.makers.items():
            if value in opened.late_swaps:
                continue
            need = future.next_need(value, now)
            quiet = 0
            for end, bit in opened.deadlines:
                if bit & makers and (need == NEVER or future.must_change(value, end) <= need):
                    quiet |= bit
            if quiet:
                waiting = opened.reads.get(value, 0)
                for _, bit, _ in opened.swaps.get(value, ()):
                    waiting |= bit
                changes.append((quiet, waiting))
                if quiet & opened.blind:
                    writes.append((quiet & opened.blind, waiting))
        return cls(now, opened, future, writes, changes)

    def unseen(self, value: Any, done: int, settled: int) -> bool:
        """Will nobody find `value`, which holds now, before it is written over?"""
        opened, future = self.opened, self.future
        if value in opened.late_swaps:
            return False
        if any(not bit & done for _, bit, _ in opened.swaps.get(value, ())):
            return False
        need = future.next_need(value, self.now)
        if need == NEVER or future.must_change(value, self.now) <= need:
            return True
        # The first to return of what is neither placed nor free must change the value to return.
        first = next((end for end, bit in opened.deadlines if not bit & settled), NEVER)
        return first <= need


def forgetful(found: list[Configuration], spare: Spare) -> list[Configuration]:
    """Return the configurations without what makes no difference any more."""
    simpler: list[Configuration] = []
    for value, done, used, free, trail in found:
        settled = done | free
        for writes, waiting in spare.writes:
            if not waiting & ~done:
                done |= writes & settled
        if value is not UNSEEN and spare.unseen(value, done, settled):
            value = UNSEEN
        simpler.append((value, done, used, free & ~done, trail))
    return simpler


def undominated(
    found: list[Configuration], opened: Opened, changes: list[Change]
) -> list[Configuration]:
    """Return the configurations that no other of the same value, or of any if unseen, dominates."""
    distinct = {c[:4]: c for c in found}
    groups: dict[Any, list[Configuration]] = {}
    for c in distinct.values():
        groups.setdefault(c[0], []).append(c)
    unseen = groups.pop(UNSEEN, [])
    kept: list[Configuration] = []
    order = _Order(opened, changes)
    for group in groups.values():
        kept.extend(order.maximal(group, []) if len(group) > 1 else group)
    kept.extend(order.maximal(unseen, kept))
    return kept


class _Order:
    """When one configuration dominates another of the same value, or of an unseen one.

    It has placed at least the same operations that change nothing, used no more of those that never
    returned, placed no more changes but spare ones and no fewer compare-and-sets, and settled as
    many blind writes.
    """

    def __init__(self, opened: Opened, changes: list[Change]) -> None:
        self._changes = changes
        self._writes, self._swaps = opened.blind, opened.swap_mask()
        self._all_changes = self._writes | self._swaps

    def maximal(
        self, group: list[Configuration], others: list[Configuration]
    ) -> list[Configuration]:
        """Return those of `group` that neither `others` nor one of the group dominates."""
        changing = self._all_changes
        # Fewest pending operations used, most reads placed first: those tend to dominate.
        group.sort(key=lambda c: (c[2].bit_count(), -(c[1] & ~changing).bit_count()))
        kept: list[Configuration] = []
        better = [self._seen_from(k) for k in others]
        for c in group:
            done, used = c[1], c[2]
            must = done & ~self._writes
            settled = done & self._writes | c[3]
            undone = ~done
            for k_done, k_costly, k_settled, k_used in better:
                if (
                    not k_costly & undone
                    and not must & ~k_done
                    and not settled & ~k_settled
                    and not k_used & ~used
                ):
                    break
            else:
                kept.append(c)
                better.append(self._seen_from(c))
        return kept

    def _seen_from(self, c: Configuration) -> tuple[int, int, int, int]:
        """Return (placed, changes placed that are not spare, placed or free, pending used)."""
        done = c[1]
        spare = 0
        for changes, waiting in self._changes:
            if not waiting & ~done:
                spare |= changes
        return done, done & self._all_changes & ~spare, done | c[3], c[2]
