"""Logs and appended values as registers.

When every appended item is different, a read pins down the appends it shows: an append seen in a
value is the one change from the value before it to that value, which for a register is a
compare-and-set.  An append that no read shows leaves a value that nobody ever sees, until a put
replaces it: for a register a blind write of a value of its own.  So a log, or a store with append,
becomes a register whose written values are all different, which `zones` decides in O(n log n).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from comitia.history.models import READS, WRITES
from comitia.history.moves import READ, SWAP, WRITE, Moves
from comitia.history.operation import UNKNOWN, Operation
from comitia.history.verdict import Contradiction


class _Unseen:
    """The value that an append left and no read showed; equal to itself only."""

    __slots__ = ()


def log(operations: Sequence[Operation], key: Any) -> Moves | Contradiction | None:
    """Return a log's operations as moves on its length; None when items are not all different."""
    appends: dict[Any, Operation] = {}
    reads: list[Operation] = []
    for operation in operations:
        if operation.f == "append":
            if operation.value in appends:
                return None
            appends[operation.value] = operation
        elif operation.f in READS:
            if operation.output is not UNKNOWN:
                reads.append(operation)
        else:
            return None
    longest = max(reads, key=lambda o: len(o.output or ()), default=None)
    items = tuple(longest.output or ()) if longest is not None else ()
    moves = Moves(0)
    for read in reads:
        shown = tuple(read.output or ())
        if shown != items[: len(shown)]:
            assert longest is not None
            return Contradiction(key, (read, longest), "neither list is the beginning of the other")
        moves.add(read, READ, len(shown))
    place = {item: n for n, item in enumerate(items)}
    if longest is not None and (len(place) < len(items) or not place.keys() <= appends.keys()):
        return Contradiction(key, (longest,), _strange(items, appends))
    for item, append in appends.items():
        if item in place:
            moves.add(append, SWAP, place[item], place[item] + 1)
        elif append.end is not None:
            moves.add(append, WRITE, None, _Unseen())
    return _out_of_order(appends, reads, place, longest, key) or moves


def _out_of_order(
    appends: dict[Any, Operation],
    reads: list[Operation],
    place: dict[Any, int],
    longest: Operation | None,
    key: Any,
) -> Contradiction | None:
    """Return two operations whose order in time is not that of the longest list.

    The list ranks all: an append after the reads that do not show it and before those that do; what
    it does not show came after it.
    """
    ranked = [(2 * len(read.output or ()), read) for read in reads]
    for item, append in appends.items():
        if item in place or append.end is not None:
            ranked.append((2 * place.get(item, len(appends)) + 1, append))
    ranked.sort(key=lambda pair: pair[0])
    latest: Operation | None = None
    for _, same in groupby(ranked, key=lambda pair: pair[0]):
        equals = [operation for _, operation in same]
        for late in equals:
            if latest is not None and late.end is not None and late.end < latest.call:
                return _reversed(latest, late, place, longest, key)
        latest = max((latest, *equals) if latest else equals, key=lambda o: o.call)
    return None


def _reversed(
    first: Operation, second: Operation, place: dict[Any, int], longest: Operation | None, key: Any
) -> Contradiction:
    """Explain that `second` returned before `first` was called, though `first` came first."""
    pair = (second, first)
    if second.f in READS:
        if first.f in READS:
            return Contradiction(key, pair, "the later read shows less than the one before it")
        why = f"{first.value} was read before {first} was called"
        return Contradiction(key, pair, why)
    before = f"{second} returned before {first} was called"
    if first.f in READS:
        return Contradiction(key, pair, f"{before}, which does not show {second.value}")
    assert longest is not None, "without a read nothing has a place"
    behind = f"before {second.value}" if second.value in place else f"and not {second.value}"
    return Contradiction(
        key, (*pair, longest), f"{before}, yet {longest} shows {first.value} {behind}"
    )


def _strange(items: tuple[Any, ...], appends: dict[Any, Operation]) -> str:
    for n, item in enumerate(items):
        if item not in appends:
            return f"nobody appended {item}"
        if item in items[:n]:
            return f"{item} was appended once and shows twice"
    raise AssertionError("every item was appended, and shows once")


def store(operations: Sequence[Operation], key: Any, initial: Any) -> Moves | Contradiction | None:
    """Return a key's gets, puts and appends as moves on its value.

    None when a value can be read in more than one way: appended items that are equal, or one that
    ends another, or a put of what an append could have made.
    """
    found = _Store(key, initial)
    if not found.gather(operations):
        return None
    for get in found.gets:
        wrong = found.resolve(get)
        if wrong is not None or found.ambiguous:
            return None if found.ambiguous else wrong
    moves = Moves(initial)
    for get in found.gets:
        moves.add(get, READ, found.shown(get))
    for put in found.put_operations:
        moves.add(put, WRITE, None, put.value if put.f in WRITES else initial)
    for item, append in found.appends.items():
        if item in found.pinned:
            moves.add(append, SWAP, *found.pinned[item])
        elif append.end is not None:
            moves.add(append, WRITE, None, _Unseen())
    return moves


class _Store:
    def __init__(self, key: Any, initial: Any) -> None:
        self.key, self.initial = key, initial
        self.appends: dict[Any, Operation] = {}
        self.gets: list[Operation] = []
        self.put_operations: list[Operation] = []
        self.puts: set[Any] = {initial}
        self.lengths: list[int] = []
        self.pinned: dict[Any, tuple[Any, Any]] = {}
        """Item -> (value before, value after) of its append."""
        self.reader: dict[Any, Operation] = {}
        """Item -> the get that pinned it."""
        self.resolved: set[Any] = set()
        self.ambiguous = False

    def gather(self, operations: Sequence[Operation]) -> bool:
        """Sort the operations; say whether all are known and all appended items different."""
        for operation in operations:
            f, value = operation.f, operation.value
            if f in READS:
                if operation.output is not UNKNOWN:
                    self.gets.append(operation)
            elif f in WRITES or f == "delete":
                self.put_operations.append(operation)
                self.puts.add(value if f in WRITES else self.initial)
            elif f == "append" and value and value not in self.appends:
                self.appends[value] = operation
            else:
                return False
        self.lengths = sorted({len(item) for item in self.appends})
        self.gets.sort(key=lambda o: len(self.shown(o)) if self.appends else 0)
        return True

    def shown(self, get: Operation) -> Any:
        """Return the value a get showed; nothing at all is the initial value."""
        return self.initial if get.output is None else get.output

    def resolve(self, get: Operation) -> Contradiction | None:
        """Find the appends that made the value of `get`, from its end to its beginning."""
        value = self.shown(get)
        while value not in self.resolved:
            self.resolved.add(value)
            ends = [
                value[-length:]
                for length in self.lengths
                if length <= len(value) and value[-length:] in self.appends
            ]
            if len(ends) + (value in self.puts) > 1:
                self.ambiguous = True
                return None
            if value in self.puts:
                return None
            if not ends:
                why = f"nobody put or appended what ends in {str(value)[-40:]!r}"
                return Contradiction(self.key, (get,), why)
            item = ends[0]
            before = value[: len(value) - len(item)]
            if self.pinned.setdefault(item, (before, value)) != (before, value):
                other = self.reader[item]
                why = f"{item!r} was appended once, and they show it after different values"
                return Contradiction(self.key, (other, get), why)
            self.reader[item] = get
            value = before
        return None
