"""A persistent sequence with positions: append at the tail in O(1), share everything else.

A `Log` is a value: `append` and the cuts return a new one.  Versions of one log share a backing
list.  The version that ends where the backing list ends may grow it in place, since no other
version looks past its own end; any other version copies first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Log(Generic[T]):
    """Items at positions `first` to `last`; empty when `last == first - 1`."""

    __slots__ = ("_backing", "_hash", "_offset", "first", "last")

    first: int
    last: int

    def __init__(self, items: Iterable[T] = (), first: int = 1) -> None:
        self._backing = list(items)
        self._offset = first  # the position of _backing[0]
        self._hash: int | None = None
        self.first = first
        self.last = first + len(self._backing) - 1

    def _version(self, backing: list[T], offset: int, first: int, last: int) -> Log[T]:
        log: Log[T] = object.__new__(Log)
        log._backing, log._offset, log._hash = backing, offset, None
        log.first, log.last = first, last
        return log

    def append(self, items: Iterable[T]) -> Log[T]:
        """Return this log with `items` after its last."""
        backing, offset = self._backing, self._offset
        if offset + len(backing) != self.last + 1:  # another version has grown past our end
            backing, offset = list(self), self.first
        before = len(backing)
        backing.extend(items)
        return self._version(backing, offset, self.first, self.last + len(backing) - before)

    def cut_after(self, position: int) -> Log[T]:
        """Return this log without anything after `position`."""
        assert self.first - 1 <= position <= self.last, (self.first, position, self.last)
        return self._version(self._backing, self._offset, self.first, position)

    def cut_before(self, position: int) -> Log[T]:
        """Return this log without anything before `position`; what was cut may be freed."""
        assert self.first <= position <= self.last + 1, (self.first, position, self.last)
        return Log(self.slice(position, self.last), position)

    def slice(self, low: int, high: int) -> tuple[T, ...]:
        """Return the items at positions `low` to `high`, both included."""
        assert self.first <= low and high <= self.last, (self.first, low, high, self.last)
        return tuple(self._backing[low - self._offset : high + 1 - self._offset])

    def fitting(self, first: int, size: Callable[[T], int], limit: int) -> tuple[int, int]:
        """Return the last of the items from `first` on that fit into `limit`, and their size.

        At least the item at `first`, which is in the log, however large it is.
        """
        last, total = first, size(self[first])
        while last < self.last:
            more = size(self._backing[last + 1 - self._offset])
            if total + more > limit:
                break
            last, total = last + 1, total + more
        return last, total

    def trailing(self, last: int, most: int, size: Callable[[T], int], limit: int) -> int:
        """Return where the items begin that may be kept up to `last`: at most `most` of them, which
        fit into `limit`; `last + 1` when there are none.
        """
        first, total = last + 1, 0
        lowest = max(self.first, first - most)
        while first > lowest:
            total += size(self._backing[first - 1 - self._offset])
            if total > limit:
                break
            first -= 1
        return first

    def shared_until(self, other: Log[T]) -> int:
        """Return the last position up to which both hold the same items, or `first - 1` of the
        later start when they share none.  O(1) when one was made from the other by appending.
        """
        first, last = max(self.first, other.first), min(self.last, other.last)
        if self._backing is other._backing and self._offset == other._offset:
            return max(last, first - 1)
        for position in range(first, last + 1):
            mine = self._backing[position - self._offset]
            yours = other._backing[position - other._offset]
            if mine is not yours and mine != yours:
                return position - 1
        return max(last, first - 1)

    def __getitem__(self, position: int) -> T:
        if not self.first <= position <= self.last:
            raise IndexError(f"position {position} of a log from {self.first} to {self.last}")
        return self._backing[position - self._offset]

    def __len__(self) -> int:
        return self.last + 1 - self.first

    def __iter__(self) -> Iterator[T]:
        return iter(self.slice(self.first, self.last))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Log):
            return NotImplemented
        return (
            self.first == other.first
            and self.last == other.last
            and (len(self) == 0 or self.shared_until(other) == self.last)
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.first, *self))
        return self._hash

    def __repr__(self) -> str:
        return f"Log({list(self)!r}, first={self.first})"
