"""Weaker than linearizable: sequential consistency, and what one client may expect of its session.

Sequential consistency (Lamport, 1979): one order explains all outputs and keeps each process's own.
It does not compose, so all keys are searched together; deciding it is hard in general, and the
search may answer `unknown`.

Session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994),
for registers whose written values are all different: is there an order of each key's versions, the
same for everybody, such that in every process
- monotonic reads: a read never shows an older version than an earlier read;
- read your writes: a read never shows an older version than an earlier write of the process;
- monotonic writes: versions follow the order in which a process wrote them;
- writes follow reads: what a process writes is newer than what it had read?
What was written shows only in reads, so the last two are asked of histories with monotonic reads,
and the second together with the third.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from comitia.history.graph import Graph
from comitia.history.model import IMPOSSIBLE, Model
from comitia.history.models import READS, WRITES
from comitia.history.operation import UNKNOWN, HistoryError, Operation
from comitia.history.verdict import Contradiction, Expired, GaveUp, Part, Verdict, given, never

ASSUMED = {
    "monotonic reads": (),
    "read your writes": ("monotonic writes",),
    "monotonic writes": ("monotonic reads",),
    "writes follow reads": ("monotonic reads",),
}
"""Each guarantee, and those without which it would not show."""


def sequential(
    operations: Iterable[Operation], model: Model, *, expired: Expired = never
) -> Verdict:
    """Return whether one order that keeps each process's own explains all outputs."""
    history = tuple(operations)
    count = len(history)
    try:
        order = _Programs(history, model, expired).explain()
    except GaveUp:
        part = Part(None, None, "programs", count)
    else:
        why = "no order that keeps each process's own explains all outputs"
        found = Contradiction(None, history, why)
        part = (
            Part(None, False, "programs", count, explain=given(found))
            if order is None
            else Part(None, True, "programs", count, tuple(order))
        )
    return Verdict(model.name, (part,), history, "sequentially consistent")


class _Programs:
    """A depth-first search over how far each process has come."""

    def __init__(self, history: tuple[Operation, ...], model: Model, expired: Expired) -> None:
        self._programs: list[list[Operation]] = []
        self._after: dict[int, tuple[int, int]] = {}
        """Program of one operation that never returned -> the program it follows, and how far.

        It may take effect after all that its process did later, or never.
        """
        own: dict[Any, int] = {}
        for operation in sorted(history, key=lambda o: o.call):
            p = own.setdefault(operation.process, len(self._programs))
            if p == len(self._programs):
                self._programs.append([])
            if operation.end is None:
                self._after[len(self._programs)] = p, len(self._programs[p])
                self._programs.append([operation])
            else:
                self._programs[p].append(operation)
        self._model, self._expired, self._looks = model, expired, 0
        keys = dict.fromkeys(model.part(o) for o in history)
        self._place = {key: n for n, key in enumerate(keys)}
        self._initial = tuple(model.initial(key) for key in keys)

    def explain(self) -> list[Operation] | None:
        """Return an order, or None."""
        start = (0,) * len(self._programs), self._initial
        seen = {start}
        path: list[Operation] = []
        frames = [self._choices(*start)]
        if self._done(start[0]):
            return path
        while frames:
            choice = next(frames[-1], None)
            if choice is None:
                frames.pop()
                if path:
                    path.pop()
                continue
            operation, configuration = choice
            if configuration in seen:
                continue
            seen.add(configuration)
            self._looks += 1
            if self._looks % 1024 == 0 and self._expired():
                raise GaveUp(f"out of time after {self._looks} configurations")
            path.append(operation)
            if self._done(configuration[0]):
                return path
            frames.append(self._choices(*configuration))
        return None

    def _done(self, at: tuple[int, ...]) -> bool:
        return all(
            n == len(program) or p in self._after
            for p, (n, program) in enumerate(zip(at, self._programs, strict=True))
        )

    def _choices(
        self, at: tuple[int, ...], states: tuple[Any, ...]
    ) -> Iterator[tuple[Operation, tuple[tuple[int, ...], tuple[Any, ...]]]]:
        """Yield what may come next: alone, an observer that fits; else the first called first."""
        found = []
        for p, program in enumerate(self._programs):
            before, least = self._after.get(p, (p, 0))
            if at[p] == len(program) or at[before] < least:
                continue
            operation = program[at[p]]
            place = self._place[self._model.part(operation)]
            input = self._model.input(operation)
            after = self._model.step(states[place], input, operation.output)
            if after is IMPOSSIBLE:
                continue
            further = (*at[:p], at[p] + 1, *at[p + 1 :])
            if self._model.observes(operation):
                yield operation, (further, states)
                return
            changed = (*states[:place], after, *states[place + 1 :])
            found.append((operation.call, p, operation, (further, changed)))
        found.sort(key=lambda choice: choice[:2])
        for *_, operation, configuration in found:
            yield operation, configuration


