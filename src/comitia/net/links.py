"""Links between nodes: TCP, one connection each way, so that each direction can fail alone.

A node dials every other and sends on the connection it dialled; what it reads there is only the
other's welcome and the answers to its pings.  Messages may be lost, by contract: what cannot be
sent, or would overfill a queue, is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections import Counter
from typing import Protocol

import structlog

from comitia.kernel import NodeId
from comitia.net import book as books
from comitia.net import frames, greeting
from comitia.net.book import Address, Book, BookError
from comitia.net.connections import GREETING_S, Inbound, Outbound
from comitia.net.frames import FrameError
from comitia.net.greeting import Greeting
from comitia.net.segment import Identity

QUEUE_BYTES = 64 << 20
"""What may wait to be sent to one peer; more is dropped."""
PING_S = 1.0
BACKOFF_S = (0.05, 2.0)
"""The first and the longest pause before a peer is dialled again; up to half of it is random."""

log = structlog.get_logger("comitia.links")


class Receiver(Protocol):
    """Who gets what peers send."""

    def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None:
        """`src` sent `payload`."""

    def on_linked(self, peer: NodeId) -> None:
        """What is sent to `peer` from now on has a connection to leave on."""


class Links:
    """Every connection of one node with its peers."""

    def __init__(self, identity: Identity, book: Book) -> None:
        self.identity, self.book = identity, book
        self.nonce = os.urandom(16)
        self.strangers: dict[Inbound, None] = {}  # in order of their coming
        self.bad_bytes = self.sent_bytes = self.sent_frames = self.received_bytes = 0
        self.dropped: Counter[NodeId] = Counter()
        self.rtt_ms: dict[NodeId, float] = {}
        self.refusals: dict[NodeId, str] = {}
        """Peers that refused this node's greeting, and why."""
        self._inbound: dict[NodeId, Inbound] = {}
        self._outbound: dict[NodeId, Outbound] = {}
        self._dirty: list[Outbound] = []
        self._dialling: dict[NodeId, asyncio.Task[None]] = {}
        self._nudges: dict[NodeId, asyncio.Event] = {}
        self._server: asyncio.Server | None = None
        self._receiver: Receiver | None = None
        self._paused = False

    async def start(self, listen: Address | socket.socket, receiver: Receiver) -> None:
        """Listen, and dial whoever is in the book.  Raises OSError: the port is taken."""
        self._receiver = receiver
        loop = asyncio.get_running_loop()
        if isinstance(listen, socket.socket):
            self._server = await loop.create_server(lambda: Inbound(self), sock=listen)
        else:
            self._server = await loop.create_server(lambda: Inbound(self), listen.host, listen.port)
        self.book.on_change = self._book_changed
        self._dial_everyone()

    @property
    def connected(self) -> list[NodeId]:
        """The peers that take frames now."""
        return sorted(peer for peer, outbound in self._outbound.items() if outbound.ready)

    def send(self, to: NodeId, kind: int, payload: bytes) -> bool:
        """Queue a frame for `to` until `flush`; False when it was dropped instead."""
        outbound = self._outbound.get(to)
        if outbound is None or not outbound.ready or outbound.queued() > QUEUE_BYTES:
            self.dropped[to] += 1
            return False
        if not outbound.waiting:
            self._dirty.append(outbound)
        outbound.waiting.append(frames.frame(kind, payload))
        self.sent_frames += 1
        self.sent_bytes += len(payload)
        return True

    def flush(self) -> None:
        """Write what was queued, once a connection."""
        for outbound in self._dirty:
            outbound.flush()
        self._dirty.clear()

    def pause(self, paused: bool) -> None:
        """Stop or go on reading from peers: the node cannot keep up."""
        if paused == self._paused:
            return
        self._paused = paused
        for inbound in self._inbound.values():
            inbound.pause(paused)

    async def close(self) -> None:
        """Close every connection and stop listening."""
        tasks = list(self._dialling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for inbound in [*self._inbound.values(), *self.strangers]:
            inbound.close()
        for outbound in self._outbound.values():
            outbound.close()

    def _dial_everyone(self) -> None:
        for place in self.book.places:
            known = place.id in self._dialling or place.id == self.identity.node
            if not known and not place.gone:
                self._dialling[place.id] = asyncio.create_task(self._dial(place.id))

    async def _dial(self, peer: NodeId) -> None:
        pause_s = BACKOFF_S[0]
        while (place := self.book.place(peer)) is not None:
            if await self._dialled(peer, place.peer):
                pause_s = BACKOFF_S[0]
            # Whoever dials in can be reached: then the pause is over.
            nudge = self._nudges[peer] = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s * random.uniform(0.5, 1)):
                    await nudge.wait()
            pause_s = min(2 * pause_s, BACKOFF_S[1])
        del self._dialling[peer]

    async def _dialled(self, peer: NodeId, address: Address) -> bool:
        """Dial `peer` and stay until the connection is lost; say whether it was ever of use."""
        outbound = Outbound(self, peer)
        try:
            async with asyncio.timeout(GREETING_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: outbound, address.host, address.port
                )
        except (OSError, ValueError) as error:  # ValueError: no name of a host
            log.debug("peer not reached", node=peer, address=str(address), error=str(error))
            return False
        self._outbound[peer] = outbound
        try:
            while not outbound.lost.done():
                outbound.ping()
                await asyncio.wait([outbound.lost], timeout=PING_S)
        finally:
            del self._outbound[peer]
            self.rtt_ms.pop(peer, None)
        return outbound.welcomed

    def _book_changed(self) -> None:
        self._dial_everyone()
        for peer in self.connected:
            self.send(peer, frames.BOOK, books.encode(self.book.places))
        self.flush()

    # What connections tell.

    def greet(self, to: NodeId, nonce: bytes) -> bytes:
        places = self.book.places
        return greeting.encode(Greeting(greeting.WIRE, self.identity, to, nonce, places))

    def on_inbound(self, src: NodeId, inbound: Inbound, hello: Greeting) -> None:
        older = self._inbound.get(src)
        if older is not None:
            older.close()  # a peer dials anew when it has given up on the connection before
        self._inbound[src] = inbound
        inbound.pause(self._paused)
        log.info("peer connected", node=src)
        if src in self._nudges:
            self._nudges[src].set()
        self.book.learn(hello.places)

    def on_inbound_lost(self, src: NodeId, inbound: Inbound) -> None:
        if self._inbound.get(src) is inbound:
            del self._inbound[src]
            log.info("peer disconnected", node=src)

    def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None:
        assert self._receiver is not None
        self.received_bytes += len(payload)
        if kind == frames.BOOK:
            try:
                self.book.learn(books.decode(payload))
            except BookError as error:
                raise FrameError(str(error)) from error
        else:
            self._receiver.on_frame(src, kind, payload)

    def on_welcome(self, peer: NodeId, welcome: Greeting) -> None:
        assert self._receiver is not None
        self.refusals.pop(peer, None)
        self.book.learn(welcome.places)
        self._receiver.on_linked(peer)

    def on_refused(self, peer: NodeId, reason: str) -> None:
        self.refusals[peer] = reason

    def on_pong(self, peer: NodeId, rtt_s: float) -> None:
        smoothed = self.rtt_ms.get(peer, rtt_s * 1000)
        self.rtt_ms[peer] = smoothed + (rtt_s * 1000 - smoothed) / 4
