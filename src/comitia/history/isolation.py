"""Were transactions isolated?  Cycles of dependencies between transactions on lists.

The idea of Elle (Kingsbury and Alvaro, "Elle: Inferring isolation anomalies from experimental
observations", 2020): transactions append unique items to lists and read whole lists.  The longest
read of a list shows the order of its versions, hence who followed whom:

- ww: one appended directly after the other;
- wr: one read what the other appended last;
- rw: one read the list as it was before the other appended.

A circle of these is an anomaly (Adya, "Weak consistency", 1999): G0 of ww alone; G1c of ww and wr;
G-single with exactly one rw; G2 with more.  With real time among the edges a history must be
strictly serializable.  Also found: reads of items that were aborted (G1a), of a transaction's
intermediate version (G1b), of what the transaction itself contradicts (internal), lists of which
neither begins the other (incompatible order), and items never appended (garbage) or twice there.

An operation is f = "txn" with value ((f, key, argument), ...), f being `append` or `r`; its output
is the same with the lists read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from comitia.history.graph import Edge, Graph
from comitia.history.operation import Event, EventError, Operation
from comitia.history.verdict import Contradiction, Part, Verdict, given

READS = frozenset({"r", "read"})
LEVELS = {
    "read-committed": ("ww", "wr"),
    "serializable": ("ww", "wr", "rw"),
    "strict-serializable": ("ww", "wr", "rw", "rt"),
}
"""Which dependencies must not run in a circle, by isolation level."""


@dataclass(slots=True)
class _Transaction:
    operation: Operation
    outcome: str
    """ok, fail or info."""

    def __str__(self) -> str:
        steps = self.operation.output if self.outcome == "ok" else self.operation.value
        inner = ", ".join(_step(step) for step in steps)
        return f"T{self.operation.call} ({inner})"


def _step(step: Any) -> str:
    f, key, value = step
    if f in READS:
        return f"read {key} {'?' if value is None else list(value)}"
    return f"append {value} to {key}"


def _transactions(events: Iterable[Event]) -> list[_Transaction]:
    found: list[_Transaction] = []
    open_calls: dict[Any, tuple[int, Event]] = {}

    def close(called: tuple[int, Event], end: int | None, event: Event | None) -> None:
        call, invoke = called
        outcome = "info" if event is None else event.type
        output = event.value if event is not None and outcome == "ok" else invoke.value
        operation = Operation(
            invoke.process,
            invoke.f,
            invoke.value,
            output,
            call,
            end if outcome == "ok" else None,
            None,
            invoke.time_ns,
            None if event is None else event.time_ns,
        )
        found.append(_Transaction(operation, outcome))

    for position, event in enumerate(events):
        if event.type == "invoke":
            if event.process in open_calls:
                raise EventError(position, f"process {event.process} is busy")
            open_calls[event.process] = position, event
        elif event.process in open_calls:
            close(open_calls.pop(event.process), position, event)
        elif event.type != "info":
            raise EventError(
                position, f"{event.type} of process {event.process}, which called nothing"
            )
    for called in open_calls.values():
        close(called, None, None)
    return found


def isolation(events: Iterable[Event], level: str = "serializable") -> Verdict:
    """Return whether the transactions of a history were isolated at this level of `LEVELS`."""
    checked = _Isolation(_transactions(events), LEVELS[level])
    found = next(iter(checked.anomalies()), None)
    history = tuple(t.operation for t in checked.transactions)
    if found is None:
        part = Part(None, True, "cycles", len(history))
    else:
        part = Part(None, False, "cycles", len(history), explain=given(found))
    return Verdict("lists", (part,), history, level)


def _among(kinds: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda why: why[0] in kinds


class _Unread:
    """The transactions whose append to a key nobody read: they come after all versions read.

    Each of those that read the last version precedes all of them but itself.  Nodes that stand for
    the first few and for the last few make that two edges each.
    """

    def __init__(self, parent: _Isolation, writers: list[int]) -> None:
        self._graph = parent.graph
        count = len(writers)
        self._first = [parent.node() for _ in writers]
        self._last = [parent.node() for _ in writers]
        self._place = {n: place for place, n in enumerate(writers)}
        for place, n in enumerate(writers):
            for nodes, beside in ((self._first, place - 1), (self._last, place + 1)):
                self._graph.add(nodes[place], n, _SILENT)
                if 0 <= beside < count:
                    self._graph.add(nodes[place], nodes[beside], _SILENT)

    def follow(self, n: int, why: Any) -> None:
        """All of them but `n` come after `n`."""
        place = self._place.get(n, len(self._first))
        if place > 0:
            self._graph.add(n, self._first[place - 1], why)
        if place + 1 < len(self._last):
            self._graph.add(n, self._last[place + 1], why)


_SILENT = ("", None, None)
"""The reason of an edge that only passes on another's."""


