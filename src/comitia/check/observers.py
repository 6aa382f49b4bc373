"""Promises inside a search: their memories are part of a state, their verdicts are remembered.

The memories of all promises in one state form one *record*, which is numbered; promises without
memory therefore add nothing to the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comitia.check.packing import Numbers
from comitia.check.space import Violation
from comitia.kernel import Broken, Node, NodeId, Promise

FORGET = 1 << 20
"""Verdicts remembered before all are forgotten, which bounds memory and changes nothing else."""

_BEFORE = ("request", "restart")
"""What promises hear before the step; the rest comes after it."""

_HOOKS = ("on_request", "on_restart", "on_step", "on_deliver", "on_answer")


class Observers:
    """The promises of a model."""

    def __init__(self, promises: Sequence[Callable[[], Promise]]) -> None:
        first = [make() for make in promises]
        self._listen = {
            hook: [
                k
                for k, p in enumerate(first)
                if getattr(type(p), hook) is not getattr(Promise, hook)
            ]
            for hook in _HOOKS
        }
        self._watch = [type(promise).watch for promise in first]
        self._memories: list[Numbers[Any]] = [Numbers() for _ in first]
        self._promises: list[list[Promise]] = [[] for _ in first]
        self._records: Numbers[tuple[int, ...]] = Numbers()
        self.first = self.record(first)
        """The record at the start."""
        self._louds: Numbers[tuple[tuple[Any, ...], tuple[int, ...]]] = Numbers()
        self._verdicts: dict[Any, int | Violation] = {}

    def _keep(self, which: int, promise: Promise) -> int:
        memory = vars(promise)
        number = self._memories[which].number(tuple(sorted(memory.items())))
        if number == len(self._promises[which]):
            self._promises[which].append(promise)
        return number

    def _woken(self, before: Node | None, after: Node | None) -> tuple[int, ...]:
        if after is None:
            return ()
        return tuple(
            which
            for which in self._listen["on_step"]
            if before is None or self._changed(self._watch[which], before, after)
        )

    def _changed(self, watch: tuple[str, ...], before: Node, after: Node) -> bool:
        if not watch or type(before) is not type(after):
            return True
        return any(getattr(before, name, None) != getattr(after, name, None) for name in watch)

    def promises(self, record: int) -> list[Promise]:
        """Return the promises of `record`, with their memories; nobody may call their hooks."""
        numbers = self._records.values[record]
        return [self._promises[which][number] for which, number in enumerate(numbers)]

    def record(self, promises: Sequence[Promise]) -> int:
        """Return the number of the record that these promises form."""
        return self._records.number(tuple(self._keep(k, p) for k, p in enumerate(promises)))

    def loud(
        self, heard: Sequence[tuple[Any, ...]], before: Node | None, after: Node | None
    ) -> int | None:
        """Return a number for what a step lets the promises know, None when that is nothing.

        `heard`: ("request", node, request) and so on, as the hooks have them.  `before` None
        stands for a start: everything about the node is news.
        """
        told = tuple(event for event in heard if self._listen[f"on_{event[0]}"])
        woken = self._woken(before, after)
        return self._louds.number((told, woken)) if told or woken else None

    def observe(
        self,
        record: int,
        loud: int,
        me: NodeId,
        faces: tuple[int, ...],
        nodes: Callable[[tuple[int, ...]], Mapping[NodeId, Node]],
    ) -> int:
        """Return the record after a step of `me` that led to `faces`; raise Violation when it
        breaks a promise.  `nodes` makes the nodes of some faces, when a promise must see them.
        """
        heard, woken = self._louds.values[loud]
        key = (record, loud, me, faces) if woken else (record, loud)
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= FORGET:
                self._verdicts.clear()
            world = nodes(faces) if woken else {}
            verdict = self._verdicts[key] = self._judge(record, heard, woken, me, world)
        if isinstance(verdict, Violation):
            raise Violation(verdict.property, verdict.reason)
        return verdict

    def _judge(
        self,
        record: int,
        heard: tuple[tuple[Any, ...], ...],
        woken: tuple[int, ...],
        me: NodeId,
        nodes: Mapping[NodeId, Node],
    ) -> int | Violation:
        promises = [promise.clone() for promise in self.promises(record)]
        promise: Promise | None = None
        try:
            for hook, *what in (event for event in heard if event[0] in _BEFORE):
                for which in self._listen[f"on_{hook}"]:
                    promise = promises[which]
                    getattr(promise, f"on_{hook}")(*what)
            for which in woken:
                promise = promises[which]
                promise.on_step(nodes[me], nodes)
            for hook, *what in (event for event in heard if event[0] not in _BEFORE):
                for which in self._listen[f"on_{hook}"]:
                    promise = promises[which]
                    getattr(promise, f"on_{hook}")(*what)
        except (Broken, AssertionError) as broken:
            return Violation(type(promise).__name__, str(broken))
        return self.record(promises)
