"""What clients asked and what they saw: events, and the operations that pairs of events make.

An operation whose outcome is unknown (the client crashed or gave up) has no end: it may take
effect at any moment after its call, or never.  An operation that failed did not happen and is left
out.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from comitia.kernel.message import Record


class HistoryError(ValueError):
    """This is no history; the text says which line or event, and why."""


class EventError(HistoryError):
    """One event cannot follow those before it."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"event {position}: {why}")
        self.position, self.why = position, why


class _Unknown(Enum):
    UNKNOWN = "?"

    def __repr__(self) -> str:
        return "?"


UNKNOWN: Final = _Unknown.UNKNOWN
"""The output of an operation whose client never learnt it: any answer is right."""


class Event(Record):
    """A client called (`invoke`) or learnt (`ok`, `fail`, `info`) something."""

    type: str
    """invoke; ok: it happened; fail: it did not happen; info: nobody knows."""
    process: Any
    """Who: a process has at most one operation open."""
    f: str
    value: Any = None
    """Argument of the function in an invoke, result in an ok."""
    key: Any = None
    """Which of many independent objects; None when there is one."""
    time_ns: int | None = None
    """When, for people.  The order of events in the history is what counts."""


class Operation(Record):
    """One call and its return.

    `call` and `end` order operations: one precedes another iff its `end` is smaller than the
    other's `call`.  Any integers will do: positions in a file, microseconds of a simulator.
    """

    process: Any
    f: str
    value: Any
    output: Any
    call: int
    end: int | None
    """None: never returned.  Then `output` is UNKNOWN."""
    key: Any = None
    call_ns: int | None = None
    """Wall or virtual time, for people only."""
    end_ns: int | None = None

    @property
    def input(self) -> tuple[str, Any]:
        """What a model's `step` is given: (function, argument)."""
        return self.f, self.value

    def __str__(self) -> str:
        on = "" if self.key is None else f"{self.key}."
        argument = "" if self.value is None else _text(self.value)
        output = "" if self.output is None or self.output == self.value else _text(self.output)
        arrow = f" -> {output}" if output else ""
        return f"{on}{self.f}({argument}){arrow}"


def _text(value: Any) -> str:
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"


def freeze(value: Any) -> Any:
    """Return `value` with its lists as tuples, sets as frozensets and maps as sorted tuples."""
    if isinstance(value, list | tuple):
        return tuple([freeze(item) for item in value])
    if isinstance(value, dict):
        return tuple(sorted(((freeze(k), freeze(v)) for k, v in value.items()), key=repr))
    if isinstance(value, set | frozenset):
        return frozenset(freeze(item) for item in value)
    return value


def operations(events: Iterable[Event]) -> list[Operation]:
    """Pair calls with returns; the result is ordered by call.

    Raises HistoryError when a process returns from what it did not call, or calls twice.  An
    `info` of a process that called nothing (Jepsen's nemesis) is no operation.
    """
    open_calls: dict[Any, tuple[int, Event]] = {}
    done: list[Operation] = []
    for position, event in enumerate(events):
        kind, process = event.type, event.process
        if kind == "invoke":
            if process in open_calls:
                raise EventError(
                    position,
                    f"process {process} calls {event.f} while its "
                    f"{open_calls[process][1].f} is open; give concurrent calls their own process",
                )
            open_calls[process] = (position, event)
            continue
        called = open_calls.pop(process, None)
        if called is None:
            if kind == "info":
                continue
            raise EventError(position, f"{kind} of process {process}, which called nothing")
        if kind == "ok":
            done.append(_returned(called, position, event))
        elif kind == "info":
            done.append(_never_returned(called, event.time_ns))
        elif kind != "fail":
            raise EventError(position, f"unknown type {kind!r}")
    done.extend(_never_returned(called) for called in open_calls.values())
    done.sort(key=lambda operation: operation.call)
    return done


def _returned(called: tuple[int, Event], end: int, event: Event) -> Operation:
    call, invoke = called
    return Operation(
        invoke.process,
        invoke.f,
        invoke.value,
        event.value,
        call,
        end,
        invoke.key,
        invoke.time_ns,
        event.time_ns,
    )


def _never_returned(called: tuple[int, Event], gave_up_ns: int | None = None) -> Operation:
    call, invoke = called
    return Operation(
        invoke.process,
        invoke.f,
        invoke.value,
        UNKNOWN,
        call,
        None,
        invoke.key,
        invoke.time_ns,
        gave_up_ns,
    )
