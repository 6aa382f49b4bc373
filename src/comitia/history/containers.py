"""Queues, stacks and priority queues into which no item goes twice, in O(n log n).

The idea of decrease and conquer (Lee and Mathur, "Efficient decrease-and-conquer linearizability
monitoring", 2025): without an item the history of the others must be linearizable too, so look for
an item whose presence changes nothing else, take it away, and repeat.

An item is *certainly inside* from the return of its insert to the call of its removal.  Where no
item is certainly inside, the container may be empty: each item can be wholly before that moment or
wholly after.  Such moments are where a removal may have found nothing.

Operations that never returned: an insert counts once its item came out; a removal from a queue is
given to the item that needs it first, and from the others is taken not to have happened: where that
gives no explanation the general search decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sortedcontainers import SortedDict

from comitia.history.models import INSERTS, REMOVES
from comitia.history.moves import Order
from comitia.history.operation import UNKNOWN, Operation
from comitia.history.timeline import NEVER, ranks
from comitia.history.verdict import Contradiction
from comitia.history.window import minimal, why

STAYS = NEVER + 1
"""The rank at which the removal of an item that stays would be called, after everything."""


@dataclass(slots=True)
class Item:
    """One item: when it went in and came out, as ranks."""

    value: Any
    insert: Operation
    in_call: int
    in_end: int
    removal: Operation | None = None
    out_call: int = STAYS
    out_end: int = STAYS + 1

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Its insert and its removal."""
        return (self.insert,) if self.removal is None else (self.insert, self.removal)


@dataclass(slots=True)
class Contents:
    """A history by items."""

    items: list[Item]
    empties: list[tuple[int, int, Operation]]
    """(call, return, removal) of those that found nothing."""
    lost: list[tuple[int, Operation]]
    """(call, removal) of those that never returned, in order."""

    def only(self, chosen: Sequence[Item]) -> Contents:
        """Return the history of these items alone."""
        return Contents([replace(item) for item in chosen], [], self.lost)


def contents(operations: Sequence[Operation], key: Any) -> Contents | Contradiction | None:
    """Return the history by items; None when an item goes in twice or a function is unknown."""
    calls, ends = ranks(operations)
    items: dict[Any, Item] = {}
    empties: list[tuple[int, int, Operation]] = []
    removals: list[int] = []
    lost: list[tuple[int, Operation]] = []
    for i, operation in enumerate(operations):
        if operation.f in INSERTS:
            if operation.value in items or operation.value is None:
                return None
            items[operation.value] = Item(operation.value, operation, calls[i], ends[i])
        elif operation.f not in REMOVES:
            return None
        elif operation.output is UNKNOWN:
            lost.append((calls[i], operation))
        elif operation.output is None:
            empties.append((calls[i], ends[i], operation))
        else:
            removals.append(i)
    for i in removals:
        operation = operations[i]
        item = items.get(operation.output)
        if item is None:
            return Contradiction(key, (operation,), f"nobody inserted {operation.output}")
        if item.removal is not None:
            both = (item.removal, operation)
            return Contradiction(key, both, f"{item.value} went in once and came out twice")
        item.removal, item.out_call, item.out_end = operation, calls[i], ends[i]
        if item.out_end < item.in_call:
            return Contradiction(key, (operation,), f"{item.value} came out before it went in")
    happened = [x for x in items.values() if x.removal is not None or x.insert.end is not None]
    return Contents(happened, empties, sorted(lost, key=lambda x: x[0]))


Rule = Callable[[Contents], tuple[Any, ...] | None]
"""Returns items (or a removal that found nothing, and items) that contradict each other."""


class Covered:
    """A growing union of open intervals of ranks."""

    def __init__(self) -> None:
        self._ends: SortedDict[int, int] = SortedDict()

    def add(self, low: int, high: int) -> None:
        """Add the moments after `low` and before `high`."""
        ends = self._ends
        if low >= high:
            return
        at = ends.bisect_right(low) - 1
        if at >= 0 and ends.peekitem(at)[1] > low:
            low, last = ends.peekitem(at)
            high = max(high, last)
        while (at := ends.bisect_left(low)) < len(ends) and ends.peekitem(at)[0] < high:
            high = max(high, ends.popitem(at)[1])
        ends[low] = high

    def room(self, low: int) -> int:
        """Return the first rank from `low` on after which a moment is not covered."""
        at = self._ends.bisect_right(low) - 1
        return low if at < 0 else max(low, self._ends.peekitem(at)[1])

    def leaves_room(self, low: int, high: int) -> bool:
        """Is there a moment from `low` to `high` that is not covered?"""
        return self.room(low) < high


