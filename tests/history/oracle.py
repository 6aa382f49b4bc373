"""The definition of linearizability as a program: try every order.  Slow, and easy to believe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comitia.history import IMPOSSIBLE, Model, Operation


def linearizable(operations: Sequence[Operation], model: Model) -> bool:
    """Herlihy and Wing's definition, one independent object after the other."""
    return all(
        _explained(frozenset(part), model.initial(key), model)
        for key, part in model.parts(operations).items()
    )


def _explained(left: frozenset[Operation], state: Any, model: Model) -> bool:
    returned = [o for o in left if o.end is not None]
    if not returned:
        return True
    deadline = min(o.end for o in returned if o.end is not None)
    for operation in left:
        if operation.call > deadline:
            continue
        after = model.step(state, model.input(operation), operation.output)
        if after is not IMPOSSIBLE and _explained(left - {operation}, after, model):
            return True
    return False


def explains(order: Sequence[Operation], history: Sequence[Operation], model: Model) -> None:
    """Assert that `order` is a linearization of `history`, the operations of one object."""
    assert len(set(order)) == len(order), "an operation takes effect once"
    assert {o for o in history if o.end is not None} - set(order) <= set(), "all that returned"
    assert set(order) <= set(history)
    state = model.initial(history[0].key if history else None)
    latest_call = -1
    for operation in order:
        latest_call = max(latest_call, operation.call)
        assert operation.end is None or operation.end >= latest_call, "in real time"
        state = model.step(state, model.input(operation), operation.output)
        assert state is not IMPOSSIBLE, f"{operation} is impossible here"
