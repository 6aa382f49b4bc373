"""Checking a history while it grows.

Whenever an object is quiescent (nobody waits for an answer about it), what happened to it since it
last was is judged, from every state the object could be in, and forgotten: only the states it can
be in now are kept, with the operations whose outcome is unknown, which may still take effect.  So
memory is bounded by the longest busy stretch, and not by the length of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comitia.history.model import Model
from comitia.history.operation import Event, EventError, Operation, operations
from comitia.history.search import Search
from comitia.history.verdict import Contradiction, Expired, GaveUp, Part, Verdict, given, never
from comitia.history.window import minimal, relaxed, why

State = tuple[Any, frozenset[Operation]]
"""(state, operations of unknown outcome that took effect on the way)."""


class _Object:
    """One independent object: what is possible now, and what happened since it was quiescent."""

    def __init__(self, initial: Any) -> None:
        self.states: set[State] = {(initial, frozenset())}
        self.lost: list[Operation] = []
        self.busy: list[Operation] = []
        self.waiting = 0
        self.count = 0
        self.ok: bool | None = True
        self.contradiction: Contradiction | None = None


class Online:
    """A checker that is fed events as they come."""

    def __init__(self, model: Model, expired: Expired = never) -> None:
        """`expired` limits each single search; after it said True an object is `unknown`."""
        self._model, self._expired = model, expired
        self._objects: dict[Any, _Object] = {}
        self._calls: dict[Any, tuple[int, Event]] = {}
        self._position = 0

    def feed(self, event: Event) -> Contradiction | None:
        """Take the next event; return a contradiction as soon as one is certain."""
        position, self._position = self._position, self._position + 1
        if event.type == "invoke":
            if event.process in self._calls:
                raise EventError(position, f"process {event.process} is busy")
            self._calls[event.process] = position, event
            self._object(event).waiting += 1
            return None
        called = self._calls.pop(event.process, None)
        if called is None:
            return None
        if event.type == "fail":
            return self._settle(called[1], [])
        pair = operations([called[1], event])
        call, end = called[0], None if event.type == "info" else position
        return self._settle(called[1], [_moved(o, call, end) for o in pair])

    def finish(self) -> Verdict:
        """Take what is still open as never returned; return the verdict."""
        for call, invoke in list(self._calls.values()):
            self._settle(invoke, [_moved(o, call, None) for o in operations([invoke])])
        self._calls.clear()
        parts = [
            Part(
                key,
                found.ok,
                "online",
                found.count,
                explain=None if found.contradiction is None else given(found.contradiction),
            )
            for key, found in self._objects.items()
        ]
        return Verdict(self._model.name, tuple(parts), ())

    @property
    def kept(self) -> int:
        """Operations and states held in memory now."""
        return sum(len(x.busy) + len(x.lost) + len(x.states) for x in self._objects.values())

    def _object(self, invoke: Event) -> _Object:
        key = self._model.part(operations([invoke])[0])
        if key not in self._objects:
            self._objects[key] = _Object(self._model.initial(key))
        return self._objects[key]

    def _settle(self, invoke: Event, new: list[Operation]) -> Contradiction | None:
        found = self._object(invoke)
        found.waiting -= 1
        found.count += len(new)
        if not found.ok:  # decided, or given up: nothing more is kept of it
            return None
        for operation in new:
            (found.lost if operation.end is None else found.busy).append(operation)
        if found.waiting or not found.busy:
            return None
        busy, found.busy = found.busy, []
        try:
            states = self._after(found, busy)
        except GaveUp:
            found.ok, found.states, found.lost = None, set(), []
            return None
        if states:
            found.states = states
            # What took effect in every possible past is done with.
            done = frozenset.intersection(*(used for _, used in states))
            if done:
                found.lost = [o for o in found.lost if o not in done]
                found.states = {(state, used - done) for state, used in states}
            return None
        found.ok = False
        found.contradiction = self._contradiction(found, busy, self._model.part(busy[0]))
        return found.contradiction

    def _after(self, found: _Object, busy: Sequence[Operation]) -> set[State]:
        """Return the states possible after `busy`, from those possible before."""
        search = Search([*found.lost, *busy], self._model, self._expired)
        bits = {operation: 1 << n for n, operation in enumerate(search.pending)}
        starts = [(state, sum(bits[o] for o in used)) for state, used in found.states]
        ends: set[State] = set()
        for state, mask in search.ends(starts):
            used = frozenset(o for o, bit in bits.items() if mask & bit)
            ends.add((state, used))
        return ends

    def _contradiction(self, found: _Object, busy: Sequence[Operation], key: Any) -> Contradiction:
        def broken(hard: Sequence[Operation]) -> bool:
            kept = set(hard)
            try:
                return not self._after(found, [o if o in kept else relaxed(o) for o in busy])
            except GaveUp:
                return False

        core = sorted(minimal(busy, broken), key=lambda o: o.call)
        return Contradiction(key, tuple(core), why(core))


def _moved(o: Operation, call: int, end: int | None) -> Operation:
    return Operation(o.process, o.f, o.value, o.output, call, end, o.key, o.call_ns, o.end_ns)