def inside(item: Item) -> tuple[int, int]:
    return item.in_end, item.out_call


_RULES = {
    "queue": "first in, first out",
    "stack": "last in, first out",
    "priority-queue": "the smallest goes out first",
}


def judge(
    name: str,
    rule: Rule,
    order: Callable[[Contents], Order],
    operations: Sequence[Operation],
    key: Any,
) -> Order | Contradiction | None:
    """Return an order, a contradiction, or None where the general search must decide."""
    found = contents(operations, key)
    if found is None or isinstance(found, Contradiction):
        return found
    wrong = rule(found)
    if wrong is None:
        return order(found)
    if found.lost and (name != "queue" or isinstance(wrong[0], Operation)):
        return None
    if all(isinstance(x, Item) for x in wrong):
        # Without an item the others keep their contradiction or had none without it.
        wrong = tuple(minimal(wrong, lambda some: rule(found.only(some)) is not None))
    core = [o for x in wrong for o in (x.operations if isinstance(x, Item) else (x,))]
    core = sorted(dict.fromkeys(core), key=lambda o: o.call)
    return Contradiction(key, tuple(core), f"{_RULES[name]}; {why(core)}")


def queue(found: Contents) -> tuple[Any, ...] | None:
    """Return items (and removals that found nothing) that contradict each other, or None.

    First in, first out: item a goes before b when its insert returns before the insert of b is
    called, or its removal before the removal of b.  Two that go before each other contradict, and
    a longer circle has a shorter one within (of two pairs of intervals in order, one crosses).
    """
    short = _hand_out(found)
    if short is not None:
        return short
    by_in_end = sorted(found.items, key=lambda x: x.in_end)
    latest: Item | None = None
    at = 0
    for item in sorted(found.items, key=lambda x: x.in_call):
        while at < len(by_in_end) and by_in_end[at].in_end < item.in_call:
            if latest is None or by_in_end[at].out_call > latest.out_call:
                latest = by_in_end[at]
            at += 1
        if latest is not None and item.out_end < latest.out_call:
            return latest, item
    return full(found)


def _hand_out(found: Contents) -> tuple[Item, ...] | None:
    """Give removals that never returned to the items that must be out first.

    An item that stays must be out before the first removal of a later one returns.  Return items
    for which there are too few, with those later ones.
    """
    if not found.lost:
        return None
    by_in_call = sorted(found.items, key=lambda x: x.in_call)
    needs: list[tuple[int, int, Item, Item]] = []
    first_out: Item | None = None
    for item in sorted(found.items, key=lambda x: -x.in_end):
        while by_in_call and by_in_call[-1].in_call > item.in_end:
            later = by_in_call.pop()
            if first_out is None or later.out_end < first_out.out_end:
                first_out = later
        if item.removal is None and first_out is not None and first_out.removal is not None:
            needs.append((first_out.out_end, item.in_call, item, first_out))
    needs.sort(key=lambda need: need[:2])
    for n, (deadline, _, item, _) in enumerate(needs):
        if n >= len(found.lost) or found.lost[n][0] >= deadline:
            return tuple(x for need in needs[: n + 1] for x in need[2:])
        (item.out_call, item.removal), item.out_end = found.lost[n], NEVER
    return None


def full(found: Contents) -> tuple[Any, ...] | None:
    """Return a removal that found nothing while items were certainly inside, and those."""
    covered = Covered()
    for item in found.items:
        covered.add(*inside(item))
    for call, end, operation in found.empties:
        if not covered.leaves_room(call, end):
            return (operation, *_cover(found.items, call, end))
    return None


def _cover(items: Sequence[Item], call: int, end: int) -> list[Item]:
    """Return few items of which one is certainly inside at every moment from `call` to `end`."""
    chosen: list[Item] = []
    at = call
    while at <= end:
        reach = max((x for x in items if x.in_end < at), key=lambda x: x.out_call)
        chosen.append(reach)
        at = reach.out_call
        if at <= call:
            raise AssertionError("the moments were covered")
    return chosen


def priority_queue(found: Contents) -> tuple[Any, ...] | None:
    """Return items that contradict each other, or None.

    The greatest item comes out only when nothing else is inside: its removal needs a moment at
    which no smaller one is certainly inside.  Then it can be taken away, and so on downwards; so
    upwards, every item needs a moment that the smaller ones leave.
    """
    covered = Covered()
    smaller: list[Item] = []
    for item in sorted(found.items, key=lambda x: x.value):
        if item.removal is not None:
            low = max(item.out_call, item.in_call)
            if not covered.leaves_room(low, item.out_end):
                return (item, *_cover(smaller, low, item.out_end))
        covered.add(*inside(item))
        smaller.append(item)
    return full(found)
