"""Stacks into which no item goes twice, in O(n log n) by decrease and conquer (see `containers`).

An item whose insert and removal overlap can go in and out at one moment: it is taken away at once.
Among items that are certainly inside without a gap, one must be at the bottom: its insert may
precede every other insert there, and its removal follow every other removal.  Taking it away leaves
the others as they were, perhaps with gaps between them, which part them into groups.  A group in
which no item can be at the bottom is a contradiction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from comitia.history.container_orders import empty_moments
from comitia.history.containers import Contents, Item, full
from comitia.history.moves import Order
from comitia.history.operation import Operation


def stack(found: Contents) -> tuple[Any, ...] | None:
    """Return items (or a removal that found nothing, and items) that contradict each other."""
    items = sorted((x for x in found.items if x.in_end < x.out_call), key=lambda x: x.in_end)
    return _Bottoms(items).stuck() or full(found)


def stack_order(found: Contents) -> Order:
    """Return a linearization of a stack in which nothing is wrong."""
    items = sorted((x for x in found.items if x.in_end < x.out_call), key=lambda x: x.in_end)
    bottoms = _Bottoms(items)
    bottoms.stuck()
    points: list[tuple[float, int, int, Operation]] = []
    for depth, (bottom, opens, closes) in enumerate(bottoms.taken):
        item = items[bottom]
        points.append((opens, 0, depth, item.insert))
        if item.removal is not None:
            points.append((closes, 0, -depth, item.removal))
    for item in found.items:
        if item.in_end > item.out_call:
            at = max(item.in_call, item.out_call)
            points.extend((at, n, 0, operation) for n, operation in enumerate(item.operations))
    points.extend(empty_moments(found))
    points.sort(key=lambda point: point[:3])
    return [operation for *_, operation in points]


class _Bottoms:
    """Takes away bottom items, the earliest group first.  Items are known by their places."""

    def __init__(self, items: list[Item]) -> None:
        """`items` are in the order in which their inserts return."""
        self._items = items
        self._calls = sorted(range(len(items)), key=lambda i: -items[i].in_call)
        in_ends = [x.in_end for x in items]
        self._until = [bisect_left(in_ends, x.out_call) for x in items]
        self._cover = _Cover(len(items))
        for i, until in enumerate(self._until):
            self._cover.add(i + 1, until, 1)
        self._candidates = _Greatest([-1] * len(items))
        self._outs = _Greatest([x.out_call for x in items])
        self.taken: list[tuple[int, int, int]] = []
        """(bottom, first return of an insert, last call of a removal) of each group, in turn."""

    def stuck(self) -> tuple[Item, ...] | None:
        """Return a group of items of which none can be at the bottom, or None."""
        items = self._items
        groups = [(0, len(items))]
        while groups:
            low, high = groups.pop()
            if low == high:
                continue
            first = self._cover.first_zero(low, high)
            if first < 0:
                raise AssertionError("the first item of a group is covered by none of it")
            part = self._cover.first_zero(first + 1, high)
            if part >= 0:
                groups.append((part, high))
                high = part
            # Groups come in order, so a candidate of this one is a candidate for good.
            self._enter(items[first].in_end)
            out_end, bottom = self._candidates.best(first, high)
            self._outs.set(bottom, -1)
            if self._outs.best(first, high)[0] > out_end:
                self._outs.set(bottom, items[bottom].out_call)
                return tuple(items[i] for i in range(first, high) if self._outs.value(i) >= 0)
            closes = max(self._outs.best(first, high)[0], items[bottom].out_call)
            self.taken.append((bottom, items[first].in_end, closes))
            self._candidates.set(bottom, -1)
            self._cover.add(bottom + 1, self._until[bottom], -1)
            self._cover.remove(bottom)
            if self._outs.best(first, high)[0] >= 0:
                groups.append((first, high))
        return None

    def _enter(self, limit: int) -> None:
        """Make candidates of all items whose insert is called before `limit`."""
        while self._calls and self._items[self._calls[-1]].in_call < limit:
            i = self._calls.pop()
            self._candidates.set(i, self._items[i].out_end)


class _Greatest:
    """The greatest of a range of numbers, which may change: a segment tree."""

    def __init__(self, values: Sequence[int]) -> None:
        self._size = size = max(1, len(values))
        self._tree = [(-1, -1)] * size + [(value, i) for i, value in enumerate(values)]
        self._tree.extend([(-1, -1)] * (2 * size - len(self._tree)))
        for node in range(size - 1, 0, -1):
            self._tree[node] = max(self._tree[2 * node], self._tree[2 * node + 1])

    def value(self, i: int) -> int:
        """Return the number at `i`."""
        return self._tree[self._size + i][0]

    def set(self, i: int, value: int) -> None:
        """Change the number at `i`."""
        tree, node = self._tree, self._size + i
        tree[node] = value, i
        while node > 1:
            node >>= 1
            tree[node] = max(tree[2 * node], tree[2 * node + 1])

    def best(self, low: int, high: int) -> tuple[int, int]:
        """Return the greatest number in [low, high), and where it is."""
        found = -1, -1
        low, high = low + self._size, high + self._size
        while low < high:
            if low & 1:
                found = max(found, self._tree[low])
                low += 1
            if high & 1:
                high -= 1
                found = max(found, self._tree[high])
            low, high = low >> 1, high >> 1
        return found


_GONE = 1 << 60


class _Cover:
    """How many items cover each place: add to a range, find the first place covered by none."""

    def __init__(self, count: int) -> None:
        self._size = 1 << max(0, (count - 1).bit_length())
        self._least = [0] * (2 * self._size)
        self._added = [0] * (2 * self._size)
        for i in range(count, self._size):
            self.remove(i)

    def remove(self, i: int) -> None:
        """Never find this place again."""
        self.add(i, i + 1, _GONE)

    def add(self, low: int, high: int, amount: int) -> None:
        """Add `amount` to every place in [low, high)."""
        if low >= high:
            return
        least, added = self._least, self._added
        first, last = low + self._size, high - 1 + self._size
        left, right = first, last + 1
        while left < right:
            if left & 1:
                least[left] += amount
                added[left] += amount
                left += 1
            if right & 1:
                right -= 1
                least[right] += amount
                added[right] += amount
            left, right = left >> 1, right >> 1
        for node in (first, last):
            while node > 1:
                node >>= 1
                least[node] = min(least[2 * node], least[2 * node + 1]) + added[node]

    def first_zero(self, low: int, high: int) -> int:
        """Return the first place in [low, high) that nothing covers, or -1."""
        return self._find(1, 0, self._size, low, high, 0) if low < high else -1

    def _find(self, node: int, start: int, end: int, low: int, high: int, above: int) -> int:
        if end <= low or high <= start or self._least[node] + above > 0:
            return -1
        if end - start == 1:
            return start
        middle, above = (start + end) // 2, above + self._added[node]
        found = self._find(2 * node, start, middle, low, high, above)
        if found < 0:
            found = self._find(2 * node + 1, middle, end, low, high, above)
        return found
