"""Replies of machines, as values: front doors turn them into bytes for their clients.

`str` is a status such as OK, `bytes` is data, None is "there is none", a list is an array, a dict
a map; the two types below are the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, Union

import msgspec
from msgspec.msgpack import Ext


class Failure:
    """The command had no effect; `text` begins with a code in capitals, as Redis does it.

    Bytes of a client inside `text` are decoded as UTF-8 with "surrogateescape".
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Failure({self.text!r})"


class NullArray:
    """No array at all where an array could have been: a transaction that was not executed."""

    __slots__ = ()


NULL_ARRAY = NullArray()
OK = "OK"

# A forward reference inside Union: a recursive alias that every supported Python understands.
Reply: TypeAlias = Union[  # noqa: UP007
    int,
    float,
    str,
    bytes,
    Failure,
    NullArray,
    Sequence["Reply"],
    dict[bytes, "Reply"],
    None,
]

_FAILURE, _NULL_ARRAY = 1, 2  # codes of MessagePack extensions


def _extension(reply: Any) -> Ext:
    if isinstance(reply, Failure):
        return Ext(_FAILURE, reply.text.encode("utf-8", "surrogateescape"))
    if isinstance(reply, NullArray):
        return Ext(_NULL_ARRAY, b"")
    raise TypeError(f"{type(reply).__name__} is no reply")


def _from_extension(code: int, data: memoryview) -> Failure | NullArray:
    if code == _FAILURE:
        return Failure(str(data, "utf-8", "surrogateescape"))
    if code == _NULL_ARRAY:
        return NULL_ARRAY
    raise ValueError(f"no reply has code {code}")


pack_replies = msgspec.msgpack.Encoder(enc_hook=_extension).encode
"""Bytes of a value made of replies; equal replies give equal bytes."""

unpack_replies = msgspec.msgpack.Decoder(ext_hook=_from_extension).decode
"""The value in such bytes."""
