"""Is this history linearizable?  Picks the engine for each independent object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from comitia.history.model import Model
from comitia.history.operation import Operation
from comitia.history.search import Search
from comitia.history.verdict import Contradiction, Expired, GaveUp, Part, Verdict, never


def check(operations: Iterable[Operation], model: Model, *, expired: Expired = never) -> Verdict:
    """Return whether `operations` are linearizable with respect to `model`.

    A search asks `expired` now and then and answers `unknown` (`ok` is None) once it says True:
    `end = time.monotonic() + 10; check(..., expired=lambda: time.monotonic() > end)`.
    """
    history = tuple(operations)
    parts = model.parts(history)
    return Verdict(
        model.name,
        tuple(check_part(key, part, model, expired) for key, part in parts.items()),
        history,
    )


def check_part(key: Any, operations: Sequence[Operation], model: Model, expired: Expired) -> Part:
    """Judge the operations of one independent object."""
    count = len(operations)
    try:
        order = Search(operations, model, expired).explain(model.initial(key))
    except GaveUp:
        return Part(key, None, "search", count)
    if order is None:
        found = Contradiction(key, tuple(operations), "no order explains all outputs")
        return Part(key, False, "search", count, contradiction=found)
    return Part(key, True, "search", count, tuple(order))
