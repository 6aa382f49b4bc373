"""One TCP connection with a peer: the greeting, then frames.  Any bytes from the other side give a
frame or a closed connection.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

import structlog

from comitia.kernel import NodeId
from comitia.net import frames, greeting
from comitia.net.frames import FrameError, FrameReader
from comitia.net.greeting import Greeting, GreetingError
from comitia.net.segment import Identity

GREETING_S = 5.0
"""How long a connection may take to say who it is."""
STRANGERS = 64
"""Connections that have not said yet who they are, at most."""
SILENCE_S = 5.0
"""A peer that gives no sign of life for this long is dialled anew."""

log = structlog.get_logger("comitia.links")


class Switchboard(Protocol):
    """Who owns the connections."""

    identity: Identity
    nonce: bytes
    strangers: dict[Inbound, None]
    bad_bytes: int

    def greet(self, to: NodeId, nonce: bytes) -> bytes:
        """Return a greeting for `to`."""

    def on_inbound(self, src: NodeId, inbound: Inbound, hello: Greeting) -> None:
        """`src` dialled in."""

    def on_inbound_lost(self, src: NodeId, inbound: Inbound) -> None:
        """A connection of `src` is gone."""

    def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None:
        """`src` sent this."""

    def on_welcome(self, peer: NodeId, welcome: Greeting) -> None:
        """`peer` takes frames from now on."""

    def on_refused(self, peer: NodeId, reason: str) -> None:
        """`peer` wants nothing to do with this node."""

    def on_pong(self, peer: NodeId, rtt_s: float) -> None:
        """A ping came back."""


class Inbound(asyncio.Protocol):
    """A connection that a peer dialled: greeting first, then its frames."""

    def __init__(self, links: Switchboard) -> None:
        self._links = links
        self._reader = FrameReader()
        self.transport: asyncio.Transport | None = None
        self.src: NodeId | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = transport = cast(asyncio.Transport, transport)
        no_delay(transport)
        strangers = self._links.strangers
        if len(strangers) >= STRANGERS:  # a peer speaks at once: who is silent longest goes
            oldest = next(iter(strangers))
            del strangers[oldest]
            oldest.close()
        strangers[self] = None
        self._deadline = asyncio.get_running_loop().call_later(GREETING_S, transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._links.strangers.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        if self.src is not None:
            self._links.on_inbound_lost(self.src, self)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        try:
            for kind, payload in self._reader.feed(data):
                if self.transport.is_closing():
                    return
                if self.src is None:
                    self._greeted(kind, payload)
                elif kind == frames.PING:
                    self.transport.write(frames.frame(frames.PONG, payload[:8]))
                else:
                    self._links.on_frame(self.src, kind, payload)
        except (FrameError, GreetingError) as error:
            self._links.bad_bytes += 1
            peer = self.transport.get_extra_info("peername")
            log.warning("connection closed", peer=peer, node=self.src, reason=str(error))
            self.transport.abort()

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""
        assert self.transport is not None
        if paused and self.transport.is_reading():
            self.transport.pause_reading()
        elif not paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def _greeted(self, kind: int, payload: bytes) -> None:
        assert self.transport is not None
        if kind != frames.HELLO:
            raise FrameError(f"a frame of kind {kind} before any greeting")
        hello = greeting.decode(payload)
        reason = greeting.objection(hello, self._links.identity)
        if reason is not None:
            peer = self.transport.get_extra_info("peername")
            log.warning("greeting refused", peer=peer, node=hello.identity.node, reason=reason)
            self.transport.write(frames.frame(frames.REFUSED, reason.encode()))
            self.transport.close()
            return
        self.src = hello.identity.node
        self._reader.limit = frames.LIMIT
        self._links.strangers.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        welcome = self._links.greet(self.src, hello.nonce)
        self.transport.write(frames.frame(frames.WELCOME, welcome))
        self._links.on_inbound(self.src, self, hello)


class Outbound(asyncio.Protocol):
    """A connection that this node dialled, on which it sends to one peer."""

    def __init__(self, links: Switchboard, peer: NodeId) -> None:
        self._links, self._peer = links, peer
        self._reader = FrameReader()
        self.transport: asyncio.Transport | None = None
        self.ready = self.welcomed = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting: list[bytes] = []
        self.heard_s = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = transport = cast(asyncio.Transport, transport)
        no_delay(transport)
        transport.write(
            frames.frame(frames.HELLO, self._links.greet(self._peer, self._links.nonce))
        )

    def connection_lost(self, error: Exception | None) -> None:
        self.ready = False
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        try:
            for kind, payload in self._reader.feed(data):
                self._answered(kind, payload)
        except (FrameError, GreetingError) as error:
            self._links.bad_bytes += 1
            log.warning("connection closed", node=self._peer, reason=str(error))
            self.transport.abort()

    def _answered(self, kind: int, payload: bytes) -> None:
        now_s = asyncio.get_running_loop().time()
        self.heard_s = now_s
        if kind == frames.PONG and len(payload) == 8:
            self._links.on_pong(self._peer, now_s - int.from_bytes(payload, "big") / 1e6)
        elif kind == frames.WELCOME and not self.ready:
            welcome = greeting.decode(payload)
            if welcome.identity.node != self._peer or welcome.nonce != self._links.nonce:
                raise GreetingError(f"n{welcome.identity.node} answered in place of n{self._peer}")
            self.ready = self.welcomed = True
            self._reader.limit = frames.LIMIT
            self._links.on_welcome(self._peer, welcome)
        elif kind == frames.REFUSED:
            reason = payload[:500].decode(errors="replace")
            log.warning("refused by peer", node=self._peer, reason=reason)
            self._links.on_refused(self._peer, reason)
        else:
            raise FrameError(f"an answer of kind {kind}")

    def ping(self) -> None:
        """Ask for a sign of life; give up on a peer that has given none for long."""
        assert self.transport is not None
        now_s = asyncio.get_running_loop().time()
        if now_s - self.heard_s > SILENCE_S:
            self.transport.abort()
        elif self.ready:
            self.transport.write(frames.frame(frames.PING, int(now_s * 1e6).to_bytes(8, "big")))

    def queued(self) -> int:
        """Return the bytes that the peer has not taken yet, those of this turn aside."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def flush(self) -> None:
        """Write what waits: one write a turn."""
        assert self.transport is not None
        data = self.waiting[0] if len(self.waiting) == 1 else b"".join(self.waiting)
        self.waiting.clear()
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Close at once, whatever waits."""
        if self.transport is not None:
            self.transport.abort()


def no_delay(transport: asyncio.Transport) -> None:
    """Send small frames at once, and notice a peer whose machine vanished."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
