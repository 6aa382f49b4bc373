"""The part of EDN that histories are written in: nil, booleans, numbers, strings, keywords,
symbols, lists, vectors, maps, sets, tagged values and comments.

https://github.com/edn-format/edn.  Keywords become strings without their colon; lists and vectors
tuples; a tag is dropped and its value kept (Jepsen prints records as `#jepsen.history.Op{...}`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from comitia.history.operation import HistoryError

_TOKEN = re.compile(
    r"""[\s,]+ | ;[^\n]* | (?P<open>\#\{|[(\[{]) | (?P<close>[)\]}]) | (?P<discard>\#_)
      | "(?P<string>(?:[^"\\]|\\.)*)" | \\(?P<char>\w+|.) | (?P<tag>\#[\w.\-/]+)
      | (?P<atom>[^\s,()\[\]{}";]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_CLOSE = {"(": ")", "[": "]", "{": "}", "#{": "}"}
_CONSTANTS: dict[str, Any] = {"nil": None, "true": True, "false": False}


class Map(dict[Any, Any]):
    """An EDN map."""


def parse(text: str) -> Iterator[Any]:
    """Yield every value at the top level of `text`; raise HistoryError, with its line, if none."""
    stack: list[tuple[str, list[Any]]] = [("", [])]
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise HistoryError(f"line {_line(text, position)}: not EDN: {text[position:][:20]!r}")
        kind, position = token.lastgroup, token.end()
        if kind is None or kind == "tag":
            continue
        if kind == "open":
            stack.append((token["open"], []))
            continue
        if kind == "close":
            if _CLOSE.get(stack[-1][0]) != token["close"]:
                raise HistoryError(f"line {_line(text, position)}: unexpected {token['close']}")
            opened, items = stack.pop()
            value = _collection(opened, items)
        elif kind == "discard":
            value = _DISCARD
        else:
            value = _scalar(kind, token[kind])
        items = stack[-1][1]
        if items and items[-1] is _DISCARD and value is not _DISCARD:
            items.pop()
            continue
        items.append(value)
        if len(stack) == 1 and value is not _DISCARD:
            yield items.pop()
    if len(stack) != 1:
        raise HistoryError(f"the text ends inside {stack[-1][0]}")


_DISCARD = object()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _collection(opened: str, items: list[Any]) -> Any:
    if opened == "{":
        if len(items) % 2:
            raise HistoryError(f"a map needs a value for each key: {items!r}")
        return Map(zip(items[::2], items[1::2], strict=True))
    return frozenset(items) if opened == "#{" else tuple(items)


def _scalar(kind: str, text: str) -> Any:
    if kind == "string":
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text)
    if kind == "char":
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] == ":":
        return text[1:]
    if text[0].isdigit() or (text[0] in "+-" and len(text) > 1):
        for number in (int, float):
            try:
                return number(text.rstrip("NM"))
            except ValueError:
                continue
    return text
