"""Messages: frozen records, built, compared, hashed and encoded in C.

Every protocol declares its own in its `messages.py`, under the names of its paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import msgspec

R = TypeVar("R", bound="Record")

if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, order_default=False)
    class Record:
        """An immutable value with named fields; see below."""

        def __init_subclass__(
            cls,
            *,
            order: bool = False,
            tag: bool | str | int | None = None,
            kw_only: bool = False,
        ) -> None: ...

else:

    class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
        """An immutable value with named fields: entries, ballots, certificates.

        Fields hold immutable values only (numbers, bytes, str, tuples, frozensets, records): the
        garbage collector is told not to look inside.  `order=True` in a subclass orders it by its
        fields, first field first.  Records of different types are never equal.
        """


if TYPE_CHECKING:

    def replace(record: R, /, **changes: Any) -> R:
        """Return `record` with some fields changed (70 ns)."""

else:
    from msgspec.structs import replace as replace


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True)
    class Message(Record):
        """Base of everything that crosses the network; its type's name travels with it."""

else:

    class Message(Record, tag=True):
        """Base of everything that crosses the network; its type's name travels with it."""
