"""The smallest contradiction: which operations cannot all be true, whatever the others did.

To *relax* an operation is to forget that it returned: it may have taken effect at any time after
its call, or never, with any output; one that only observed is left out.  Relaxing makes a history
easier to explain, never harder.  So there are minimal sets of operations that no order explains
though all others are relaxed, and Junker's QuickXplain (2004) finds one with few checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from comitia.history.model import Model
from comitia.history.moves import OTHER, SWAP, WRITE, Moves
from comitia.history.operation import UNKNOWN, Operation
from comitia.history.search import Search
from comitia.history.sweep import Stuck, Sweep
from comitia.history.timeline import ranks
from comitia.history.verdict import Contradiction, Expired, GaveUp

T = TypeVar("T")

_FIRST_WINDOW = 8
_FIRST_EVENTS = 64
_STEPS = 20_000
"""A check that takes more configurations than this shows nothing."""
_LOOKS = 40
"""A check that helps to shrink may look at the clock this often; then the operation stays."""


def minimal(items: Sequence[T], broken: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a minimal part of `items` that is still broken, given that all of them are.

    Whatever contains something broken must be broken.
    """

    def explain(background: list[T], fresh: bool, rest: Sequence[T]) -> list[T]:
        if fresh and broken(background):
            return []
        if len(rest) == 1:
            return list(rest)
        half = len(rest) // 2
        left, right = rest[:half], rest[half:]
        second = explain([*background, *left], True, right)
        first = explain([*background, *second], bool(second), left)
        return first + second

    return explain([], False, items) if items else []


def narrowed(items: Sequence[T], broken: Callable[[Sequence[T]], bool]) -> list[T]:
    """As `minimal`, trying the last few items first, then four times as many, and so on."""
    width = _FIRST_WINDOW
    while width < len(items) and not broken(items[-width:]):
        width *= 4
    if width >= len(items) and not broken(items):
        return list(items)  # too hard to check again: nothing smaller is known
    return minimal(items[-width:], broken)


def of_register(moves: Moves, stuck: Stuck, key: Any) -> Contradiction:
    """Return the contradiction near the moment where a sweep got stuck."""
    operations = moves.operations
    window = Window(moves, stuck, _FIRST_EVENTS)
    while not window.whole and not window.broken(window.items):
        window = Window(moves, stuck, 4 * window.events)
    chosen = narrowed(window.items, window.broken)
    core = sorted((operations[i] for i in chosen), key=lambda o: o.call)
    values = {moves.old[i] for i in chosen if moves.kind[i] != WRITE}
    writers = [
        operations[i]
        for i, kind in enumerate(moves.kind)
        if kind in (WRITE, SWAP) and moves.new[i] in values and i not in chosen
    ]
    last = max(o.end or o.call for o in core)
    near = sorted((o for o in writers if o.call <= last), key=lambda o: o.call)
    return Contradiction(key, tuple(core), why(core), tuple(near[-4:]))


def tightened(moves: Moves, found: Contradiction) -> Contradiction:
    """Return the contradiction without operations that it can do without."""
    core = set(found.operations)
    chosen = [i for i, o in enumerate(moves.operations) if o in core]
    if len(chosen) == 1 or not _broken(moves, chosen):
        return found
    needed = {moves.operations[i] for i in minimal(chosen, partial(_broken, moves))}
    spared = tuple(o for o in found.operations if o not in needed)
    kept = tuple(o for o in found.operations if o in needed)
    return replace(found, operations=kept, context=(*found.context, *spared))


def contradicts(moves: Moves, stuck: Stuck, events: int) -> bool:
    """Do the last so many calls and returns before this moment contradict each other?"""
    window = Window(moves, stuck, events)
    return window.broken(window.items)


class Window:
    """The operations near a moment, with nothing assumed of what came before or comes later.

    A change called before the window only may have happened, unless it is a blind write that
    returns within; the window may begin from any state; what returns after it only may have
    happened too.  So where operations of a window have no order, the history has none.
    """

    def __init__(self, moves: Moves, stuck: Stuck, events: int) -> None:
        """`events`: how many calls and returns before the moment `stuck` the window begins."""
        self.events = events
        self._moves = moves
        calls, ends = ranks(moves.operations)
        self._call = calls.__getitem__
        moment, horizon = stuck
        self._begin = moment - events
        self.whole = self._begin <= 0
        """Is nothing before it?"""
        self.items: list[int] = []
        """Operations that return within the window, the nearest to the moment last."""
        self._soft: list[int] = []
        """Other changes, which may have happened."""
        for i, (call, end) in enumerate(zip(calls, ends, strict=True)):
            if call > horizon or end < self._begin:
                continue
            before = call < self._begin
            if end <= horizon and (not before or moves.kind[i] == WRITE):
                self.items.append(i)
            elif moves.kind[i] in (WRITE, SWAP):
                self._soft.append(i)
        self.items.sort(key=lambda i: (-abs(ends[i] - moment), ends[i]))

    def broken(self, hard: Sequence[int]) -> bool:
        """Is there certainly no order for these items, with the others relaxed?"""
        chosen = set(hard)
        spared = [i for i in self.items if i not in chosen]
        pending = _that_matter(self._moves, hard, sorted((*self._soft, *spared), key=self._call))
        less = self._moves.only(hard)
        _add_relaxed(less, self._moves, pending)
        sweep = Sweep(less, most_steps=_STEPS)
        if not self.whole:
            sweep.begin_anywhere(sum(self._call(i) < self._begin for i in (*hard, *pending)))
        try:
            return sweep.stuck() is not None
        except GaveUp:
            return False


