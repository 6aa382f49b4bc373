"""Bytes of messages: MessagePack, tagged with the protocol, its version and the message's type.

A frame is the MessagePack array `[protocol, version, [type, field, ...]]`.  Any bytes give a
message or a `DecodeError` that says what was wrong; nothing is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Union

import msgspec

from comitia.kernel.message import Message


class DecodeError(ValueError):
    """These bytes are no message of this protocol and version; the text says why."""


class Codec:
    """Encodes and decodes the messages of one protocol."""

    def __init__(self, protocol: str, version: int, messages: Iterable[type[Message]]) -> None:
        """`version` grows whenever a message's fields change meaning."""
        self.protocol, self.version = protocol, version
        self.messages = tuple(messages)
        assert self.messages, f"{protocol} declares no messages"
        # Sets are written in order: equal messages give equal bytes on every machine.
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode
        union: Any = Union[self.messages]  # noqa: UP007  (made at run time, not an annotation)
        self._decode: Callable[[memoryview], Message] = msgspec.msgpack.Decoder(union).decode
        # The head of a 3-element array: written once, compared as bytes.
        self._head = b"\x93" + self._encode(protocol) + self._encode(version)

    def encode(self, message: Message) -> bytes:
        """Return the frame of `message`."""
        return self._head + self._encode(message)

    def decode(self, frame: bytes) -> Message:
        """Return the message in `frame`.

        Raises DecodeError for another protocol or version, an unknown type, a missing field, a
        wrong type or bytes that are no MessagePack.
        """
        head = self._head
        if not frame.startswith(head):
            raise DecodeError(self._stranger(frame))
        try:
            return self._decode(memoryview(frame)[len(head) :])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DecodeError(f"no {self.protocol} v{self.version} message: {error}") from error

    def _stranger(self, frame: bytes) -> str:
        want = f"want {self.protocol} v{self.version}"
        try:
            protocol, version, _ = msgspec.msgpack.decode(
                frame, type=tuple[str, int, msgspec.Raw], strict=True
            )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return f"{want}, got {len(frame)} bytes that carry no protocol and version"
        return f"{want}, got {protocol[:40]} v{version}"
