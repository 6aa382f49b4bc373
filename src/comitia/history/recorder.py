"""Recording what clients invoke and see, around any client.

    recorder = Recorder(time.monotonic_ns)
    with recorder.operation(process=1, f="write", value=3, key="x") as operation:
        operation.output = client.set("x", 3)

An operation that leaves the block by an exception has an unknown outcome, unless the exception is
one of `refusals`, which promise that nothing happened.  Threads and asyncio tasks may share a
recorder: appending to a list is one step, a call is noted before the client is asked and a return
after it answered, so the order of the events is right.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from comitia.history.operation import Event, Operation, freeze, operations
from comitia.history.readers import to_json_lines

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Open:
    """An operation under way; set `output` to what the client answered."""

    output: Any = None


class Appendable(Protocol):
    """A file open for bytes, unbuffered."""

    def write(self, data: bytes, /) -> object:
        """Append `data` in one step."""


def appending(file: Appendable) -> Callable[[Event], None]:
    """Return a sink that appends each event to `file` as one line, in one write.

    Threads may share the file, and so may processes that each opened it with mode "ab" and no
    buffer: the order of the lines is that in which things happened.
    """

    def append(event: Event) -> None:
        (line,) = to_json_lines([event])
        file.write(f"{line}\n".encode())

    return append


class Recorder:
    """Collects events."""

    def __init__(
        self,
        clock_ns: Callable[[], int] | None = None,
        refusals: tuple[type[BaseException], ...] | Callable[[BaseException], bool] = (),
        sink: Callable[[Event], None] | None = None,
    ) -> None:
        """`clock_ns` gives times for people (time.monotonic_ns); `sink` sees events as they come.

        `refusals` are the exceptions that promise that nothing happened: their types, or a
        function that tells.  With a sink the events are not kept here.
        """
        self.events: list[Event] = []
        self._note = self.events.append if sink is None else sink
        self._clock_ns = clock_ns
        self._refusals = refusals
        self._busy: set[Any] = set()

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
        except BaseException as error:
            self.note("fail" if self._refused(error) else "info", process, f, value, key)
            raise
        self.note("ok", process, f, operation.output, key)

    def _refused(self, error: BaseException) -> bool:
        if isinstance(self._refusals, tuple):
            return isinstance(error, self._refusals)
        return self._refusals(error)

    def record(
        self,
        f: str,
        process: Callable[[], Any],
        key: Callable[..., Any] | None = None,
        value: Callable[..., Any] | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function of (key, argument...): each call is an operation.

        `process` names the caller: threading.get_ident, or of an asyncio task its name.  `key` and
        `value` pick these from the arguments; unless given, the key is the first argument and
        the value what remains.  An awaited answer is noted when it is there.
        """

        def told(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            if key is None and not args:
                raise TypeError(f"{f}: pass the key first, or say key= to Recorder.record")
            on = args[0] if key is None else key(*args, **kwargs)
            if value is not None:
                return on, value(*args, **kwargs)
            rest = (*(args[1:] if key is None else args), *kwargs.values())
            return on, rest[0] if len(rest) == 1 else rest or None

        def decorate(call: Callable[P, R]) -> Callable[P, R]:
            if inspect.iscoroutinefunction(call):

                @functools.wraps(call)
                async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                    with self._called(process(), f, *told(args, kwargs)) as operation:
                        operation.output = await call(*args, **kwargs)
                    return operation.output

                return awaited  # type: ignore[return-value]  # R is the coroutine's type

            @functools.wraps(call)
            def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
                with ExitStack() as scope:
                    operation = scope.enter_context(self._called(process(), f, *told(args, kwargs)))
                    answer = call(*args, **kwargs)
                    if inspect.isawaitable(answer):
                        return _await(scope.pop_all(), operation, answer)  # type: ignore[return-value]  # awaitable, as R is
                    operation.output = answer
                return answer

            return recorded

        return decorate

    @contextmanager
    def _called(self, process: Any, f: str, key: Any, value: Any) -> Iterator[Open]:
        """Record one operation; a caller that awaits several at once is several processes."""
        names = itertools.chain((process,), (f"{process}#{n}" for n in itertools.count(2)))
        name = next(name for name in names if name not in self._busy)
        self._busy.add(name)
        try:
            with self.operation(name, f, value, key) as operation:
                yield operation
        finally:
            self._busy.discard(name)

    def operations(self) -> list[Operation]:
        """Return the operations recorded so far; what is still open has an unknown outcome."""
        return operations(self.events)


async def _await(scope: ExitStack, operation: Open, answer: Awaitable[R]) -> R:
    with scope:
        got = await answer
        operation.output = got
    return got
