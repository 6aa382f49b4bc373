"""Who speaks: what two nodes tell each other before anything else, and when they part at once."""

from __future__ import annotations

import msgspec

from comitia.kernel import NodeId
from comitia.kernel.message import Record
from comitia.net.book import Place
from comitia.net.segment import Identity

WIRE = 1
"""Grows when frames or their kinds change meaning."""


class Greeting(Record):
    """Says who dials whom (in a HELLO) or who was reached (in a WELCOME)."""

    wire: int
    identity: Identity
    to: NodeId
    nonce: bytes
    """Drawn when a process starts; a WELCOME repeats the dialler's."""
    places: tuple[Place, ...]
    """Where this node believes the members are."""


class GreetingError(ValueError):
    """These bytes are no greeting."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Greeting).decode


def encode(greeting: Greeting) -> bytes:
    """Return the payload of a HELLO or WELCOME."""
    return _encode(greeting)


def decode(payload: bytes) -> Greeting:
    """Return the greeting in `payload`; raises GreetingError."""
    try:
        return _decode(payload)
    except msgspec.MsgspecError as error:
        raise GreetingError(f"no greeting: {error}") from error


def objection(theirs: Greeting, mine: Identity) -> str | None:
    """Return why a node that is `mine` does not talk to who said `theirs`; None if it does."""
    them = theirs.identity
    for what, want, got in (
        ("wire version", WIRE, theirs.wire),
        ("cluster", mine.cluster, them.cluster),
        ("protocol", mine.protocol, them.protocol),
        ("protocol version", mine.version, them.version),
        ("addressee", mine.node, theirs.to),
    ):
        if want != got:
            return f"{what} {got!r}; this node (n{mine.node}) wants {want!r}"
    if them.node == mine.node:
        return f"another node says that it is n{mine.node}"
    return None
