"""Linearizations of queues and priority queues in which nothing is wrong (see `containers`)."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heappop, heappush

from comitia.history.containers import STAYS, Contents, Covered, inside
from comitia.history.moves import Order
from comitia.history.operation import Operation

Point = tuple[float, int, int, Operation]
"""(moment, place and rank among those of the same moment, operation)."""


def _in_order(points: list[Point]) -> Order:
    points.sort(key=lambda point: point[:3])
    return [operation for *_, operation in points]


def empty_moments(found: Contents) -> list[Point]:
    """Return a moment for each removal that found nothing, between two ranks."""
    covered = Covered()
    for item in found.items:
        covered.add(*inside(item))
    return [(covered.room(call) + 0.5, 0, 0, operation) for call, _, operation in found.empties]


@dataclass(slots=True)
class _Place:
    in_call: float
    in_end: float
    out_call: float
    out_end: float
    operations: tuple[Operation, ...]
    taken: bool = False


def queue_order(found: Contents) -> Order:
    """First in, first out: repeat taking an item that nothing must go before.

    A removal that found nothing is an item of its own, in and out at one moment.
    """
    items = [
        _Place(
            x.in_call,
            min(x.in_end, x.out_end),
            max(x.out_call, x.in_call),
            x.out_end,
            x.operations,
        )
        for x in found.items
    ]
    items.extend(_Place(at, at, at, at, (removal,)) for at, _, _, removal in empty_moments(found))
    waiting = sorted(items, key=lambda x: -x.in_call)
    in_ends = sorted(items, key=lambda x: -x.in_end)
    ready: list[tuple[float, int, _Place]] = []
    points: list[Point] = []
    put = got = -1.0
    for place in range(len(items)):
        while in_ends[-1].taken:
            in_ends.pop()
        while waiting and waiting[-1].in_call <= in_ends[-1].in_end:
            item = waiting.pop()
            heappush(ready, (item.out_call, len(waiting), item))
        item = heappop(ready)[2]  # the first that may go out: if any may go next, this one may
        item.taken = True
        put = max(put, item.in_call)
        got = max(got, item.out_call, put)
        if item.in_call == item.out_end:
            points.append((got, place, 1, item.operations[0]))
            continue
        points.append((put, place, 0, item.operations[0]))
        points.extend((got, place, 1, removal) for removal in item.operations[1:])
    return _in_order(points)


def priority_order(found: Contents) -> Order:
    """The smallest first: from the greatest item down, each cuts the history where it goes out.

    A smaller item is wholly before the cut if it may be out by then, and wholly after it if not.
    """
    moments: list[float] = []
    covered = Covered()
    items = sorted(found.items, key=lambda x: x.value)
    for item in items:
        moments.append(covered.room(max(item.out_call, item.in_call)) + 0.5)
        covered.add(*inside(item))
    # At one moment removals go first, the smaller item before the greater.
    points = [(at, 0, len(items), removal) for at, _, _, removal in empty_moments(found)]
    cuts = sorted(at for at, *_ in points)
    for n in range(len(items) - 1, -1, -1):
        item, moment = items[n], moments[n]
        before = bisect_left(cuts, item.out_call)
        opens = max(item.in_call, cuts[before - 1] if before else -1)
        points.append((opens, 1, n, item.insert))
        if item.out_call < STAYS:
            assert item.removal is not None
            points.append((moment, 0, n, item.removal))
            insort(cuts, moment)
    return _in_order(points)
