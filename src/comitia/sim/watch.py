"""The promises of a run: each is asked when something happened that can break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from comitia.kernel import Node, NodeId, Out, Promise

HOOKS = ("on_request", "on_deliver", "on_answer", "on_restart")


class Watch:
    """Knows which promise looks at what."""

    def __init__(self, promises: Sequence[Promise]) -> None:
        self.promises = tuple(promises)
        self.asking: Promise | None = None
        """Who was asked last: whose promise it is, when it raises."""
        names = tuple(sorted({name for promise in self.promises for name in promise.watch}))
        self.look: Callable[[Any], tuple[Any, ...]] = tuple_of(names)
        self.watchers = [
            (sum(1 << names.index(name) for name in promise.watch), promise)
            for promise in self.promises
            if promise.watch
        ]
        self.concerned: dict[int, tuple[list[Promise], list[Promise]]] = {}
        """By which of the watched attributes changed, as bits: whose promises those are, and which
        of these are about time."""
        self.always = [promise for promise in self.promises if not promise.watch]
        self.hooks = {
            hook: [
                (promise, getattr(promise, hook))
                for promise in self.promises
                if overrides(promise, hook)
            ]
            for hook in HOOKS
        }

    def step(
        self,
        node: Node,
        nodes: Mapping[NodeId, Node],
        before: tuple[Any, ...] | None,
        out: Out,
    ) -> tuple[Any, ...]:
        """`node` took a step; ask whom it concerns.  `out` has its clock.

        `before` is what this returned after the step before; None after a start.
        """
        watched = self.look(node)
        if watched != before:
            promises, timed = self._concerned(watched, before)
            for promise in promises:
                self.asking = promise
                promise.on_step(node, nodes)
            for promise in timed:
                self.asking = promise
                promise.on_step_at(node, nodes, out.now)
        for promise in self.always:
            self.asking = promise
            promise.on_step(node, nodes)
        return watched

    def _concerned(
        self, watched: tuple[Any, ...], before: tuple[Any, ...] | None
    ) -> tuple[list[Promise], list[Promise]]:
        changed = -1
        if before is not None:
            changed, bit = 0, 1
            for now, was in zip(watched, before, strict=True):
                if now is not was and now != was:
                    changed |= bit
                bit <<= 1
        concerned = self.concerned.get(changed)
        if concerned is None:
            asked = [promise for bits, promise in self.watchers if bits & changed]
            concerned = self.concerned[changed] = (
                [promise for promise in asked if overrides(promise, "on_step")],
                [promise for promise in asked if overrides(promise, "on_step_at")],
            )
        return concerned

    def tell(self, hook: str, *what: Any) -> None:
        """Something else happened, of which promises are told by `hook`."""
        for promise, told in self.hooks[hook]:
            self.asking = promise
            told(*what)


def overrides(promise: Promise, hook: str) -> bool:
    """Has the class of `promise` a `hook` of its own?"""
    return getattr(type(promise), hook) is not getattr(Promise, hook)


def tuple_of(names: tuple[str, ...]) -> Any:
    if not names:
        return lambda node: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda node: (get(node),)
