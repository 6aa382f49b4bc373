"""Operations on one register, in the only four forms that the register engines know.

Several models reduce to these: a store, a log whose items are distinct, a member of a set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from comitia.history.models import READS, WRITES
from comitia.history.operation import UNKNOWN, Operation
from comitia.history.verdict import Contradiction

READ: Final = 0
"""The value was `old`."""
WRITE: Final = 1
"""The value became `new`, whatever it was."""
SWAP: Final = 2
"""The value was `old` and became `new` at once."""
OTHER: Final = 3
"""The value was not `old`."""


@dataclass(slots=True)
class Moves:
    """Parallel lists, an element an operation; operations without effect or promise left out."""

    initial: Any
    operations: list[Operation] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    old: list[Any] = field(default_factory=list)
    new: list[Any] = field(default_factory=list)

    def add(self, operation: Operation, kind: int, old: Any = None, new: Any = None) -> None:
        """Append one operation."""
        self.operations.append(operation)
        self.kind.append(kind)
        self.old.append(old)
        self.new.append(new)

    def only(self, chosen: Iterable[int]) -> Moves:
        """Return the operations at these positions."""
        less = Moves(self.initial)
        for i in chosen:
            less.add(self.operations[i], self.kind[i], self.old[i], self.new[i])
        return less


Order = list[Operation]
Explain = Callable[[], Contradiction]
"""Finds the smallest contradiction, once somebody asks."""

Answer = Order | Contradiction | Explain
"""A linearization, or why there is none."""


def register(operations: Sequence[Operation], initial: Any) -> Moves | None:
    """Return reads, writes and compare-and-sets as moves; None when there is anything else."""
    moves = Moves(initial)
    add = moves.add
    for operation in operations:
        f, output = operation.f, operation.output
        if f in READS:
            if output is not UNKNOWN:
                add(operation, READ, output)
        elif f in WRITES:
            add(operation, WRITE, None, operation.value)
        elif f == "cas":
            old, new = operation.value
            if output is False:
                add(operation, OTHER, old)
            elif old != new:
                add(operation, SWAP, old, new)
            elif output is not UNKNOWN:
                add(operation, READ, old)
        else:
            return None
    return moves


def member(operations: Sequence[Operation]) -> Moves | None:
    """Return what happened to one member of a set as moves on its presence.

    None when an operation shows more than this member.
    """
    moves = Moves(False)
    for operation in operations:
        f, output = operation.f, operation.output
        if f == "contains":
            if output is not UNKNOWN:
                moves.add(operation, READ, output)
        elif f in ("add", "remove"):
            present = f == "add"
            if output is UNKNOWN or output is None:
                moves.add(operation, WRITE, None, present)
            elif output is True:
                moves.add(operation, SWAP, not present, present)
            else:
                moves.add(operation, READ, present)
        else:
            return None
    return moves
