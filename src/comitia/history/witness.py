"""Where servers say in which order they applied things: check that order, in O(n log n).

A replicated log knows its order.  If every operation bears its position in the log, replaying them
in that order shows at once whether the answers are right and real time was kept.  A server that
lies about positions is caught by the replay; one whose order is wrong may still be linearizable by
another, so then `check` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from comitia.history.checker import check
from comitia.history.model import IMPOSSIBLE, Model
from comitia.history.operation import Operation
from comitia.history.verdict import Expired, Part, Verdict, never


def witnessed(
    operations: Iterable[Operation],
    model: Model,
    position: Callable[[Operation], int | None],
    *,
    expired: Expired = never,
) -> Verdict:
    """As `check`, trying the order of positions first.

    `position` returns where an operation stands in the order of all, or None for one that has no
    position: never returned, and not known to have taken effect.  A read at the same position as a
    write goes after it.
    """
    history = tuple(operations)
    parts = []
    for key, part in model.parts(history).items():
        order = _replayed(part, model, key, position)
        if order is None:
            return check(history, model, expired=expired)
        parts.append(Part(key, True, "witness", len(part), order))
    return Verdict(model.name, tuple(parts), history)


def _replayed(
    operations: Sequence[Operation],
    model: Model,
    key: Any,
    position: Callable[[Operation], int | None],
) -> tuple[Operation, ...] | None:
    """Return the operations in the order of their positions, if that explains everything."""
    placed: list[tuple[int, bool, int, Operation]] = []
    for operation in operations:
        at = position(operation)
        if at is not None:
            placed.append((at, model.observes(operation), operation.call, operation))
        elif operation.end is not None:
            return None
    placed.sort(key=lambda p: p[:3])
    state, latest_call = model.initial(key), None
    for _, _, call, operation in placed:
        latest_call = call if latest_call is None else max(latest_call, call)
        if operation.end is not None and operation.end < latest_call:
            return None
        state = model.step(state, model.input(operation), operation.output)
        if state is IMPOSSIBLE:
            return None
    return tuple(operation for *_, operation in placed)
