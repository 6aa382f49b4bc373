"""Who watches which keys for a transaction, and whose keys were touched since."""

from __future__ import annotations

from collections.abc import Iterable

Watcher = tuple[int, bytes]
"""A member and the number of a client there."""
Row = tuple[int, bytes, bool, list[bytes]]


class Watches:
    """Part of the replicated state, so that replicas agree on which transactions fail."""

    def __init__(self) -> None:
        self.watchers: dict[bytes, list[Watcher]] = {}
        """By key; empty while nobody watches anything, which is what writers look at."""
        self._keys: dict[Watcher, list[bytes]] = {}
        self._touched: set[Watcher] = set()

    def watch(self, watcher: Watcher, keys: Iterable[bytes]) -> None:
        """`watcher` watches `keys`, besides those it watches already."""
        mine = self._keys.setdefault(watcher, [])
        for key in keys:
            if key not in mine:
                mine.append(key)
                self.watchers.setdefault(key, []).append(watcher)

    def touch(self, key: bytes) -> None:
        """`key` has changed."""
        self._touched.update(self.watchers.get(key, ()))

    def keys_of(self, watcher: Watcher) -> list[bytes]:
        """Return what `watcher` watches."""
        return self._keys.get(watcher, [])

    def unwatch(self, watcher: Watcher) -> bool:
        """`watcher` watches nothing any more; return whether nothing it watched was touched."""
        clean = watcher not in self._touched
        self._touched.discard(watcher)
        for key in self._keys.pop(watcher, []):
            self.watchers[key].remove(watcher)
            if not self.watchers[key]:
                del self.watchers[key]
        return clean

    def forget(self, origin: int) -> None:
        """The process of member `origin` has ended, and its clients' connections with it."""
        for watcher in [watcher for watcher in self._keys if watcher[0] == origin]:
            self.unwatch(watcher)

    def rows(self) -> list[Row]:
        """Return everything; equal replicas return equal rows."""
        return [
            (*watcher, watcher in self._touched, sorted(keys))
            for watcher, keys in sorted(self._keys.items())
        ]

    def restore(self, rows: Iterable[Row]) -> None:
        """Add what `rows` returned."""
        for origin, client, touched, keys in rows:
            self.watch((origin, client), keys)
            if touched:
                self._touched.add((origin, client))
