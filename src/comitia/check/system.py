"""Any transition system, written as plain Python: a specification beside an implementation.

    def steps(n: int) -> Iterator[tuple[str, int]]:
        if n < 3:
            yield "up", n + 1
        yield "wrap", 0

    counter = System([0], steps, invariants={"Small": lambda n: n <= 3})
    assert breadth_first(SystemSpace(counter)).states == 4

States are immutable, hashable values.  A tuple (or a NamedTuple) is packed part by part, which
takes far less memory than the tuple itself; keep parts that change independently apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from comitia.check.packing import BITS, MASK, Numbers
from comitia.check.space import State, Violation

Predicate = Callable[[Any], bool]


def _anything(state: Any) -> bool:
    return True


@dataclass(frozen=True)
class System:
    """Initial states, steps, and what is claimed about them."""

    initial: Iterable[Any]
    next: Callable[[Any], Iterable[tuple[Hashable, Any]]]
    """(label, successor) of every step; equal labels are the same action, which is what fairness
    speaks of.  A label of None owes nothing to fairness."""
    invariants: Mapping[str, Predicate] = field(default_factory=dict)
    sometimes: Mapping[str, Predicate] = field(default_factory=dict)
    eventually: Mapping[str, Predicate] = field(default_factory=dict)
    within: Predicate = _anything
    """The bound: a step to a state outside is not taken."""
    canonical: Callable[[Any], Any] | None = None
    """Symmetry: the same representative for all states that differ only by a change of places."""


class SystemSpace:
    """A `System`, ready for a search."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.sometimes, self.eventually = system.sometimes, system.eventually
        self._first = list(system.initial)
        assert self._first, "a system needs an initial state"
        kind = type(self._first[0])
        self._make: Callable[[Iterable[Any]], Any] | None = (
            getattr(kind, "_make", tuple) if issubclass(kind, tuple) else None
        )
        parts = len(self._first[0]) if self._make else 1
        self.width = BITS // 8 * parts
        self._numbers: list[Numbers[Any]] = [Numbers() for _ in range(parts)]
        self._columns = [(n.of, n.number, BITS * i) for i, n in enumerate(self._numbers)]
        self._rows = [(n.values, BITS * i) for i, n in enumerate(self._numbers)]

    def pack(self, state: Any) -> State:
        """Return the integer that stands for `state`, or for its representative."""
        if self.system.canonical is not None:
            state = self.system.canonical(state)
        key = 0
        parts = state if self._make else (state,)
        for part, (known, number, shift) in zip(parts, self._columns, strict=True):
            found = known.get(part)
            key |= (number(part) if found is None else found) << shift
        return key

    def unpack(self, key: State) -> Any:
        """Return the state that `key` stands for."""
        if self._make is None:
            return self._numbers[0].values[key]
        return self._make([values[key >> shift & MASK] for values, shift in self._rows])

    def warm(self) -> None:
        """A system is not known before it is run."""

    def initial(self) -> list[State]:
        return [self.pack(state) for state in self._first if self.system.within(state)]

    def expand(self, state: State) -> list[State]:
        pack, within = self.pack, self.system.within
        if within is _anything:
            return [pack(after) for _, after in self.system.next(self.unpack(state))]
        return [pack(after) for _, after in self._steps(self.unpack(state))]

    def _steps(self, state: Any) -> list[tuple[Any, Any]]:
        within = self.system.within
        return [(label, after) for label, after in self.system.next(state) if within(after)]

    def inspect(self, state: State) -> None:
        if self.system.invariants:
            value = self.unpack(state)
            for name, invariant in self.system.invariants.items():
                if not invariant(value):
                    raise Violation(name, f"it is false in {value!r}")

    def holds(self, property: Predicate, state: State) -> bool:
        return property(self.unpack(state))

    def doubtful(self) -> bool:
        return False

    def confirmed(self) -> bool:
        return True

    def richer(self, state: State) -> Sequence[State]:
        return ()

    def edges(self, state: State) -> list[tuple[object, State | None]]:
        within = self.system.within
        return [
            (label, self.pack(after) if within(after) else None)
            for label, after in self.system.next(self.unpack(state))
        ]

    def cautions(self) -> list[str]:
        return []

    def story(
        self, path: list[State], violation: Violation, again: int | None = None
    ) -> list[tuple[Any, Any]]:
        """Return (label, state) for every state of the run; the first has the label None."""
        starts = [first for first in self._first if self.system.within(first)]
        if not path:
            assert violation.action is not None
            return [(None, starts[violation.action])]
        state = next(first for first in starts if self.pack(first) == path[0])
        told: list[tuple[Any, Any]] = [(None, state)]
        for key in path[1:]:
            # With symmetry the path holds representatives: follow a real run beside it.
            steps = self._steps(state)
            label, state = next(step for step in steps if self.pack(step[1]) == key)
            told.append((label, state))
        if violation.action is not None:
            bad = self.expand(path[-1])[violation.action]
            told.append(next(step for step in self._steps(state) if self.pack(step[1]) == bad))
        return told
