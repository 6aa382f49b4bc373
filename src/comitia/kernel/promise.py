"""Promises: what a protocol guarantees, evaluated after every step in every world.

A promise is an observer, declared in a protocol's `promises.py` under the paper's name for it.
Like a node it obeys the law of values (attributes are rebound, never changed in place), so the
model checker makes it part of a state, and the simulator runs the same class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from comitia.kernel.node import Micros, Node, NodeId, Slot
from comitia.kernel.request import Request


class Broken(Exception):
    """A promise does not hold; the text says who did what."""


class Promise:
    """An invariant with whatever memory it needs.  Hooks raise `Broken`; all do nothing here.

    `watch` names the attributes of a node that can break it: `on_step` is called only when a step
    rebound one of them (or the node restarted).  Empty: after every step.
    """

    watch: ClassVar[tuple[str, ...]] = ()

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        """`node` took a step; `nodes` are all that are up, `node` among them."""

    def on_step_at(self, node: Any, nodes: Mapping[NodeId, Any], now: Micros) -> None:
        """The same, for what is promised about time: `now` is what the node's own clock shows.

        Asked after `on_step`, by worlds that have clocks; a model checker has none.
        """

    def on_request(self, node: NodeId, request: Request) -> None:
        """`request` was handed to `node`."""

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        """`node` delivered `value` at `slot`."""

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        """`node` answered `request`."""

    def on_restart(self, node: Node) -> None:
        """`node` is about to start again, with its stable attributes restored."""

    def clone(self) -> Self:
        """Return a copy that shares every value."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin
