"""Recording what clients invoke and see, around any client.

    recorder = Recorder(time.monotonic_ns)
    with recorder.operation(process=1, f="write", value=3, key="x") as operation:
        operation.output = client.set("x", 3)

An operation that leaves the block by an exception has an unknown outcome, unless the exception is
one of `refusals`, which promise that nothing happened.  Threads may share a recorder: appending to
a list is one step, a call is noted before the client is asked and a return after it answered, so
the order of the events is right.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from comitia.history.operation import Event, Operation, freeze, operations

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Open:
    """An operation under way; set `output` to what the client answered."""

    output: Any = None


class Recorder:
    """Collects events."""

    def __init__(
        self,
        clock_ns: Callable[[], int] | None = None,
        refusals: tuple[type[BaseException], ...] = (),
        sink: Callable[[Event], None] | None = None,
    ) -> None:
        """`clock_ns` gives times for people (time.monotonic_ns); `sink` sees events as they come.

        With a sink the events are not kept here.
        """
        self.events: list[Event] = []
        self._note = self.events.append if sink is None else sink
        self._clock_ns = clock_ns
        self._refusals = refusals

    def note(self, type: str, process: Any, f: str, value: Any = None, key: Any = None) -> None:
        """Note one event now, for clients that call and return in different places."""
        time_ns = None if self._clock_ns is None else self._clock_ns()
        self._note(Event(type, process, f, freeze(value), key, time_ns))

    @contextmanager
    def operation(self, process: Any, f: str, value: Any = None, key: Any = None) -> Iterator[Open]:
        """Record one operation around the block."""
        operation = Open()
        self.note("invoke", process, f, value, key)
        try:
            yield operation
        except self._refusals:
            self.note("fail", process, f, value, key)
            raise
        except BaseException:
            self.note("info", process, f, value, key)
            raise
        self.note("ok", process, f, operation.output, key)

    def record(
        self, f: str, process: Callable[[], Any], key: Callable[..., Any] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function of (key, argument...): each call is an operation.

        `process` names the caller, for instance threading.get_ident; `key` picks the key from the
        arguments, the first of them unless given.  What remains is the value.
        """

        def decorate(call: Callable[P, R]) -> Callable[P, R]:
            @functools.wraps(call)
            def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
                on = args[0] if key is None else key(*args, **kwargs)
                rest = args[1:] if key is None else args
                value = rest[0] if len(rest) == 1 else tuple(rest) or None
                with self.operation(process(), f, value, on) as operation:
                    answer = call(*args, **kwargs)
                    operation.output = answer
                return answer

            return recorded

        return decorate

    def operations(self) -> list[Operation]:
        """Return the operations recorded so far; what is still open has an unknown outcome."""
        return operations(self.events)
