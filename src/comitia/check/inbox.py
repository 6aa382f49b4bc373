"""What waits for one node: the network, cut up by receiver, under each of its semantics.

A box is a tuple of envelope numbers.  Where order means nothing it is sorted, so that equal
contents are equal boxes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Protocol

from comitia.kernel import Network

Box = tuple[int, ...]


class Inbox(Protocol):
    """How messages wait, arrive and get lost."""

    ordered: bool
    """Does a message that the receiver ignores still have to be taken away?"""

    def put(self, box: Box, envelopes: Iterable[int]) -> Box:
        """Return `box` after `envelopes` were sent to it, in this order."""

    def takes(self, box: Box) -> list[tuple[int, Box]]:
        """Return (envelope, what is left) for every message that may arrive next."""

    def losses(self, box: Box) -> list[tuple[int, Box]]:
        """Return (envelope, what is left) for every message that may be lost next."""


def _each_but_one(box: Box) -> list[tuple[int, Box]]:
    return [
        (envelope, box[:index] + box[index + 1 :])
        for index, envelope in enumerate(box)
        if not index or box[index - 1] != envelope
    ]


class Bag:
    """Any order, every copy once."""

    ordered = False

    def put(self, box: Box, envelopes: Iterable[int]) -> Box:
        after = list(box)
        for envelope in envelopes:
            insort(after, envelope)
        return tuple(after)

    def takes(self, box: Box) -> list[tuple[int, Box]]:
        return _each_but_one(box)

    def losses(self, box: Box) -> list[tuple[int, Box]]:
        return _each_but_one(box)


class Set(Bag):
    """Any order; equal messages in flight are one."""

    def put(self, box: Box, envelopes: Iterable[int]) -> Box:
        return tuple(sorted({*box, *envelopes}))


class Duplicating(Set):
    """Any order, any number of times."""

    def takes(self, box: Box) -> list[tuple[int, Box]]:
        return [(envelope, box) for envelope in box]


class Fifo:
    """In order on each link: the box holds one run of envelopes a sender."""

    ordered = True

    def __init__(self, sender: Callable[[int], int]) -> None:
        """`sender` tells whom an envelope is from."""
        self._sender = sender

    def put(self, box: Box, envelopes: Iterable[int]) -> Box:
        # A stable sort by sender keeps the order of each link, and forgets the order of links.
        return tuple(sorted((*box, *envelopes), key=self._sender))

    def takes(self, box: Box) -> list[tuple[int, Box]]:
        sender = self._sender
        return [
            (envelope, box[:index] + box[index + 1 :])
            for index, envelope in enumerate(box)
            if not index or sender(box[index - 1]) != sender(envelope)
        ]

    def losses(self, box: Box) -> list[tuple[int, Box]]:
        return [(envelope, box[:i] + box[i + 1 :]) for i, envelope in enumerate(box)]


def inbox_of(network: Network, sender: Callable[[int], int]) -> Inbox:
    """Return the inbox for these semantics."""
    match network:
        case Network.SET:
            return Set()
        case Network.BAG:
            return Bag()
        case Network.DUPLICATING:
            return Duplicating()
        case Network.FIFO:
            return Fifo(sender)
