"""The objects that clients commonly use, by name in `MODELS`.

Functions have the names that histories use: `read` and `get` are one function, so are `write`,
`put` and `set`, `enqueue` and `enq`, and so on.  An output of None for a function that could have
answered more (an `add` that does not say whether the member was new) is always right.
"""

from __future__ import annotations

from typing import Any

from comitia.history.model import IMPOSSIBLE, Model
from comitia.history.operation import UNKNOWN, HistoryError, Operation

READS = frozenset({"read", "get"})
WRITES = frozenset({"write", "put", "set"})
INSERTS = frozenset({"enqueue", "enq", "push", "insert", "offer"})
REMOVES = frozenset({"dequeue", "deq", "pop", "remove", "poll"})


def _unsupported(model: Model, f: str) -> HistoryError:
    return HistoryError(f"model {model.name} has no function {f!r}")


class Register(Model):
    """One value: read, write, and cas (compare-and-set) of (expected, new).

    A cas whose output is False found another value; any other output is success.
    """

    name = "register"
    observers = READS

    def __init__(self, initial: Any = None) -> None:
        self._initial = initial

    def initial(self, key: Any) -> Any:
        return self._initial

    def observes(self, operation: Operation) -> bool:
        return operation.f in READS or (operation.f == "cas" and operation.output is False)

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f in READS:
            return state if output is UNKNOWN or output == state else IMPOSSIBLE
        if f in WRITES:
            return value
        if f == "cas":
            expected, new = value
            if output is UNKNOWN:
                return new if state == expected else state
            if output is False:
                return state if state != expected else IMPOSSIBLE
            return new if state == expected else IMPOSSIBLE
        raise _unsupported(self, f)


class Store(Register):
    """Keys with values: a register a key, and append and delete.  A missing value reads as `""`.

    Append concatenates, so values are strings (or bytes, or tuples) throughout.
    """

    name = "store"

    def __init__(self, initial: Any = "") -> None:
        super().__init__(initial)

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f == "append":
            return state + value
        if f == "delete":
            return self._initial
        if f in READS and output is None:
            output = self._initial
        return super().step(state, input, output)


class AppendLog(Model):
    """A list that only grows: append of an item, read of the whole list."""

    name = "log"
    observers = READS

    def initial(self, key: Any) -> Any:
        return ()

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f == "append":
            return (*state, value)
        if f in READS:
            return state if output is UNKNOWN or tuple(output or ()) == state else IMPOSSIBLE
        raise _unsupported(self, f)


class Set(Model):
    """add, remove and contains of a member, which answer whether it was there or not; read of all.

    `add` answers True when the member is new, `remove` when it was present.
    """

    name = "set"
    observers = READS | {"contains"}

    def initial(self, key: Any) -> Any:
        return frozenset()

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f in READS:
            return state if output is UNKNOWN or frozenset(output or ()) == state else IMPOSSIBLE
        there = value in state
        if f == "contains":
            return state if output is UNKNOWN or output is there else IMPOSSIBLE
        if f == "add":
            return state | {value} if _fits(output, not there) else IMPOSSIBLE
        if f == "remove":
            return state - {value} if _fits(output, there) else IMPOSSIBLE
        raise _unsupported(self, f)


def _fits(output: Any, truth: bool) -> bool:
    return output is UNKNOWN or output is None or output is truth


class _Container(Model):
    """Items go in one by one and come out in an order; None comes out of an empty one."""

    def initial(self, key: Any) -> Any:
        return ()

    def insert(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        """Return the items with `value`; the first leaves first."""
        raise NotImplementedError

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f in INSERTS:
            return self.insert(state, value)
        if f not in REMOVES:
            raise _unsupported(self, f)
        if output is UNKNOWN:
            return state[1:]
        if output is None:
            return state if not state else IMPOSSIBLE
        return state[1:] if state and state[0] == output else IMPOSSIBLE

    def observes(self, operation: Operation) -> bool:
        return operation.f in REMOVES and operation.output is None


class Queue(_Container):
    """First in, first out: enqueue, dequeue."""

    name = "queue"

    def insert(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return (*state, value)


class Stack(_Container):
    """Last in, first out: push, pop."""

    name = "stack"

    def insert(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return (value, *state)


class PriorityQueue(_Container):
    """The smallest leaves first: insert, pop."""

    name = "priority-queue"

    def insert(self, state: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return tuple(sorted((*state, value)))


class Counter(Model):
    """A number: add of an amount (one when none is given), which may answer the new sum; read."""

    name = "counter"
    observers = READS

    def initial(self, key: Any) -> Any:
        return 0

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        f, value = input
        if f in READS:
            return state if output is UNKNOWN or output == state else IMPOSSIBLE
        if f in ("add", "incr", "inc"):
            total = state + (1 if value is None else value)
        elif f in ("decr", "dec"):
            total = state - (1 if value is None else value)
        else:
            raise _unsupported(self, f)
        return total if output in (UNKNOWN, None, total) else IMPOSSIBLE


class Lock(Model):
    """Mutual exclusion with fencing: acquire and release by an owner (the process, or `value`).

    `acquire` answers its fencing token, an integer greater than every token before; True or None
    where there are no tokens; False when somebody holds the lock.  `release` answers False when
    the caller does not hold it.  State: (owner, last token known).
    """

    name = "lock"

    def initial(self, key: Any) -> Any:
        return None, 0

    def input(self, operation: Operation) -> tuple[str, Any]:
        owner = operation.process if operation.value is None else operation.value
        return operation.f, owner

    def observes(self, operation: Operation) -> bool:
        return operation.output is False

    def step(self, state: Any, input: tuple[str, Any], output: Any) -> Any:
        (holder, token), (f, owner) = state, input
        if f == "acquire":
            return self._acquire(holder, token, owner, output)
        if f != "release":
            raise _unsupported(self, f)
        if output is UNKNOWN:
            return (None, token) if holder == owner else state
        if output is False:
            return state if holder != owner else IMPOSSIBLE
        return (None, token) if holder == owner else IMPOSSIBLE

    def _acquire(self, holder: Any, token: int, owner: Any, output: Any) -> Any:
        state = holder, token
        if output is UNKNOWN:
            return (owner, token) if holder is None else state
        if output is False:
            return state if holder is not None else IMPOSSIBLE
        if holder is not None:
            return IMPOSSIBLE
        if output is None or output is True:
            return owner, token
        return (owner, output) if output > token else IMPOSSIBLE


MODELS: dict[str, type[Model]] = {
    model.name: model
    for model in (
        Register,
        Store,
        AppendLog,
        Set,
        Queue,
        Stack,
        PriorityQueue,
        Counter,
        Lock,
    )
}
"""Every model by the name that people type."""
