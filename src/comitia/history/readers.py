"""Reading and writing histories: text in, events out.

Forms, told apart by their first characters: Comitia's JSON Lines, Jepsen's EDN (a vector or list
of maps, or a map a line, which is also Porcupine's key-value form), and Jepsen's log lines.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from comitia.history import edn
from comitia.history.operation import (
    Event,
    EventError,
    HistoryError,
    Operation,
    freeze,
    operations,
)

_JSON = re.compile(r'\{\s*"')
TYPES = frozenset({"invoke", "ok", "fail", "info"})

_LOG_LINE = re.compile(
    r"jepsen\.util\s+-\s+(?P<process>\S+)\s+:(?P<type>\w+)\s+:(?P<f>[\w-]+)\s+(?P<value>.*)$",
    re.MULTILINE,
)


def read(text: str) -> list[Operation]:
    """Return the operations of a history in any of the forms; raise HistoryError for others."""
    with placed(text):
        return operations(events(text))


@contextmanager
def placed(text: str) -> Iterator[None]:
    """Let an EventError of the block name the line, where `text` has an event a line."""
    try:
        yield
    except EventError as error:
        if not _JSON.match(text.lstrip()):
            raise
        raise HistoryError(f"line {_line(text, error.position)}: {error.why}") from error


def _line(text: str, position: int) -> int:
    """Return the number of the line of JSON that holds the event at `position`."""
    lines = (n for n, line in enumerate(text.splitlines(), 1) if line.strip() and _is_event(line))
    return next(itertools.islice(lines, position, None))


def _is_event(line: str) -> bool:
    return _decode(line).get("type") in TYPES


def events(text: str) -> Iterator[Event]:
    """Return the events of a history in any of the forms."""
    start = text.lstrip()
    if _JSON.match(start):
        return json_lines(text)
    if _LOG_LINE.search(text, 0, 10_000):
        return jepsen_log(text)
    if start[:1] in ("{", "[", "(", ";", "#"):
        return jepsen_edn(text)
    raise HistoryError(
        f"not a history: it begins with {start[:30]!r}; "
        "known forms: JSON Lines, Jepsen's EDN, Jepsen's log"
    )


def jepsen_log(text: str) -> Iterator[Event]:
    """Lines `INFO jepsen.util - process :type :f value`, as printed while a test runs."""
    for line in _LOG_LINE.finditer(text):
        process, kind, f, value = line.groups()
        if kind in TYPES:
            yield Event(kind, _process(process), f, _one(value))


def _process(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() else text.lstrip(":")


_SIMPLE = re.compile(r"(-?\d+)\s*$")


def _one(text: str) -> Any:
    number = _SIMPLE.match(text)
    return int(number[1]) if number else next(edn.parse(text), None)


def jepsen_edn(text: str) -> Iterator[Event]:
    """Maps with :process, :type, :f, :value and perhaps :key and :time, in a vector or bare.

    A value that is a pair of :key and value under Jepsen's `independent` is written as
    `[key value]` with the tag of a map entry; pass such histories through `independent`.
    """
    for value in edn.parse(text):
        for item in (value,) if isinstance(value, dict) else value:
            if not isinstance(item, dict) or "type" not in item or "process" not in item:
                raise HistoryError(f"no event: {str(item)[:60]}")
            if item["type"] in TYPES:
                yield Event(
                    item["type"],
                    item["process"],
                    item.get("f", ""),
                    freeze(item.get("value")),
                    freeze(item.get("key")),
                    item.get("time"),
                )


def independent(events: Iterable[Event]) -> Iterator[Event]:
    """Split values that are (key, value) pairs, as Jepsen's `independent` writes them."""
    for event in events:
        if not isinstance(event.value, tuple) or len(event.value) != 2:
            yield event
            continue
        key, value = event.value
        yield Event(event.type, event.process, event.f, value, key, event.time_ns)


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def json_lines(text: str) -> Iterator[Event]:
    """One JSON object a line: type, process, f, value, key, time_ns.

    Other types of line are skipped: a trace of a simulation is a history too.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = _decode(line)
        except msgspec.DecodeError as error:
            raise HistoryError(f"line {number}: not JSON: {error}") from error
        if not isinstance(item, dict):
            raise HistoryError(f"line {number}: not an object")
        if item.get("type") not in TYPES:
            continue
        if "process" not in item:
            raise HistoryError(f"line {number}: no process")
        yield Event(
            item["type"],
            item["process"],
            item.get("f", ""),
            freeze(item.get("value")),
            freeze(item.get("key")),
            item.get("time_ns"),
        )


def to_json_lines(events: Iterable[Event]) -> Iterator[str]:
    """Yield the line, without its end, of each event; None and absent fields are left out."""
    for event in events:
        item = {"type": event.type, "process": event.process, "f": event.f}
        if event.value is not None:
            item["value"] = event.value
        if event.key is not None:
            item["key"] = event.key
        if event.time_ns is not None:
            item["time_ns"] = event.time_ns
        yield _encode(item).decode()
