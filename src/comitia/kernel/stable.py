"""What must reach the disk: the difference between two states of a node, as bytes, and back.

A node rebinds values, so whoever runs it finds what changed by comparing the stable attributes
before and after a turn, and writes only that: for a `Log` its new suffix, for a `Table` the keys
that changed, for anything else the new value.  Replaying the differences in order gives the state
back.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from comitia.kernel.codec import DecodeError
from comitia.kernel.log import Log
from comitia.kernel.node import Node
from comitia.kernel.table import Table

Values = tuple[Any, ...]
_Index = Annotated[int, msgspec.Meta(ge=0)]


class StableCodec:
    """Differences of the stable attributes of one class of node."""

    def __init__(self, node_type: type[Node]) -> None:
        """Raises TypeError when a stable attribute is not annotated with its type."""
        self.names = node_type.stable
        hints = get_type_hints(node_type)
        if missing := [name for name in self.names if name not in hints]:
            raise TypeError(f"{node_type.__name__}: annotate the stable attributes {missing}")
        self._types = tuple(hints[name] for name in self.names)
        self._decoders = tuple(_decoder(hint) for hint in self._types)
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode
        self._changes = msgspec.msgpack.Decoder(list[tuple[_Index, msgspec.Raw]])
        getter: Callable[[Node], Any] = attrgetter(*self.names) if self.names else lambda node: ()
        self._get = (lambda node: (getter(node),)) if len(self.names) == 1 else getter

    def values(self, node: Node) -> Values:
        """Return the stable attributes of `node`, in the order of its declaration."""
        values: Values = self._get(node)
        return values

    def difference(self, old: Values | None, new: Values) -> bytes:
        """Return what turns `old` into `new`, empty when nothing changed.

        `old` None stands for a disk that holds nothing: then everything is written.
        """
        changes: list[tuple[int, object]] = []
        for index, value in enumerate(new):
            before = None if old is None else old[index]
            if old is not None and (value is before or value == before):
                continue
            if isinstance(value, Log):
                changes.append((index, _splice(before, value)))
            elif isinstance(value, Table):
                changes.append((index, value.difference(before or Table())))
            else:
                changes.append((index, value))
        return self._encode(changes) if changes else b""

    def apply(self, old: Values | None, difference: bytes) -> Values:
        """Return the state that `difference` leads to from `old`.

        Raises DecodeError when the bytes are no difference of this class of node.
        """
        values = list(old) if old is not None else [None] * len(self.names)
        try:
            for index, raw in self._changes.decode(difference):
                value = self._decoders[index](raw)
                if get_origin(self._types[index]) is Log:
                    value = _spliced(values[index], *value)
                elif get_origin(self._types[index]) is Table:
                    value = (values[index] or Table()).apply(*value)
                values[index] = value
        except (msgspec.MsgspecError, ValueError, IndexError, AssertionError) as error:
            raise DecodeError(f"no difference of {', '.join(self.names)}: {error}") from error
        return tuple(values)

    def restore(self, node: Node, values: Values) -> None:
        """Give `node` the stable attributes that survived."""
        for name, value in zip(self.names, values, strict=True):
            setattr(node, name, value)


def _decoder(hint: Any) -> Callable[[msgspec.Raw], Any]:
    if get_origin(hint) is Log:
        (item,) = get_args(hint)
        hint = tuple[int, int, tuple[item, ...]]  # type: ignore[valid-type]
    elif get_origin(hint) is Table:
        key, item = get_args(hint)
        hint = tuple[tuple[key, ...], tuple[tuple[key, item], ...]]  # type: ignore[valid-type]
    return msgspec.msgpack.Decoder(hint).decode


def _splice(old: Log[Any] | None, new: Log[Any]) -> tuple[int, int, tuple[Any, ...]]:
    """(first, keep, items): keep the old items at `first` to `keep`, then add `items`."""
    if old is None or old.last < new.first - 1 or old.first > new.first:
        return new.first, new.first - 1, tuple(new)
    keep = old.shared_until(new)
    return new.first, keep, new.slice(keep + 1, new.last)


def _spliced(old: Log[Any] | None, first: int, keep: int, items: tuple[Any, ...]) -> Log[Any]:
    if old is None or keep < first:
        assert keep == first - 1, "a suffix of a log that is not there"
        return Log(items, first)
    log = old.cut_after(keep)
    if first > log.first:
        log = log.cut_before(first)
    return log.append(items)
