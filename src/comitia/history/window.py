"""The smallest contradiction: which operations cannot all be true, whatever the others did.

To *relax* an operation is to forget that it returned: it may have taken effect at any time after
its call, or never, with any output; one that only observed is left out.  Relaxing makes a history
easier to explain, never harder.  So there are minimal sets of operations that no order explains
though all others are relaxed, and Junker's QuickXplain (2004) finds one with few checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    before, returned = _nearest_last(moves, stuck)
    chosen = narrowed(returned, partial(_broken, moves, before))
    core = sorted((operations[i] for i in chosen), key=lambda o: o.call)
    values = {moves.old[i] for i in chosen if moves.kind[i] != WRITE}
    writers = tuple(
        operations[i]
        for i in before
        if moves.kind[i] in (WRITE, SWAP) and moves.new[i] in values and i not in chosen
    )
    return Contradiction(key, tuple(core), why(core), writers[-4:])


def tightened(moves: Moves, found: Contradiction) -> Contradiction:
    """Return the contradiction without operations that it can do without."""
    core = set(found.operations)
    chosen = [i for i, o in enumerate(moves.operations) if o in core]
    everything = range(len(moves.operations))
    if len(chosen) == 1 or not _broken(moves, everything, chosen):
        return found
    needed = {moves.operations[i] for i in minimal(chosen, partial(_broken, moves, everything))}
    spared = tuple(o for o in found.operations if o not in needed)
    kept = tuple(o for o in found.operations if o in needed)
    return replace(found, operations=kept, context=(*found.context, *spared))


def contradicts(moves: Moves, stuck: Stuck) -> bool:
    """Do a few operations near this moment contradict each other, whatever the others did?"""
    before, returned = _nearest_last(moves, stuck)
    return any(_broken(moves, before, returned[-width:]) for width in (8, 32, 128))


def _nearest_last(moves: Moves, stuck: Stuck) -> tuple[list[int], list[int]]:
    """Return what was called up to there, and what had returned, the nearest to it last."""
    calls, ends = ranks(moves.operations)
    moment, horizon = stuck
    before = [i for i, call in enumerate(calls) if call <= horizon]
    returned = [i for i in before if ends[i] <= horizon]
    returned.sort(key=lambda i: (-abs(ends[i] - moment), ends[i]))
    return before, returned


def _broken(moves: Moves, before: Sequence[int], hard: Sequence[int]) -> bool:
    """Is there certainly no order for `hard`, with the others relaxed?"""
    try:
        return not isinstance(Sweep(_relaxed(moves, hard, before), most_steps=_STEPS).run(), list)
    except GaveUp:
        return False


def _relaxed(moves: Moves, hard: Sequence[int], before: Sequence[int]) -> Moves:
    """Return the hard operations, and of the others those changes that could matter, relaxed.

    Between two hard operations no sequence of relaxed ones needs two equal changes, so as many
    equal ones as there are hard ones are enough, the oldest; and only changes that lead to a value
    some hard operation must find matter.
    """
    kept = set(hard)
    matters = {moves.old[i] for i in hard if moves.kind[i] != WRITE}
    anything = any(moves.kind[i] == OTHER for i in hard)
    changes = [i for i in before if i not in kept and moves.kind[i] in (WRITE, SWAP)]
    swaps = [i for i in changes if moves.kind[i] == SWAP]
    grown = True
    while grown:
        size = len(matters)
        matters.update(moves.old[i] for i in swaps if moves.new[i] in matters)
        grown = len(matters) > size
    counts: dict[Any, int] = {}
    less = moves.only(hard)
    for i in changes:
        kind, old, new = moves.kind[i], moves.old[i], moves.new[i]
        if not anything and new not in matters:
            continue
        counts[kind, old, new] = counts.get((kind, old, new), 0) + 1
        if counts[kind, old, new] <= len(hard):
            less.add(relaxed(moves.operations[i]), kind, old, new)
    return less


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