def sessions(operations: Iterable[Operation]) -> Verdict:
    """Return which session guarantees a register (or many, by key) gave."""
    history = tuple(operations)
    parts: dict[Any, list[Operation]] = {}
    for operation in history:
        parts.setdefault(operation.key, []).append(operation)
    judged = [
        _guarantee(key, part, guarantee) for key, part in parts.items() for guarantee in ASSUMED
    ]
    return Verdict("register", tuple(judged), history, "session guarantees")


_INITIAL = -1


def _guarantee(key: Any, operations: list[Operation], guarantee: str) -> Part:
    count = len(operations)
    assumed = ASSUMED[guarantee]
    before, strange = _versions(key, operations, assumed)
    if strange is not None:
        found = Contradiction(key, (strange,), f"nobody wrote what {strange} found")
        return Part(key, False, guarantee, count, explain=given(found))
    graph, _ = _versions(key, operations, (*assumed, guarantee))
    circles = graph.components(_any)
    if before.components(_any) or not circles:
        return Part(key, True, guarantee, count)
    circle = graph.circle(circles[0], _any)
    chosen = dict.fromkeys(o for *_, pair in circle for o in pair if o is not None)
    core = tuple(sorted(chosen, key=lambda o: o.call))
    what = "; ".join(f"{o} [{o.process}]" for o in core)
    why = f"no {guarantee}: no order of the versions suits these; {what}"
    return Part(key, False, guarantee, count, explain=given(Contradiction(key, core, why)))


def _any(why: Any) -> bool:
    return True


def _versions(
    key: Any, operations: list[Operation], guarantees: tuple[str, ...]
) -> tuple[Graph, Operation | None]:
    """Return what these guarantees say of the order of versions, or a read of what nobody wrote."""
    writers: dict[Any, int] = {}
    for n, o in enumerate(operations):
        value = _written(o)
        if value is not None:
            if value in writers:
                raise HistoryError(f"{value} is written twice to key {key}; values must differ")
            writers[value] = n
    graph = Graph()
    for n in writers.values():
        graph.add(_INITIAL, n, (None, operations[n]))
    processes: dict[Any, list[int]] = {}
    for n in sorted(range(len(operations)), key=lambda n: operations[n].call):
        processes.setdefault(operations[n].process, []).append(n)
    session = _Session(operations, writers, graph, len(operations))
    for program in processes.values():
        for guarantee in guarantees or ("monotonic writes",):
            strange = session.follow(program, guarantee)
            if strange is not None:
                return graph, strange
    return graph, None


def _written(o: Operation) -> Any:
    if o.f in WRITES:
        return o.value
    return o.value[1] if o.f == "cas" and o.output is not False else None


class _Session:
    """Adds to a graph of versions what one guarantee asks of each process."""

    def __init__(
        self, operations: list[Operation], writers: dict[Any, int], graph: Graph, fresh: int
    ) -> None:
        self._operations, self._writers, self._graph = operations, writers, graph
        self._fresh = fresh

    def follow(self, program: list[int], guarantee: str) -> Operation | None:
        """Add the edges of one process; return a read of what nobody wrote."""
        last: tuple[int, Operation] | None = None
        wrote: list[tuple[int, int, Operation]] = []
        """(version, node that all versions up to it precede, write)."""
        for n in program:
            o = self._operations[n]
            if o.f in READS and o.output is not UNKNOWN:
                version = _INITIAL if o.output is None else self._writers.get(o.output)
                if version is None:
                    return o
                if guarantee == "read your writes":
                    self._own(wrote, version, o)
                elif guarantee == "monotonic reads" and last is not None:
                    self._graph.add(last[0], version, (last[1], o))
                if guarantee == "writes follow reads":
                    wrote.append(self._join(wrote, version, o))
                last = version, o
            elif _written(o) is not None and o.end is not None:
                if guarantee == "monotonic writes":
                    if wrote:
                        self._graph.add(wrote[-1][0], n, (wrote[-1][2], o))
                    wrote.append((n, n, o))
                elif guarantee == "read your writes":
                    wrote.append(self._join(wrote, n, o))
                elif guarantee == "writes follow reads" and wrote:
                    self._graph.add(wrote[-1][1], n, (wrote[-1][2], o))
        return None

    def _join(
        self, before: list[tuple[int, int, Operation]], version: int, o: Operation
    ) -> tuple[int, int, Operation]:
        """Make a node that this version and all before it precede."""
        node, self._fresh = self._fresh, self._fresh + 1
        self._graph.add(version, node, (o, None))
        if before:
            self._graph.add(before[-1][1], node, (None, None))
        return version, node, o

    def _own(self, wrote: list[tuple[int, int, Operation]], version: int, read: Operation) -> None:
        """All that the process wrote precedes what it reads, but for that very version."""
        at = next((i for i in range(len(wrote) - 1, -1, -1) if wrote[i][0] == version), None)
        if at is None:
            if wrote:
                self._graph.add(wrote[-1][1], version, (wrote[-1][2], read))
            return
        if at:
            self._graph.add(wrote[at - 1][1], version, (wrote[at - 1][2], read))
        for later, _, write in wrote[at + 1 :]:
            self._graph.add(later, version, (write, read))
