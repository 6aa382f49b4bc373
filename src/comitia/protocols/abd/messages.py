"""Timestamps, messages and requests of the ABD register."""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Record, Request

Key = bytes
Value = bytes | None


class Timestamp(Record, order=True):
    """When a value was written: by `counter`, then by `writer`, so that two writers never tie."""

    counter: int = 0
    writer: NodeId = 0


class Tagged(Record):
    """A replica's copy of one register."""

    timestamp: Timestamp = Timestamp()
    value: Value = None


class ReadRegister(Request):
    """Answered with the value, None when there is none."""

    token: int
    key: Key


class WriteRegister(Request):
    """Write `value` (None: nothing is there any more); answered with None."""

    token: int
    key: Key
    value: Value


class Query(Message):
    """What do you hold under `key`?  `number` tells this member's phases apart."""

    number: int
    key: Key


class Held(Message):
    """The replica's copy."""

    number: int
    tagged: Tagged


class Store(Message):
    """Keep `tagged` under `key`, unless what you hold is newer."""

    number: int
    key: Key
    tagged: Tagged


class Stored(Message):
    """The replica holds what it was sent, or newer."""

    number: int
