"""The address book: where members are.  Kept on disk; nodes tell each other what they know.

Who is a *member* the protocol decides; the book only says where to reach a node.  Of two entries
for one node the later stamp wins, so all books come to agree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from comitia.kernel import NodeId
from comitia.kernel.message import Record, replace
from comitia.net.wal import sync_directory


class Address(Record, order=True):
    """A host, by name or number, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, host: str = "127.0.0.1") -> Address:
        """Return the address in `text`: host:port, or a port of `host`.  Raises ValueError."""
        name, _, port = text.rpartition(":")
        if not port.isdecimal() or not 0 <= int(port) < 65536:
            raise ValueError(f"{text!r} is no address: want host:port")
        return cls(name.strip("[]") or host, int(port))


class Place(Record):
    """Where one node is."""

    id: NodeId
    peer: Address
    http: Address | None = None
    stamp: int = 0
    """When this was said, in ms since 1970; 0 for what the configuration says."""
    gone: bool = False
    """Removed from the cluster: not dialled any more."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Place, ...]).decode


class BookError(ValueError):
    """These bytes are no address book."""


class Book:
    """The places this node knows."""

    def __init__(self, path: Path, configured: Iterable[Place]) -> None:
        """Read what is kept at `path` and add `configured`.  Raises BookError."""
        self._path = path
        self._places: dict[NodeId, Place] = {}
        self.on_change: Callable[[], None] = lambda: None
        if path.exists():
            self._places = {place.id: place for place in decode(path.read_bytes())}
        for place in configured:
            known = self._places.get(place.id)
            if known is None or known.stamp == 0:
                self._places[place.id] = place

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place, in order of the ids."""
        return tuple(place for _, place in sorted(self._places.items()))

    def place(self, id: NodeId) -> Place | None:
        """Return where `id` is, if that is known and it is still a member."""
        place = self._places.get(id)
        return None if place is None or place.gone else place

    def learn(self, places: Iterable[Place]) -> None:
        """Take over what is newer in `places`; it is on disk when this returns.

        Who adds a node says only where its peers reach it; the rest the node itself has said, or
        says when it hears of it.
        """
        changed = False
        for place in places:
            known = self._places.get(place.id)
            if known is None:
                pass
            elif place.http is None and place.stamp > known.stamp and place.peer == known.peer:
                place = replace(place, http=known.http)
            elif (place.stamp, place.http is not None) <= (known.stamp, known.http is not None):
                continue
            self._places[place.id] = place
            changed = True
        if changed:
            self._save()
            self.on_change()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        making = self._path.with_suffix(".making")
        with making.open("wb") as file:
            file.write(encode(self.places))
            file.flush()
            os.fsync(file.fileno())
        making.rename(self._path)
        sync_directory(self._path.parent)


def encode(places: tuple[Place, ...]) -> bytes:
    """Return `places` as bytes, for the wire and the disk."""
    return _encode(places)


def decode(data: bytes) -> tuple[Place, ...]:
    """Return the places in `data`; raises BookError."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise BookError(f"no address book: {error}") from error
