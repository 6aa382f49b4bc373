"""What a model is: a sequential object that says which answers are right."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, ClassVar, Final

from comitia.history.operation import UNKNOWN, Operation


class _Impossible(Enum):
    IMPOSSIBLE = "impossible"


IMPOSSIBLE: Final = _Impossible.IMPOSSIBLE
"""What `step` returns for an output that the object cannot give in this state."""


class Model:
    """A sequential object.  Subclass it and define `step`, or derive from `Machine`.

    Operations on different keys are judged apart (linearizability composes: Herlihy and Wing,
    1990, section 3.2); a model of an object that keys share sets `partitioned = False`.
    """

    name: ClassVar[str] = "user-defined"
    partitioned: ClassVar[bool] = True
    observers: ClassVar[frozenset[str]] = frozenset()
    """Functions that never change the state; naming them makes the search faster."""

    def initial(self, key: Any) -> Any:
        """Return the state of the object `key` before the first operation; must be hashable."""
        raise NotImplementedError

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        """Return the state after `input` (function, argument) gave `output`, or IMPOSSIBLE.

        `output` is UNKNOWN where the client never learnt it.
        """
        raise NotImplementedError

    def observes(self, operation: Operation) -> bool:
        """Does this operation leave every state unchanged?"""
        return operation.f in self.observers

    def input(self, operation: Operation) -> tuple[str, Any]:
        """Return what `step` is told of `operation`."""
        return operation.f, operation.value

    def part(self, operation: Operation) -> Any:
        """Return the independent object that `operation` belongs to."""
        return operation.key if self.partitioned else None

    def parts(self, operations: Iterable[Operation]) -> dict[Any, list[Operation]]:
        """Return the operations of each independent object, in the order given."""
        parts: dict[Any, list[Operation]] = {}
        for operation in operations:
            parts.setdefault(self.part(operation), []).append(operation)
        return parts


class Machine(Model):
    """A deterministic object given by what it answers: `apply`, not `step`."""

    def apply(self, state: Any, input: tuple[str, Any]) -> tuple[Any, Any]:
        """Return (state after, answer)."""
        raise NotImplementedError

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        after, answer = self.apply(state, input)
        return after if output is UNKNOWN or output == answer else IMPOSSIBLE
