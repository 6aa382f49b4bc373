"""The two laws of a node, checked.  Every test runtime uses these; a production host need not.

`ValuesLaw` catches a step that changes a value in place, or binds one that cannot be hashed.
`DiskBeforeWire` catches a runtime that lets a message go before the state it speaks of is durable.
"""

from __future__ import annotations

from typing import Any

from comitia.kernel.log import Log
from comitia.kernel.node import Node
from comitia.kernel.stable import StableCodec, Values
from comitia.kernel.table import Table


class LawBroken(AssertionError):
    """A node or a runtime broke a law of the contract; the text names the attribute."""


def _seal(value: Any) -> int:
    # Logs and tables remember their hash; ask their items, or a change in place would hide there.
    if isinstance(value, Log):
        return hash((value.first, *value))
    return hash(tuple(value.items())) if isinstance(value, Table) else hash(value)


class ValuesLaw:
    """Every attribute holds an immutable, hashable value; a step only rebinds attributes."""

    def __init__(self, node: Node) -> None:
        """Seal the state of `node` before a step; call `check` after it."""
        self._node = node
        self._sealed = {name: (value, self._hash(name, value)) for name, value in _state(node)}

    def _hash(self, name: str, value: Any) -> int:
        try:
            return _seal(value)
        except TypeError as error:
            where = f"{type(self._node).__name__}.{name}"
            raise LawBroken(
                f"{where} holds a value that can change ({error}); use a tuple, frozenset, "
                "Map, Log or Record"
            ) from error

    def check(self) -> None:
        """Raise LawBroken if the step changed a value in place or bound a mutable one.

        What the step has left is sealed for the next `check`.
        """
        for name, (value, seal) in self._sealed.items():
            if self._hash(name, value) != seal:
                where = f"{type(self._node).__name__}.{name}"
                raise LawBroken(f"{where} was changed in place; bind a new value instead")
        before = self._sealed
        self._sealed = {
            name: kept
            if (kept := before.get(name)) is not None and kept[0] is value
            else (value, self._hash(name, value))
            for name, value in _state(self._node)
        }


def _state(node: Node) -> list[tuple[str, Any]]:
    return list(vars(node).items())


class DiskBeforeWire:
    """Nothing a turn said leaves before the stable state of that turn is on disk."""

    def __init__(self, codec: StableCodec) -> None:
        self._codec = codec
        self._durable: Values | None = None

    def on_durable(self, values: Values) -> None:
        """The disk now holds these stable attributes."""
        self._durable = values

    def on_release(self, node: Node) -> None:
        """The runtime is about to release what `node` said; raise LawBroken if it is too early."""
        for name, now, disk in zip(
            self._codec.names,
            self._codec.values(node),
            self._durable or (None,) * len(self._codec.names),
            strict=True,
        ):
            if self._durable is None or (now is not disk and now != disk):
                raise LawBroken(
                    f"{type(node).__name__}.{name} is {now!r}, the disk holds {disk!r}, "
                    "and a message is leaving"
                )
