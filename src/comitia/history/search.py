"""The general search, for any model: Wing and Gong's, with Lowe's memory of configurations.

Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for
linearizability" (2017).  A configuration is what was linearized so far and the state that left.
What was linearized is a window: everything before the first operation that is not, and a bit mask
of those after it, an exact Python integer.  The window is as wide as operations overlap, so a
configuration stays small however long the history, and at a quiescent moment it is a state alone:
nothing before such a moment is searched twice from the same state.

Three things cut the search, each exact:

1. An operation that never changes the state is linearized as soon as it fits: any explanation with
   it later stays one with it here.
2. Of operations with equal input and output that overlap now, the one that must return first goes
   first: exchanging two equal operations changes nothing but their deadlines.
3. An operation that never returned is optional, and a history is explained once all that returned
   are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comitia.history.model import IMPOSSIBLE, Model
from comitia.history.operation import Operation
from comitia.history.timeline import NEVER, ranks
from comitia.history.verdict import Expired, GaveUp, never

_PATIENCE = 2048
"""Configurations between two looks at the clock."""

Configuration = tuple[int, int, int, int]
"""(first operation not linearized, mask of those after it, mask of pending ones used, state)."""


class Search:
    """A search for explanations of the operations of one object."""

    def __init__(
        self, operations: Sequence[Operation], model: Model, expired: Expired = never
    ) -> None:
        calls, ends = ranks(operations)
        order = sorted(range(len(operations)), key=calls.__getitem__)
        returned = [i for i in order if ends[i] != NEVER]
        pending = [i for i in order if ends[i] == NEVER and not model.observes(operations[i])]
        self._model, self._expired = model, expired
        self._kinds: dict[Any, int] = {}
        self._inputs: list[tuple[tuple[str, Any], Any]] = []
        self._states: dict[Any, int] = {}
        self._state_list: list[Any] = []
        self._next: dict[tuple[int, int], int] = {}
        self._steps = 0
        self.returned = [operations[i] for i in returned]
        self.pending = [operations[i] for i in pending]
        self._call = [calls[i] for i in returned] + [NEVER]
        self._end = [ends[i] for i in returned]
        self._pending_call = [calls[i] for i in pending]
        self._kind = [self._intern_kind(o) for o in self.returned]
        self._pending_kind = [self._intern_kind(o) for o in self.pending]
        self._pure = [model.observes(o) for o in self.returned]

    def _intern_kind(self, operation: Operation) -> int:
        what = self._model.input(operation), operation.output
        # False is not 0: models tell a refusal from a number by its type.
        kind = self._kinds.setdefault((*what, type(operation.output)), len(self._kinds))
        if kind == len(self._inputs):
            self._inputs.append(what)
        return kind

    def _intern_state(self, state: Any) -> int:
        number = self._states.setdefault(state, len(self._states))
        if number == len(self._state_list):
            self._state_list.append(state)
        return number

    def _step(self, state: int, kind: int) -> int:
        """Return the number of the state after `kind`, or -1 when it is impossible."""
        after = self._next.get((state, kind))
        if after is None:
            input, output = self._inputs[kind]
            result = self._model.step(self._state_list[state], input, output)
            after = -1 if result is IMPOSSIBLE else self._intern_state(result)
            self._next[state, kind] = after
        return after

    def explain(self, initial: Any) -> list[Operation] | None:
        """Return an order that explains every output, or None when there is none.

        Raises GaveUp when time is up.
        """
        path: list[list[Operation]] = []
        start = (0, 0, 0, self._intern_state(initial))
        if self._walk([start], path, None):
            return [operation for steps in path for operation in steps]
        return None

    def ends(self, starts: Sequence[tuple[Any, int]]) -> set[tuple[Any, int]]:
        """Return every (state, mask of pending operations used) that the history can end in.

        Pending operations are used only where something that returned needs it; one used later,
        after the end, is left to whoever continues.
        """
        found: set[tuple[int, int]] = set()
        roots = [(0, 0, used, self._intern_state(state)) for state, used in starts]
        self._walk(roots, [], found)
        return {(self._state_list[state], used) for state, used in found}

    def _walk(
        self,
        roots: list[Configuration],
        path: list[list[Operation]],
        found: set[tuple[int, int]] | None,
    ) -> bool:
        """Depth first from `roots`; stop at the first explanation unless all ends are wanted."""
        seen: set[Configuration] = set()
        total = len(self.returned)
        for root in roots:
            frames: list[Iterator[tuple[Configuration, list[Operation]]]] = [iter([(root, [])])]
            path.clear()
            path.append([])
            while frames:
                choice = next(frames[-1], None)
                if choice is None:
                    frames.pop()
                    path.pop()
                    continue
                configuration, steps = self._settle(*choice)
                if configuration in seen:
                    continue
                seen.add(configuration)
                self._look_at_clock()
                path[-1] = steps
                if configuration[0] == total:
                    if found is None:
                        return True
                    found.add((configuration[3], configuration[2]))
                    continue
                frames.append(self._choices(configuration))
                path.append([])
        return False

    def _look_at_clock(self) -> None:
        self._steps += 1
        if self._steps % _PATIENCE == 0 and self._expired():
            raise GaveUp(f"out of time after {self._steps} configurations")

    def _window(self, base: int, mask: int) -> tuple[list[int], int]:
        """Return the operations that may go next, and the rank before which one must."""
        call, end = self._call, self._end
        deadline, index, bit = NEVER, base, 1
        open_now: list[int] = []
        while call[index] < deadline:
            if not mask & bit:
                open_now.append(index)
                if end[index] < deadline:
                    deadline = end[index]
            index += 1
            bit <<= 1
        return open_now, deadline

    def _settle(
        self, configuration: Configuration, steps: list[Operation]
    ) -> tuple[Configuration, list[Operation]]:
        """Linearize at once every open operation that fits and never changes the state."""
        base, mask, used, state = configuration
        again = True
        while again:
            again = False
            for index in self._window(base, mask)[0]:
                if self._pure[index] and self._step(state, self._kind[index]) == state:
                    mask |= 1 << (index - base)
                    steps = [*steps, self.returned[index]]
                    again = True
            while mask & 1:
                mask >>= 1
                base += 1
        return (base, mask, used, state), steps

    def _choices(
        self, configuration: Configuration
    ) -> Iterator[tuple[Configuration, list[Operation]]]:
        """What may be linearized next, the most urgent first, pending operations last."""
        base, mask, used, state = configuration
        open_now, deadline = self._window(base, mask)
        open_now.sort(key=self._end.__getitem__)
        tried: set[int] = set()
        for index in open_now:
            kind = self._kind[index]
            if kind in tried:
                continue  # an equal one with an earlier deadline stands for it
            tried.add(kind)
            after = self._step(state, kind)
            if after < 0:
                continue
            new_mask, new_base = mask | 1 << (index - base), base
            while new_mask & 1:
                new_mask >>= 1
                new_base += 1
            yield (new_base, new_mask, used, after), [self.returned[index]]
        for index, call in enumerate(self._pending_call):
            if call > deadline:
                break
            kind = self._pending_kind[index]
            if used >> index & 1 or kind in tried:
                continue
            tried.add(kind)
            after = self._step(state, kind)
            if after >= 0 and after != state:
                yield (base, mask, used | 1 << index, after), [self.pending[index]]
