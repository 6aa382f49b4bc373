"""Registers with any values: just-in-time configurations, with dominance.

After Lowe, "Testing for linearizability" (2017): sweep the calls and returns in order and keep
every configuration that explains what returned so far; place an operation only when one returns.
What makes registers cheap is which configurations need not be kept (see also `dominance`):

1. An operation that changes nothing is placed as soon as the value fits.
2. A blind write may be placed unseen just before another blind write, or where its value holds
   already.  So a write is *free* once either happened after its call: it need not be seen, and
   hiding it never branches.
3. A blind write, or an operation that never returned, is placed early only if somebody sees it, or
   where it writes the value that holds, to hide others before it.
4. Of equal writes that overlap, the one that returns first goes first, and those that never
   returned go last, oldest first: exchanging equals changes nothing but deadlines.
5. A configuration is dropped when another explains at least as much with no more.
6. A value, and a write, that nobody can find any more is as good as any other such.
7. A configuration is dropped when it leaves a value, or hides a write of it, that somebody must
   still find and nobody can write again in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from comitia.history.dominance import UNSEEN, Configuration, Spare, forgetful, undominated
from comitia.history.future import Future
from comitia.history.moves import OTHER, READ, SWAP, WRITE, Moves, Order
from comitia.history.opened import Opened
from comitia.history.timeline import NEVER, ranks
from comitia.history.trail import unroll
from comitia.history.verdict import Expired, GaveUp, never

_BRANCHES: Final = 64
"""Configurations tried to place one operation, where not all ways are looked for."""

Stuck = tuple[int, int]
"""(rank at which no configuration was left, rank of the last return that was looked ahead to)."""


class Sweep:
    """One pass over the operations of one register."""

    def __init__(
        self, moves: Moves, expired: Expired = never, most_steps: int | None = None
    ) -> None:
        """Give up when `expired` says so, or after `most_steps` configurations."""
        self.moves, self._expired, self._most_steps = moves, expired, most_steps
        self.calls, self.ends = ranks(moves.operations)
        self._any_other = OTHER in moves.kind
        self._future = Future(moves, self.calls, self.ends)
        self._open = Opened(moves, self.calls, self.ends)
        self._steps = 0
        self._looked_ahead = -1
        self._begun = 0
        self._configurations: list[Configuration] = [(moves.initial, 0, 0, 0, None)]
        self._enough: int | None = None
        """Ways to place one operation after which no more are looked for; None: all of them."""
        self.cut = False
        """Was anything left out for that reason, or another that is not exact?"""

    def begin_anywhere(self, opened: int) -> None:
        """Start from every state that could be, with the first so many operations open.

        These are changes; all that is known of them is that they may still be needed.
        """
        for i in sorted(range(len(self.calls)), key=self.calls.__getitem__)[:opened]:
            self._call(i)
        values = dict.fromkeys(self.moves.old[i] for i in self._finders())
        free = self._open.blind
        self._begun = opened
        self._configurations = [(value, 0, 0, free, None) for value in (UNSEEN, *values)]

    def _finders(self) -> Iterator[int]:
        return (i for i, kind in enumerate(self.moves.kind) if kind in (READ, SWAP))

    def run(self) -> Order | Stuck:
        """Return a linearization, or where what returned cannot be explained.

        Raises GaveUp when time is up.
        """
        stuck = self.stuck()
        return self._linearization() if stuck is None else stuck

    def stuck(self) -> Stuck | None:
        """Return where what returned cannot be explained, if anywhere; raise GaveUp as `run`."""
        for rank, i, returns in self._events()[self._begun :]:
            if not returns:
                self._call(i)
            elif not self._return(i, rank):
                return rank, max(rank, self._looked_ahead)
        return None

    def _linearization(self) -> Order:
        return unroll(self.moves, self.calls, self.ends, self._configurations[0][4])

    def _events(self) -> list[tuple[int, int, bool]]:
        """Return (rank, operation, whether it returns), in order."""
        events = [(call, i, False) for i, call in enumerate(self.calls)]
        events.extend((end, i, True) for i, end in enumerate(self.ends) if end != NEVER)
        events.sort()
        return events

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
        new, bit = self.moves.new[i], self._open.bits[i]
        kept: list[Configuration] = []
        for configuration in self._configurations:
            value, done, used, free, trail = configuration
            if done & bit:
                kept.append((value, done & ~bit, used, free & ~bit, trail))
                continue
            if free & bit and (value == new or self._can_return(new, done | bit, used, now)):
                kept.append((value, done, used, free & ~bit, trail))
                if not self._findable(new, done, now):
                    continue
            self._extend(configuration, i, bit, now, kept)
        self._open.close(i)
        self._configurations = self._thinned(kept, now)
        return bool(kept)

    def _thinned(self, found: list[Configuration], now: int) -> list[Configuration]:
        """Return the configurations that no other makes needless."""
        if len(found) < 2:
            return found
        if self._any_other:  # a value may matter to those who must not find it
            return undominated(found, self._open, [])
        spare = Spare.at(now, self._open, self._future)
        return undominated(forgetful(found, spare), self._open, spare.changes)

    def _findable(self, value: Any, done: int, now: int) -> bool:
        """Could `value`, written now, still be found by anybody?"""
        opened, future = self._open, self._future
        return (
            self._any_other
            or value in opened.late_swaps
            or bool(opened.reads.get(value, 0) & ~done)
            or any(not bit & done for _, bit, _ in opened.swaps.get(value, ()))
            or future.next_need(value, now) < future.must_change(value, now)
        )

    def _arrive(self, value: Any, done: int) -> int:
        """Return `done` with every open operation that fits `value` and changes nothing."""
        done |= self._open.reads.get(value, 0)
        for bit, other in self._open.others.items():
            if other != value:
                done |= bit
        return done

    def _can_return(self, value: Any, done: int, used: int, now: int) -> bool:
        """May the value be left: is nobody left to find it, or somebody to write it in time?"""
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
        todo = deque([(start, True)])
        seen = {start[:4]}
        enough = None if self._enough is None else len(kept) + self._enough
        while todo:
            if enough is not None and (len(kept) >= enough or len(seen) > _BRANCHES):
                self.cut = True
                break
            configuration, observed = todo.popleft()
            value, done, used, free, trail = configuration
            self._count_step()
            if kind == WRITE:
                if observed and (value == new or self._can_return(value, done | bit, used, now)):
                    arrived, rest = self._arrive(new, done) & ~bit, self._open.blind & ~bit
                    kept.append((new, arrived, used, rest, (trail, target, now)))
            elif kind == SWAP:
                if value == old and self._can_return(value, done | bit, used, now):
                    arrived, freed = self._arrive(new, done) & ~bit, self._freed(new, free)
                    kept.append((new, arrived, used, freed, (trail, target, now)))
            elif done & bit:
                kept.append((value, done & ~bit, used, free, trail))
                continue
            for step, seen_now in self._steps_from(configuration, observed, target, now):
                mark = step[:4]
                stays = step[0] == value
                if mark not in seen and (stays or self._can_return(value, step[1], step[2], now)):
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
        unseen = self._open.blind & ~(done | free)
        for new in self._values_worth_writing(target, done):
            if new == value and not unseen:
                continue  # else writing the same value again hides others before it
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
