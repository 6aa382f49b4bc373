"""A persistent map: changing one key of the newest version costs O(1), however many keys there are.

A `Table` is a value: `set` and `delete` return a new one.  Only the newest version of a table owns
the dictionary; an older one knows what it has to undo on the way from the next (Baker, "Shallow
binding makes functional arrays fast", 1991).  So what changed between a version and a later one is
found in O(changes), which is what a disk wants.  An older version that is read makes itself a
dictionary of its own first, in O(keys): meant for small tables in a model checker, and for
restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_ABSENT: Any = object()


class Table(Generic[K, V]):
    """Keys with values; keys are hashable and can be ordered, for iteration is in their order."""

    __slots__ = ("_hash", "_items", "_newer", "_size", "_undo")

    def __init__(self, items: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        self._items: dict[K, V] | None = dict(items)
        self._size = len(self._items)
        self._hash: int | None = None
        # An older version holds no items, but what `key` was before it became what `newer` says.
        self._newer: Table[K, V] | None = None
        self._undo: tuple[K, V] | None = None

    def _own(self) -> dict[K, V]:
        if self._items is None:
            undo, newest = self._until(None)
            assert newest is not None and newest._items is not None, "a chain ends at the newest"
            items = dict(newest._items)
            for key, was in undo.items():
                if was is _ABSENT:
                    items.pop(key, None)
                else:
                    items[key] = was
            self._items, self._newer, self._undo = items, None, None
        return self._items

    def _until(self, target: Table[K, V] | None) -> tuple[dict[K, V], Table[K, V] | None]:
        """Return what each key changed on the way to `target` was here, and where the way ended:
        at `target`, or at the newest version.
        """
        undo: dict[K, V] = {}
        version = self
        while version is not target and version._newer is not None:
            assert version._undo is not None
            key, was = version._undo
            undo.setdefault(key, was)  # the first change on the way tells what it was here
            version = version._newer
        return undo, version

    def _successor(self, key: K, was: V, now: V) -> Table[K, V]:
        items = self._own()
        newer: Table[K, V] = object.__new__(Table)
        newer._items, newer._newer, newer._undo = items, None, None
        newer._size, newer._hash = len(items), self._hash
        if newer._hash is not None:  # the hash of a set of pairs: two pairs change it
            newer._hash ^= _pair(key, was) ^ _pair(key, now)
        self._items, self._newer, self._undo = None, newer, (key, was)
        return newer

    def set(self, key: K, value: V) -> Table[K, V]:
        """Return this table with `value` under `key`."""
        items = self._own()
        was = items.get(key, _ABSENT)
        if was is value:
            return self
        items[key] = value
        return self._successor(key, was, value)

    def delete(self, key: K) -> Table[K, V]:
        """Return this table without `key`; itself when it has none."""
        items = self._own()
        if key not in items:
            return self
        was = items.pop(key)
        return self._successor(key, was, _ABSENT)

    def difference(self, old: Table[K, V]) -> tuple[tuple[K, ...], tuple[tuple[K, V], ...]]:
        """Return the keys that `old` has and this has not, and what is new here, in order of keys.

        O(changes) when this was made from `old` and is the newest version.
        """
        undo, end = old._until(self)
        if end is not self:  # a sibling, an older version or a stranger: compare everything
            undo = {**dict.fromkeys(self._own(), _ABSENT), **old._own()}
        mine = self._own()
        gone = tuple(k for k, was in undo.items() if was is not _ABSENT and k not in mine)
        new = {k: mine[k] for k, was in undo.items() if k in mine and not _same(was, mine[k])}
        return _ordered(gone), tuple((k, new[k]) for k in _ordered(new))

    def apply(self, gone: Iterable[K], new: Iterable[tuple[K, V]]) -> Table[K, V]:
        """Return this table after a `difference`."""
        table = self
        for key in gone:
            table = table.delete(key)
        for key, value in new:
            table = table.set(key, value)
        return table

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return what is under `key`, or `default`."""
        return self._own().get(key, default)

    def items(self) -> Iterator[tuple[K, V]]:
        """Yield keys and values, in order of keys."""
        items = self._own()
        return ((key, items[key]) for key in _ordered(items))

    def __getitem__(self, key: K) -> V:
        return self._own()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._own()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        return iter(_ordered(self._own()))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Table):
            return NotImplemented
        if self._size != other._size:
            return False
        if self._hash is not None and other._hash is not None and self._hash != other._hash:
            return False
        return self.difference(other) == ((), ())

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = 0
            for key, value in self._own().items():
                self._hash ^= _pair(key, value)
        return hash(self._hash)

    def __repr__(self) -> str:
        return f"Table({dict(self.items())!r})"


def _pair(key: Any, value: Any) -> int:
    return 0 if value is _ABSENT else hash((key, value))


def _same(one: Any, other: Any) -> bool:
    return one is other or one == other


def _ordered(keys: Iterable[K]) -> tuple[K, ...]:
    return tuple(sorted(keys))  # type: ignore[type-var]
