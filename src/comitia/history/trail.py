"""From a trail of changes, which is all that a sweep keeps, to a linearization."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from comitia.history.moves import OTHER, WRITE, Moves, Order
from comitia.history.timeline import NEVER

Trail = tuple[Any, int, int] | None
"""(trail before, operation placed, rank at which it was placed): changes of the value only."""


def unroll(moves: Moves, calls: list[int], ends: list[int], trail: Trail) -> Order:
    """Return the linearization that a trail of changes stands for.

    Reads go where their value held while they were open.  A write that nobody saw goes directly
    before a blind write that was placed while it was open, or where its own value held.
    """
    changes: list[tuple[int, int]] = []
    while trail is not None:
        trail, i, now = trail
        changes.append((i, now))
    changes.reverse()
    placed = {i for i, _ in changes}
    times = [-1, *(now for _, now in changes)]
    values = [moves.initial, *(moves.new[i] for i, _ in changes)]
    gaps: dict[Any, list[int]] = {}
    for k, value in enumerate(values):
        gaps.setdefault(value, []).append(k)
    until = [*times[1:], NEVER]
    blind = [k for k in range(1, len(times)) if moves.kind[changes[k - 1][0]] == WRITE]
    blind_times = [times[k] for k in blind]
    seen_in: dict[int, list[int]] = {}
    hidden_before: dict[int, list[int]] = {}
    for i, kind in enumerate(moves.kind):
        if i in placed or ends[i] == NEVER:
            continue
        at = bisect_right(blind_times, calls[i]) if kind == WRITE else 0
        if kind == WRITE and at < len(blind) and blind_times[at] <= ends[i]:
            k = blind[at]
            hidden_before.setdefault(k, []).append(i)
        else:
            value = moves.new[i] if kind == WRITE else moves.old[i]
            where = range(len(values)) if kind == OTHER else gaps[value]
            k = _gap(where, until, calls[i], values, moves.old[i], kind)
            seen_in.setdefault(k, []).append(i)
        assert times[k] <= ends[i], f"{moves.operations[i]} has no place"
    order: Order = []
    for k in range(len(times)):
        order.extend(moves.operations[i] for i in hidden_before.get(k, ()))
        if k:
            order.append(moves.operations[changes[k - 1][0]])
        reads = sorted(seen_in.get(k, ()), key=calls.__getitem__)
        order.extend(moves.operations[i] for i in reads)
    return order


def _gap(where: Any, until: list[int], call: int, values: list[Any], old: Any, kind: int) -> int:
    """Return the first stretch of time that ends after `call` in which the operation fits."""
    at = bisect_right(where, call, key=until.__getitem__)
    if kind == OTHER:
        while values[where[at]] == old:
            at += 1
    return int(where[at])