class _Isolation:
    def __init__(self, transactions: list[_Transaction], kinds: tuple[str, ...]) -> None:
        self.transactions, self._kinds = transactions, kinds
        self._writer: dict[tuple[Any, Any], int] = {}
        self._last_append: dict[tuple[int, Any], Any] = {}
        self._longest: dict[Any, tuple[Any, ...]] = {}
        self._longest_reader: dict[Any, int] = {}
        self.graph = Graph()
        self._nodes = len(transactions)

    def node(self) -> int:
        """Return a node that is no transaction."""
        self._nodes += 1
        return self._nodes - 1

    def anomalies(self) -> Iterator[Contradiction]:
        """Yield what is wrong, the plainest first."""
        yield from self._appends()
        yield from self._reads()
        self._depend()
        if "rt" in self._kinds:
            self._real_time()
        yield from self._circles()

    def _shown(self) -> Iterator[tuple[int, Any, tuple[Any, ...]]]:
        """Yield (transaction, key, list) of the first read of each key without what the
        transaction itself had appended: what it saw of the others."""
        for n, t in enumerate(self.transactions):
            if t.outcome != "ok":
                continue
            seen: set[Any] = set()
            own: dict[Any, int] = {}
            for f, key, value in t.operation.output:
                if f not in READS:
                    own[key] = own.get(key, 0) + 1
                elif key not in seen and value is not None:
                    seen.add(key)
                    yield n, key, tuple(value)[: max(0, len(value) - own.get(key, 0))]

    def _appends(self) -> Iterator[Contradiction]:
        for n, t in enumerate(self.transactions):
            for f, key, value in t.operation.value:
                if f in READS:
                    continue
                if (key, value) in self._writer:
                    other = self._writer[key, value]
                    yield self._wrong([other, n], f"both append {value} to {key}")
                self._writer[key, value] = n
                self._last_append[n, key] = value

    def _reads(self) -> Iterator[Contradiction]:
        for n, t in enumerate(self.transactions):
            if t.outcome == "ok":
                yield from self._internal(n, t)
        for n, key, shown in self._shown():
            longest = self._longest.get(key, ())
            if len(shown) > len(longest) or key not in self._longest:
                self._longest[key], self._longest_reader[key] = shown, n
        for n, key, shown in self._shown():
            longest, reader = self._longest[key], self._longest_reader[key]
            if shown != longest[: len(shown)]:
                yield self._wrong([n, reader], f"incompatible order: two orders of {key}")
            if reader == n and len(set(shown)) < len(shown):
                yield self._wrong([n], f"duplicate: an item of {key} shows twice")
        for key, longest in self._longest.items():
            yield from self._versions(key, longest)
        for n, key, shown in self._shown():
            writer = self._writer.get((key, shown[-1]), -1) if shown else -1
            if writer >= 0 and self._last_append[writer, key] != shown[-1]:
                why = f"G1b, intermediate read: {shown[-1]} was not the last that was appended"
                yield self._wrong([writer, n], f"{why} to {key}")

    def _internal(self, n: int, t: _Transaction) -> Iterator[Contradiction]:
        """What a transaction reads must agree with what it read and appended before."""
        known: dict[Any, tuple[Any, ...]] = {}
        appended: dict[Any, tuple[Any, ...]] = {}
        for f, key, value in t.operation.output:
            if f not in READS:
                appended[key] = (*appended.get(key, ()), value)
                if key in known:
                    known[key] = (*known[key], value)
            elif value is not None:
                shown, own = tuple(value), appended.get(key, ())
                ends_right = shown[max(0, len(shown) - len(own)) :] == own
                if not (shown == known[key] if key in known else ends_right):
                    yield self._wrong([n], f"internal: it contradicts itself about {key}")
                known[key] = shown

    def _versions(self, key: Any, longest: tuple[Any, ...]) -> Iterator[Contradiction]:
        reader = self._longest_reader[key]
        for item in longest:
            writer = self._writer.get((key, item))
            if writer is None:
                yield self._wrong([reader], f"garbage: nobody appended {item} to {key}")
            elif self.transactions[writer].outcome == "fail":
                why = f"G1a, aborted read: {item} of {key} was aborted, and read"
                yield self._wrong([writer, reader], why)

    def _depend(self) -> None:
        """Add the edges ww, wr and rw."""
        add = self.graph.add
        unread: dict[Any, list[int]] = {}
        seen = {(key, item) for key, longest in self._longest.items() for item in longest}
        for (key, item), n in self._writer.items():
            if (key, item) not in seen and self.transactions[n].outcome == "ok":
                unread.setdefault(key, []).append(n)
        after = {key: _Unread(self, list(dict.fromkeys(n))) for key, n in unread.items()}
        for key, longest in self._longest.items():
            writers = [self._writer.get((key, item), -1) for item in longest]
            for one, two, item in zip(writers, writers[1:], longest[1:], strict=False):
                add(one, two, ("ww", key, item))
            if writers and key in after:
                after[key].follow(writers[-1], ("ww", key, None))
        for n, key, shown in self._shown():
            longest = self._longest[key]
            if shown:
                add(self._writer[key, shown[-1]], n, ("wr", key, shown[-1]))
            if len(shown) < len(longest):
                item = longest[len(shown)]
                add(n, self._writer[key, item], ("rw", key, item))
            elif key in after:
                after[key].follow(n, ("rw", key, None))

    def _real_time(self) -> None:
        """Add edges from what returned to what was called later, through a chain of barriers."""
        moments: list[tuple[int, bool, int]] = []
        for n, t in enumerate(self.transactions):
            if t.outcome != "fail":
                moments.append((t.operation.call, False, n))
                if t.operation.end is not None:
                    moments.append((t.operation.end, True, n))
        barrier, returned = self._nodes, False
        for _, is_return, n in sorted(moments):
            if is_return:
                self.graph.add(n, barrier + 1, ("rt", None, None))
                returned = True
                continue
            if returned:
                self.graph.add(barrier, barrier + 1, _SILENT)
                barrier, returned = barrier + 1, False
            self.graph.add(barrier, n, _SILENT)
        self._nodes = barrier + 2

    def _circles(self) -> Iterator[Contradiction]:
        plain = tuple(k for k in self._kinds if k != "rt")
        upto = [("", *plain[: n + 1]) for n in range(len(plain))]
        if "rt" in self._kinds:
            upto.extend([(*kept, "rt") for kept in upto])
        for kept in upto:
            for component in self.graph.components(_among(kept)):
                yield self._name(component, kept)

    def _name(self, component: list[int], kept: tuple[str, ...]) -> Contradiction:
        graph = self.graph
        late = " in real time" if "rt" in kept else ""
        if "rw" in kept:
            single = self._single(component, tuple(k for k in kept if k != "rw"))
            if single is not None:
                return self._told(f"G-single, read skew{late}", single)
            circle = graph.circle(component, _among(kept))
            return self._told(f"G2, anti-dependency cycle{late}", circle)
        circle = graph.circle(component, _among(kept))
        if "wr" in kept:
            return self._told(f"G1c, circular information flow{late}", circle)
        return self._told(f"G0, write cycle{late}", circle)

    def _single(self, component: list[int], others: tuple[str, ...]) -> list[Edge] | None:
        """Return a circle with exactly one rw, if there is one."""
        inside = set(component)
        for node in component:
            for to, why in self.graph.edges.get(node, {}).items():
                if to in inside and why[0] == "rw":
                    back = self.graph.path(to, node, component, _among(others))
                    if back is not None:
                        return [(node, to, why), *back]
        return None

    def _told(self, name: str, circle: list[Edge]) -> Contradiction:
        count = len(self.transactions)
        start = next(n for n, (source, _, _) in enumerate(circle) if source < count)
        circle = circle[start:] + circle[:start]
        lines: list[str] = []
        nodes: list[int] = []
        source, why = circle[0][0], None
        for _, target, reason in circle:
            why = why or (reason if reason[0] else None)
            if target < count:
                nodes.append(target)
                lines.append(self._edge(source, target, why or ("rt", None, None)))
                source, why = target, None
        return self._wrong(nodes, f"{name}; " + "; ".join(lines))

    def _edge(self, source: int, target: int, why: Any) -> str:
        one, two = (f"T{self.transactions[n].operation.call}" for n in (source, target))
        kind, key, item = why
        what = "something nobody read" if item is None else str(item)
        if kind == "ww":
            return f"{two} appended {what} to {key} after what {one} appended"
        if kind == "wr":
            return f"{two} read {what} of {key}, which {one} appended"
        if kind == "rw":
            return f"{one} read {key} before {two} appended {what}"
        return f"{one} returned before {two} was called"

    def _wrong(self, which: list[int], why: str) -> Contradiction:
        chosen = [self.transactions[n] for n in dict.fromkeys(which)]
        told = "; ".join([why, *(str(t) for t in chosen)])
        operations = sorted((t.operation for t in chosen), key=lambda o: o.call)
        return Contradiction(None, tuple(operations), told)
