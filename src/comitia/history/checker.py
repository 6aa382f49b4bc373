"""Is this history linearizable?  Picks the engine for each independent object.

| object                                   | engine                                               |
|------------------------------------------|------------------------------------------------------|
| register, written values all different   | zones, O(n log n)                                    |
| register, any values; member of a set    | sweep: just-in-time configurations                   |
| log, store with append                   | as a register when items are all different           |
| queue, stack, priority queue, items all different | items: decrease and conquer |
| any other model                          | search                                               |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from comitia.history import appends, moves, window
from comitia.history.beam import decide
from comitia.history.container_orders import priority_order, queue_order
from comitia.history.containers import Contents, Rule, judge, priority_queue, queue
from comitia.history.model import Model
from comitia.history.models import (
    AppendLog,
    PriorityQueue,
    Queue,
    Register,
    Set,
    Stack,
    Store,
)
from comitia.history.moves import Answer, Moves, Order
from comitia.history.operation import Operation
from comitia.history.search import Search
from comitia.history.stacks import stack, stack_order
from comitia.history.verdict import Contradiction, Expired, GaveUp, Part, Verdict, given, never
from comitia.history.zones import zones

Judged = tuple[str, Answer]
"""(engine, answer)."""


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
        special = _SPECIAL.get(type(model))
        judged = special(operations, model, key, expired) if special else None
        engine, answer = judged or _by_search(operations, model, key, expired)
    except GaveUp:
        return Part(key, None, "search", count)
    if isinstance(answer, list):
        return Part(key, True, engine, count, tuple(answer))
    if isinstance(answer, Contradiction):
        return Part(key, False, engine, count, explain=given(answer))
    return Part(key, False, engine, count, explain=answer)


def _by_search(operations: Sequence[Operation], model: Model, key: Any, expired: Expired) -> Judged:
    order = Search(operations, model, expired).explain(model.initial(key))
    if order is None:
        return "search", partial(window.of_search, operations, model, key, expired)
    return "search", order


def _by_moves(found: Moves | Contradiction | None, key: Any, expired: Expired) -> Judged | None:
    if found is None:
        return None
    if isinstance(found, Contradiction):
        return "zones", found
    answer = zones(found, key)
    if isinstance(answer, Contradiction):
        return "zones", partial(window.tightened, found, answer)
    if answer is not None:
        return "zones", answer
    order = decide(found, expired)
    if isinstance(order, tuple):
        return "sweep", partial(window.of_register, found, order, key)
    return "sweep", order


def _register(
    operations: Sequence[Operation], model: Model, key: Any, expired: Expired
) -> Judged | None:
    return _by_moves(moves.register(operations, model.initial(key)), key, expired)


def _store(
    operations: Sequence[Operation], model: Model, key: Any, expired: Expired
) -> Judged | None:
    found = appends.store(operations, key, model.initial(key))
    return _by_moves(found, key, expired)


def _log(
    operations: Sequence[Operation], model: Model, key: Any, expired: Expired
) -> Judged | None:
    return _by_moves(appends.log(operations, key), key, expired)


def _set(
    operations: Sequence[Operation], model: Model, key: Any, expired: Expired
) -> Judged | None:
    """Members are independent of each other, unless somebody reads the whole set."""
    members: dict[Any, list[Operation]] = {}
    for operation in operations:
        members.setdefault(operation.value, []).append(operation)
    orders: list[Order] = []
    for part in members.values():
        judged = _by_moves(moves.member(part), key, expired)
        if judged is None or not isinstance(judged[1], list):
            return judged
        orders.append(judged[1])
    return "sweep", merged(orders)


def merged(orders: Iterable[Order]) -> Order:
    """Return one linearization of independent objects, given one of each.

    Every operation takes effect as early as its own call and those before it allow.
    """
    moments: list[tuple[int, int, int, Operation]] = []
    for n, order in enumerate(orders):
        moment = -1
        for place, operation in enumerate(order):
            moment = max(moment, operation.call)
            moments.append((moment, n, place, operation))
    moments.sort(key=lambda m: m[:3])
    return [operation for *_, operation in moments]


def _container(
    rule: Rule,
    order: Callable[[Contents], Order],
    operations: Sequence[Operation],
    model: Model,
    key: Any,
    expired: Expired,
) -> Judged | None:
    answer = judge(model.name, rule, order, operations, key)
    return None if answer is None else ("items", answer)


_SPECIAL: dict[type[Model], Callable[..., Judged | None]] = {
    Register: _register,
    Store: _store,
    AppendLog: _log,
    Set: _set,
    Queue: partial(_container, queue, queue_order),
    Stack: partial(_container, stack, stack_order),
    PriorityQueue: partial(_container, priority_queue, priority_order),
}
