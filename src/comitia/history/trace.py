"""What happened in a cluster, event by event: one format for simulator, checker and live clusters.

A trace is JSON Lines: a `Header`, then one `TraceEvent` a line in the order in which things
happened.  Fields that say nothing are left out.  `docs/trace.md` describes every kind of event.

Lines are deterministic: equal runs give equal bytes, on every machine and Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from comitia.kernel.log import Log

VERSION: Final = 1

KINDS: Final = frozenset(
    {
        *("start", "crash", "timer", "send", "recv", "drop", "dup", "turn", "sync", "restart"),
        *("request", "answer", "refuse", "deliver", "snapshot", "install"),
        *("invoke", "ok", "fail", "info"),
        *("partition", "heal", "pause", "clock", "violation", "note"),
    }
)
"""Everything that an event may be; `docs/trace.md` says what each means."""


class TraceError(ValueError):
    """This is no trace; the text says which line, and why."""


class Header(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What was run, and how to run it again."""

    trace: int = VERSION
    """The version of the format; always written, and the first field of the line."""
    protocol: str
    source: str
    """simulator, checker or cluster."""
    nodes: tuple[int, ...]
    seed: int | None = None
    settings: dict[str, Any] = {}
    replay: str = ""
    """The command that shows this again."""
    promise: str = ""
    """What did not hold, if anything."""


class TraceEvent(msgspec.Struct, omit_defaults=True):
    """One thing that happened."""

    i: int
    """Its number, from 0."""
    t: int
    """Virtual or wall time, in microseconds."""
    kind: str
    """One of `KINDS`."""
    node: int | None = None
    """Where it happened."""
    cause: int | None = None
    """The event that brought it about: a recv names its send, a send the step that said it."""
    peer: int | None = None
    """Who sent it, or whom it goes to."""
    what: Any = None
    """The message, request, timer or operation."""
    patch: dict[str, Any] | None = None
    """The attributes of the node that the step changed, with their new values."""
    view: dict[str, Any] | None = None
    """What of the node's `View` the step changed: role, epoch, leader, last, committed, voters."""
    text: str = ""


_encode = msgspec.json.Encoder(order="deterministic").encode
_header = msgspec.json.Decoder(Header).decode
_event = msgspec.json.Decoder(TraceEvent).decode


def write_trace(header: Header, events: Iterable[TraceEvent]) -> Iterator[bytes]:
    """Yield the lines of a trace, each with its end of line."""
    fields = {"trace": VERSION, **msgspec.to_builtins(header)}
    yield msgspec.json.encode(fields) + b"\n"
    for event in events:
        yield _encode(event) + b"\n"


def read_trace(lines: Iterable[bytes | str]) -> tuple[Header, list[TraceEvent]]:
    """Return what `write_trace` was given.  Raises TraceError."""
    header, events = None, []
    for number, line in enumerate(lines, 1):
        try:
            if header is None:
                header = _header(line)
                if header.trace != VERSION:
                    raise TraceError(f"version {header.trace}, and this reads {VERSION}")
            else:
                event = _event(line)
                if event.kind not in KINDS:
                    raise TraceError(f"no event is called {event.kind!r}")
                events.append(event)
        except (msgspec.MsgspecError, TraceError) as error:
            raise TraceError(f"line {number}: {error}") from error
    if header is None:
        raise TraceError("the trace is empty: it has not even a header")
    return header, events


def plain(value: Any) -> Any:
    """Return a value of a node, message or request as JSON has it, always in the same order."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return (
                value.decode() if value.isascii() and value.decode().isprintable() else value.hex()
            )
        case msgspec.Struct():
            fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
            return {"type": type(value).__name__, **fields}
        case Log():
            return {"first": value.first, "items": [plain(item) for item in value]}
        case Mapping():
            pairs = sorted(([plain(k), plain(v)] for k, v in value.items()), key=_order)
            return {str(k): v for k, v in pairs}
        case frozenset() | set():
            return sorted((plain(item) for item in value), key=_order)
        case tuple() | list():
            return [plain(item) for item in value]
    return repr(value)


def _order(value: Any) -> bytes:
    return _encode(value)


def patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return which attributes a step bound to other values, with these.

    A log that kept its beginning shows as how far it kept it, and what follows.
    """
    changed: dict[str, Any] = {}
    for name in sorted(after.keys() - {"id"}):
        value, was = after[name], before.get(name)
        if name in before and (value is was or value == was):
            continue
        if isinstance(value, Log) and isinstance(was, Log) and value.first == was.first:
            keep = was.shared_until(value)
            items = [plain(item) for item in value.slice(keep + 1, value.last)]
            changed[name] = {"keep": keep, "items": items}
        else:
            changed[name] = plain(value)
    return changed


def short(value: Any, width: int = 60) -> str:
    """Return a value of a trace as people write it, lists cut at `width` columns."""
    match value:
        case None:
            return "-"
        case {"type": kind, **fields}:
            inside = ", ".join(f"{name}={short(item)}" for name, item in fields.items())
            return f"{kind}({inside})"
        case dict():
            return " ".join(f"{name}={short(item)}" for name, item in value.items())
        case list():
            text = ", ".join(short(item) for item in value)
            return f"[{text if len(text) <= width else text[: width - 3] + '...'}]"
    return str(value)
