"""The calls and returns of operations as distinct ranks, which is what the engines compare.

Where a call and a return bear the same number the call comes first: such operations overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

from comitia.history.operation import Operation

NEVER = 1 << 62
"""The rank of a return that did not happen."""


def ranks(operations: Sequence[Operation]) -> tuple[list[int], list[int]]:
    """Return the ranks of the calls and of the returns; NEVER for what did not return."""
    moments: list[tuple[int, int, int]] = []
    for index, operation in enumerate(operations):
        moments.append((operation.call, 0, index))
        if operation.end is not None:
            if operation.end < operation.call:
                raise ValueError(f"returns before it is called: {operation!r}")
            moments.append((operation.end, 1, index))
    moments.sort()
    calls, ends = [0] * len(operations), [NEVER] * len(operations)
    for rank, (_, is_end, index) in enumerate(moments):
        if is_end:
            ends[index] = rank
        else:
            calls[index] = rank
    return calls, ends
