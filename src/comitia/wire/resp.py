"""RESP, the protocol of Redis: bytes of replies, in versions 2 and 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from comitia.machines.reply import OK, Failure, NullArray, Reply

Encode = Callable[[Reply], bytes]


class Verbatim(bytes):
    """Text for people, which RESP3 tells from other strings."""


def _status(reply: str) -> bytes:
    return b"+%b\r\n" % reply.encode()


def _failure(reply: Failure) -> bytes:
    text = reply.text.encode("utf-8", "surrogateescape")
    return b"-%b\r\n" % text.replace(b"\r", b" ").replace(b"\n", b" ")


def _bulk(reply: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(reply), reply)


def _integer(reply: int) -> bytes:
    return b":%d\r\n" % reply


def _decimal(reply: float) -> str:
    return repr(reply).removesuffix(".0")


def _encoder(version: int) -> Encode:
    def array(reply: Sequence[Reply]) -> bytes:
        return b"*%d\r\n" % len(reply) + b"".join(map(encode, reply))

    def pairs(reply: dict[bytes, Reply]) -> bytes:
        items = b"".join([encode(item) for pair in reply.items() for item in pair])
        if version == 2:
            return b"*%d\r\n" % (2 * len(reply)) + items
        return b"%%%d\r\n" % len(reply) + items

    def null_array(reply: NullArray) -> bytes:
        return b"*-1\r\n" if version == 2 else b"_\r\n"

    def null(reply: None) -> bytes:
        return b"$-1\r\n" if version == 2 else b"_\r\n"

    def decimal(reply: float) -> bytes:
        if version == 2:
            return _bulk(_decimal(reply).encode())
        return b",%b\r\n" % _decimal(reply).encode()

    def verbatim(reply: Verbatim) -> bytes:
        return _bulk(reply) if version == 2 else b"=%d\r\ntxt:%b\r\n" % (len(reply) + 4, reply)

    encoders: dict[type, Callable[[Any], bytes]] = {
        bytes: _bulk,
        Verbatim: verbatim,
        int: _integer,
        str: _status,
        type(None): null,
        Failure: _failure,
        NullArray: null_array,
        list: array,
        tuple: array,
        dict: pairs,
        float: decimal,
    }

    def encode(reply: Reply) -> bytes:
        return encoders[type(reply)](reply)

    return encode


ENCODERS: dict[int, Encode] = {2: _encoder(2), 3: _encoder(3)}
"""How to write a reply, by the version of the protocol."""


def join(replies: Sequence[Reply], version: int) -> bytes:
    """Return the bytes of `replies`, one after the other."""
    encode = ENCODERS[version]
    return b"".join([b"+OK\r\n" if reply is OK else encode(reply) for reply in replies])


def bulk_command(args: Sequence[bytes]) -> bytes:
    """Return the bytes of a command, as clients send it."""
    return b"*%d\r\n" % len(args) + b"".join(map(_bulk, args))
