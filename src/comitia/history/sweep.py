"""Registers with any values: just-in-time configurations, with dominance.

After Lowe, "Testing for linearizability" (2017): sweep the calls and returns in order and keep
every configuration that explains what returned so far; place an operation only when one returns.
What makes registers cheap is which configurations need not be kept:

1. An operation that changes nothing is placed as soon as the value fits.
2. A blind write may be placed unseen just before another blind write, or where its value holds
   already.  So a write is *free* once either happened after its call: it need not be seen, and
   hiding it never branches.
3. A blind write, or an operation that never returned, is placed early only if somebody sees it.
4. Of equal writes that overlap, the one that returns first goes first, and those that never
   returned go last, oldest first: exchanging equals changes nothing but deadlines.
5. A configuration is dropped when another with the same value has placed at least the same reads,
   used no more of the operations that never returned, and differs in writes only by free ones.
6. A value that nobody will see again is as good as any other such value.
7. A configuration is dropped when it leaves a value, or hides a write of it, that somebody must
   still find and nobody can write again in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comitia.history.future import Future
from comitia.history.moves import OTHER, READ, SWAP, WRITE, Moves, Order
from comitia.history.opened import Opened
from comitia.history.timeline import NEVER, ranks
from comitia.history.trail import Trail, unroll
from comitia.history.verdict import Expired, GaveUp, never

_UNSEEN = object()
"""Stands for every value that nobody will see again."""

Stuck = tuple[int, int]
"""(rank at which no configuration was left, rank of the last return that was looked ahead to)."""

Configuration = tuple[Any, int, int, int, Trail]
"""(value, mask of open operations placed, mask of pending ones used, mask of open writes that are
free, trail)."""


class Sweep:
    """One pass over the operations of one register."""

    def __init__(
        self, moves: Moves, expired: Expired = never, most_steps: int | None = None
    ) -> None:
        """Give up when `expired` says so, or after `most_steps` configurations."""
        self.moves, self._expired, self._most_steps = moves, expired, most_steps
        self.calls, self.ends = ranks(moves.operations)
        self._interest = self._last_interest()
        self._future = Future(moves, self.calls, self.ends)
        self._open = Opened(moves, self.calls, self.ends)
        self._steps = 0
        self._looked_ahead = -1
        self._configurations: list[Configuration] = [(moves.initial, 0, 0, 0, None)]

    def run(self) -> Order | Stuck:
        """Return a linearization, or where what returned cannot be explained.

        Raises GaveUp when time is up.
        """
        for rank, i, returns in self._events():
            if not returns:
                self._call(i)
            elif not self._return(i, rank):
                return rank, max(rank, self._looked_ahead)
        return self._linearization()

    def _linearization(self) -> Order:
        return unroll(self.moves, self.calls, self.ends, self._configurations[0][4])

    def _events(self) -> list[tuple[int, int, bool]]:
        """Return (rank, operation, whether it returns), in order."""
        events = [(call, i, False) for i, call in enumerate(self.calls)]
        events.extend((end, i, True) for i, end in enumerate(self.ends) if end != NEVER)
        events.sort()
        return events

    def _last_interest(self) -> dict[Any, int]:
        """Return for each value the last return of an operation that must find it."""
        interest: dict[Any, int] = {}
        moves = self.moves
        anything = OTHER in moves.kind
        for i, kind in enumerate(moves.kind):
            if anything and kind in (WRITE, SWAP):
                interest[moves.new[i]] = NEVER
            if kind in (READ, SWAP):
                old, end = moves.old[i], self.ends[i]
                if end > interest.get(old, -1):
                    interest[old] = end
        if anything:
            interest[moves.initial] = NEVER
        return interest

    def _call(self, i: int) -> None:
        bit = self._open.call(i)
        kind, old, new = self.moves.kind[i], self.moves.old[i], self.moves.new[i]
        if bit == 0 or kind == SWAP:
            return
        kept = self._configurations
        if kind == READ:  # placed where its value holds
            kept = [(v, d | bit if v == old else d, u, f, t) for v, d, u, f, t in kept]
        elif kind == WRITE:  # free where its value holds
            kept = [(v, d, u, f | bit if v == new else f, t) for v, d, u, f, t in kept]
        else:
            kept = [(v, d if v == old else d | bit, u, f, t) for v, d, u, f, t in kept]
        self._configurations = kept

    def _return(self, i: int, now: int) -> bool:
        """Keep the configurations in which `i` was placed; say whether any are left."""
        kind, old, new = self.moves.kind[i], self.moves.old[i], self.moves.new[i]
        bit = self._open.bits[i]
        kept: list[Configuration] = []
        for configuration in self._configurations:
            value, done, used, free, trail = configuration
            if done & bit:
                kept.append((value, done & ~bit, used, free & ~bit, trail))
                continue
            if free & bit and (value == new or self._can_return(new, done | bit, used, now)):
                kept.append((value, done, used, free & ~bit, trail))
                if self._interest.get(new, -1) <= now:
                    continue
            self._extend(configuration, i, bit, now, kept)
        self._open.close(i)
        if kind in (READ, SWAP) and self._interest[old] <= now:
            kept = [(_UNSEEN, *c[1:]) if c[0] == old else c for c in kept]
        self._configurations = self._undominated(kept) if len(kept) > 1 else kept
        return bool(kept)

    def _arrive(self, value: Any, done: int) -> int:
        """Return `done` with every open operation that fits `value` and changes nothing."""
        done |= self._open.reads.get(value, 0)
        for bit, other in self._open.others.items():
            if other != value:
                done |= bit
        return done

    def _can_return(self, value: Any, done: int, used: int, now: int) -> bool:
        """May the value be left: is nobody left to find it, or somebody to write it in time?"""
        if self._interest.get(value, -1) <= now:
            return True
        opened = self._open
        if opened.makers.get(value, 0) & ~done or opened.late_makers.get(value, 0) & ~used:
            return True
        written = self._future.next_write(value, now)
        needed = self._future.first_need(value, now)
        for end, bit, _ in opened.swaps.get(value, ()):
            if end < needed and not done & bit:
                needed = end
        waiting = opened.reads.get(value, 0) & ~done
        if waiting:
            needed = min(needed, opened.first_end(waiting))
        if written <= needed:
            return True
        self._looked_ahead = max(self._looked_ahead, needed)
        return False

    def _freed(self, value: Any, free: int) -> int:
        """Return `free` with the open writes of `value`, which holds now."""
        for _, bit, _ in self._open.writes.get(value, ()):
            free |= bit
        return free

    def _extend(
        self, start: Configuration, target: int, bit: int, now: int, kept: list[Configuration]
    ) -> None:
        """Append every configuration that `start` leads to by placing `target` last."""
        kind, old, new = self.moves.kind[target], self.moves.old[target], self.moves.new[target]
        after = new if self._interest.get(new, -1) > now else _UNSEEN
        todo = [(start, True)]
        seen = {start[:4]}
        while todo:
            configuration, observed = todo.pop()
            value, done, used, free, trail = configuration
            self._count_step()
            if kind == WRITE:
                if observed and (value == new or self._can_return(value, done | bit, used, now)):
                    arrived, rest = self._arrive(after, done) & ~bit, self._open.blind & ~bit
                    kept.append((after, arrived, used, rest, (trail, target, now)))
            elif kind == SWAP:
                if value == old and self._can_return(value, done | bit, used, now):
                    arrived, freed = self._arrive(after, done) & ~bit, self._freed(after, free)
                    kept.append((after, arrived, used, freed, (trail, target, now)))
            elif done & bit:
                kept.append((value, done & ~bit, used, free, trail))
                continue
            for step, seen_now in self._steps_from(configuration, observed, target, now):
                mark = step[:4]
                if mark not in seen and self._can_return(value, step[1], step[2], now):
                    seen.add(mark)
                    todo.append((step, seen_now))

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps & 1023 == 0 and self._expired():
            raise GaveUp(f"out of time after {self._steps} configurations")
        if self._most_steps is not None and self._steps > self._most_steps:
            raise GaveUp(f"no answer within {self._most_steps} configurations")

    def _steps_from(
        self, configuration: Configuration, observed: bool, target: int, now: int
    ) -> Iterator[tuple[Configuration, bool]]:
        """Yield what one more operation leads to, and whether somebody saw its effect."""
        value, done, used, free, trail = configuration
        moves = self.moves
        tried: set[Any] = set()
        for _, bit, i in self._open.swaps.get(value, ()):
            new = moves.new[i]
            if i != target and not done & bit and new not in tried:
                tried.add(new)
                arrived = self._arrive(new, done | bit)
                yield (new, arrived, used, self._freed(new, free), (trail, i, now)), True
        for i in self._open.late_swaps.get(value, ()):
            new = moves.new[i]
            late = self._open.late_bits[i]
            if not used & late and new != value and new not in tried:
                tried.add(new)
                arrived = self._arrive(new, done)
                if arrived != done or self._wanted(new, target, done):
                    freed = self._freed(new, free)
                    yield (new, arrived, used | late, freed, (trail, i, now)), arrived != done
        if not observed:
            return
        for new in self._values_worth_writing(target, done):
            if new == value:
                continue
            found = self._writer(new, done, used, target)
            if found is not None:
                bit, late, i = found
                arrived = self._arrive(new, done | bit)
                step = (new, arrived, used | late, self._open.blind & ~arrived, (trail, i, now))
                yield step, arrived != done | bit

    def _wanted(self, value: Any, target: int, done: int) -> bool:
        """Would a write of `value` be seen by an operation still to be placed?"""
        moves = self.moves
        if moves.kind[target] in (READ, SWAP) and moves.old[target] == value:
            return True
        if any(not done & bit for _, bit, _ in self._open.swaps.get(value, ())):
            return True
        return value in self._open.late_swaps

    def _values_worth_writing(self, target: int, done: int) -> list[Any]:
        moves, opened = self.moves, self._open
        values = {v: None for v, mask in opened.reads.items() if mask & ~done}
        if moves.kind[target] in (READ, SWAP):
            values[moves.old[target]] = None
        values.update(dict.fromkeys(opened.swaps))
        values.update(dict.fromkeys(opened.late_swaps))
        if any(not done & bit for bit in opened.others):
            values.update(dict.fromkeys(opened.writes))
            values.update(dict.fromkeys(opened.late_writes))
        return list(values)

    def _writer(self, value: Any, done: int, used: int, target: int) -> tuple[int, int, int] | None:
        """Return the write of `value` to place: (its bit, its late bit, which)."""
        for _, bit, i in self._open.writes.get(value, ()):
            if not done & bit and i != target:
                return bit, 0, i
        for i in self._open.late_writes.get(value, ()):
            late = self._open.late_bits[i]
            if not used & late:
                return 0, late, i
        return None

    def _undominated(self, found: list[Configuration]) -> list[Configuration]:
        distinct = {c[:4]: c for c in found}
        groups: dict[Any, list[Configuration]] = {}
        for c in distinct.values():
            groups.setdefault(c[0], []).append(c)
        kept: list[Configuration] = []
        for group in groups.values():
            kept.extend(self._maximal(group) if len(group) > 1 else group)
        return kept

    def _maximal(self, group: list[Configuration]) -> list[Configuration]:
        """Return the configurations of one value that no other makes needless."""
        writes, swaps = self._open.blind, self._open.swap_mask()
        reads = ~(writes | swaps)
        # Fewest pending operations used, most reads placed first: those tend to dominate.
        group.sort(key=lambda c: (c[2].bit_count(), -(c[1] & reads).bit_count()))
        kept: list[Configuration] = []
        for c in group:
            done, used, free = c[1], c[2], c[3]
            settled = done & writes | free
            for k in kept:
                k_done = k[1]
                if (
                    not k[2] & ~used
                    and not (done & ~k_done) & reads
                    and not (done ^ k_done) & swaps
                    and not (k_done & ~done) & writes
                    and not settled & ~(k_done | k[3])
                ):
                    break
            else:
                kept.append(c)
        return kept
