"""Snapshots on their way to peers that are too far behind: in pieces, resumed where they stopped.

sender                              receiver
  OFFER(which, message)       ->
                              <-      PROGRESS(which, bytes that are here)
  CHUNK(which, offset, data)  ->      ... and a PROGRESS for each
                                      all here: checked, synced, renamed, handed over
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from comitia.kernel import NodeId, Slot
from comitia.kernel.message import Record
from comitia.net import frames
from comitia.net.frames import FrameError
from comitia.net.links import Links
from comitia.net.snapshots import (
    Identification,
    SnapshotError,
    check,
    identify,
    snapshot_path,
)
from comitia.net.wal import sync_directory

PIECE_BYTES = 128 << 10
WINDOW_BYTES = 1 << 20
"""Under way to one peer at most, so that messages never wait long behind a snapshot."""
STALLED_S = 1.0
"""Without progress for this long a repeated offer asks where to go on."""

log = structlog.get_logger("comitia.snapshots")


class Offer(Record):
    which: Identification
    message: bytes


class Chunk(Record):
    which: Identification
    offset: int
    data: bytes


class Progress(Record):
    which: Identification
    here: int


_encode = msgspec.msgpack.Encoder().encode
_offer = msgspec.msgpack.Decoder(Offer).decode
_chunk = msgspec.msgpack.Decoder(Chunk).decode
_progress = msgspec.msgpack.Decoder(Progress).decode


class Sending:
    """One snapshot under way to one peer."""

    def __init__(self, which: Identification, message: bytes, fd: int, now_s: float) -> None:
        self.which, self.message, self.fd = which, message, fd
        self.sent = self.acknowledged = 0
        self.asked = True
        self.progress_s = now_s


class Receiving:
    """One snapshot under way from one peer."""

    def __init__(self, offer: Offer, path: Path) -> None:
        self.offer, self.path = offer, path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self.here = 0
        self.checking = False


class Transfers:
    """All snapshots under way to and from this node."""

    def __init__(
        self, links: Links, directory: Path, arrived: Callable[[NodeId, bytes, Slot], None]
    ) -> None:
        """`arrived(src, message, slot)` is called when the snapshot of `slot` is durable here."""
        self._links, self._directory, self._arrived = links, directory, arrived
        self._sending: dict[NodeId, Sending] = {}
        self._receiving: dict[NodeId, Receiving] = {}
        self._done: dict[NodeId, Identification] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def receiving(self) -> bool:
        """Whether a snapshot is arriving."""
        return bool(self._receiving)

    def send(self, to: NodeId, message: bytes, slot: Slot) -> None:
        """Bring the snapshot of `slot` with `message` to `to`; resume it when it is under way."""
        now_s = asyncio.get_running_loop().time()
        sending = self._sending.get(to)
        if sending is None:
            path = snapshot_path(self._directory, slot)
            which = identify(path, slot)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            sending = self._sending[to] = Sending(which, message, fd, now_s)
            log.info("sending snapshot", node=to, slot=slot, bytes=which.size)
        elif now_s - sending.progress_s < STALLED_S:
            return
        sending.progress_s = now_s
        self._ask(to, sending)

    def on_linked(self, peer: NodeId) -> None:
        """A new connection: what was under way on the old one may be lost."""
        if (sending := self._sending.get(peer)) is not None:
            self._ask(peer, sending)

    def _ask(self, to: NodeId, sending: Sending) -> None:
        sending.asked = True
        self._links.send(to, frames.OFFER, _encode(Offer(sending.which, sending.message)))

    def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None:
        """Handle an OFFER, CHUNK or PROGRESS.  Raises FrameError."""
        try:
            if kind == frames.OFFER:
                self._on_offer(src, _offer(payload))
            elif kind == frames.CHUNK:
                self._on_chunk(src, _chunk(payload))
            else:
                assert kind == frames.PROGRESS
                self._on_progress(src, _progress(payload))
        except msgspec.MsgspecError as error:
            raise FrameError(f"no frame of a snapshot: {error}") from error

    def _on_progress(self, src: NodeId, progress: Progress) -> None:
        sending = self._sending.get(src)
        if sending is None or sending.which != progress.which:
            return
        if sending.asked:
            sending.asked, sending.sent = False, min(progress.here, sending.which.size)
        sending.acknowledged = max(0, min(progress.here, sending.sent))
        sending.progress_s = asyncio.get_running_loop().time()
        if progress.here > sending.which.size:  # the receiver has handed it to its node
            os.close(sending.fd)
            del self._sending[src]
            log.info("snapshot sent", node=src, slot=sending.which.slot)
            return
        while sending.sent < min(sending.acknowledged + WINDOW_BYTES, sending.which.size):
            data = os.pread(sending.fd, PIECE_BYTES, sending.sent)
            chunk = Chunk(sending.which, sending.sent, data)
            if not data or not self._links.send(src, frames.CHUNK, _encode(chunk)):
                return
            sending.sent += len(data)

    def _on_offer(self, src: NodeId, offer: Offer) -> None:
        which = offer.which
        receiving = self._receiving.get(src)
        if receiving is not None and receiving.offer.which == which:
            receiving.offer = offer
            self._tell(src, which, receiving.here)
            return
        if self._done.get(src) == which and snapshot_path(self._directory, which.slot).exists():
            self._hand_over(src, offer)
            return
        if receiving is not None:
            if receiving.checking:
                return
            self._give_up(src, receiving)
        path = self._directory / f"{which.slot:016x}-from-{src}.receiving"
        try:
            self._receiving[src] = Receiving(offer, path)
        except OSError as error:
            log.error("cannot receive a snapshot", node=src, error=str(error))
            return
        log.info("receiving snapshot", node=src, slot=which.slot, bytes=which.size)
        self._tell(src, which, 0)

    def _tell(self, src: NodeId, which: Identification, here: int) -> None:
        self._links.send(src, frames.PROGRESS, _encode(Progress(which, here)))

    def _on_chunk(self, src: NodeId, chunk: Chunk) -> None:
        receiving = self._receiving.get(src)
        if receiving is None or receiving.offer.which != chunk.which or receiving.checking:
            return
        if chunk.offset == receiving.here and receiving.here + len(chunk.data) <= chunk.which.size:
            try:
                receiving.here += os.pwrite(receiving.fd, chunk.data, receiving.here)
            except OSError as error:
                log.error("cannot receive a snapshot", node=src, error=str(error))
                self._give_up(src, receiving)
                return
        self._tell(src, chunk.which, receiving.here)
        if receiving.here == chunk.which.size:
            receiving.checking = True
            task = asyncio.create_task(self._complete(src, receiving))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _complete(self, src: NodeId, receiving: Receiving) -> None:
        which = receiving.offer.which
        path = snapshot_path(self._directory, which.slot)
        try:
            await asyncio.to_thread(_install, receiving, self._directory, path)
        except (OSError, SnapshotError) as error:
            log.error("snapshot dropped", node=src, slot=which.slot, error=str(error))
            self._give_up(src, receiving)
            return
        os.close(receiving.fd)
        del self._receiving[src]
        self._done[src] = which
        log.info("snapshot received", node=src, slot=which.slot, bytes=which.size)
        self._hand_over(src, receiving.offer)

    def _hand_over(self, src: NodeId, offer: Offer) -> None:
        self._arrived(src, offer.message, offer.which.slot)
        self._tell(src, offer.which, offer.which.size + 1)
        self._links.flush()

    def _give_up(self, src: NodeId, receiving: Receiving) -> None:
        os.close(receiving.fd)
        receiving.path.unlink(missing_ok=True)
        del self._receiving[src]

    def close(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        transfers: list[Any] = [*self._sending.values(), *self._receiving.values()]
        for transfer in transfers:
            os.close(transfer.fd)
        self._sending.clear()
        self._receiving.clear()


def _install(receiving: Receiving, directory: Path, path: Path) -> None:
    os.fsync(receiving.fd)
    check(receiving.path)
    receiving.path.rename(path)
    sync_directory(directory)