def _broken(moves: Moves, hard: Sequence[int]) -> bool:
    """Is there certainly no order for `hard`, with the others relaxed?"""
    less = moves.only(hard)
    kept = set(hard)
    everything = sorted(range(len(moves.operations)), key=lambda i: moves.operations[i].call)
    others = [i for i in everything if i not in kept]
    _add_relaxed(less, moves, _that_matter(moves, hard, others))
    try:
        return Sweep(less, most_steps=_STEPS).stuck() is not None
    except GaveUp:
        return False


def _add_relaxed(less: Moves, moves: Moves, which: Iterable[int]) -> None:
    for i in which:
        less.add(relaxed(moves.operations[i]), moves.kind[i], moves.old[i], moves.new[i])


def _that_matter(moves: Moves, hard: Sequence[int], others: Iterable[int]) -> list[int]:
    """Return those of the others whose changes could matter to `hard` when relaxed.

    Between two hard operations no sequence of relaxed ones needs two equal changes, so as many
    equal ones as there are hard ones are enough, the oldest; and only changes that lead to a value
    some hard operation must find matter.
    """
    matters = {moves.old[i] for i in hard if moves.kind[i] != WRITE}
    anything = any(moves.kind[i] == OTHER for i in hard)
    changes = [i for i in others if moves.kind[i] in (WRITE, SWAP)]
    swaps = [i for i in changes if moves.kind[i] == SWAP]
    grown = True
    while grown:
        size = len(matters)
        matters.update(moves.old[i] for i in swaps if moves.new[i] in matters)
        grown = len(matters) > size
    counts: dict[Any, int] = {}
    kept = []
    for i in changes:
        kind, old, new = moves.kind[i], moves.old[i], moves.new[i]
        if not anything and new not in matters:
            continue
        counts[kind, old, new] = counts.get((kind, old, new), 0) + 1
        if counts[kind, old, new] <= len(hard):
            kept.append(i)
    return kept


def relaxed(operation: Operation) -> Operation:
    """Return `operation` as if it had never returned."""
    if operation.end is None:
        return operation
    o = operation
    return Operation(o.process, o.f, o.value, UNKNOWN, o.call, None, o.key, o.call_ns, None)


def of_search(
    operations: Sequence[Operation], model: Model, key: Any, expired: Expired
) -> Contradiction:
    """Return a contradiction among operations that the general search cannot explain.

    What is too hard to check again within bounds stays, so the set may be larger than minimal.
    """
    initial = model.initial(key)

    def broken(hard: Sequence[Operation]) -> bool:
        kept = set(hard)
        history = [o if o in kept else relaxed(o) for o in operations]
        try:
            return Search(history, model, _bounded(expired)).explain(initial) is None
        except GaveUp:
            return False

    returned = sorted((o for o in operations if o.end is not None), key=lambda o: o.end or 0)
    low, high = 0, len(returned)
    while low < high:  # the shortest beginning that is broken
        middle = (low + high) // 2
        low, high = (low, middle) if broken(returned[:middle]) else (middle + 1, high)
    chosen = narrowed(returned[:low], broken)
    core = tuple(sorted(chosen, key=lambda o: o.call))
    return Contradiction(key, core, why(core))


def _bounded(expired: Expired) -> Expired:
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        return looks > _LOOKS or expired()

    return stop


def why(core: Sequence[Operation]) -> str:
    """Say in words what stands against what."""
    if len(core) == 1:
        (only,) = core
        return f"{only} [{only.process}]: nothing called before it returned explains that"
    lines: list[str] = []
    for later in core:
        before = [o for o in core if o.end is not None and o.end < later.call]
        nearest = [o for o in before if not any(p.call > (o.end or 0) for p in before)]
        lines.extend(
            f"{o} [{o.process}] returned before {later} [{later.process}] was called"
            for o in nearest
        )
    joined = "; ".join(lines) if lines else "all of them overlap"
    return f"no order of these {len(core)} explains what they returned; {joined}"
