"""One node, for real: an event loop that feeds it, a disk it can trust, links to its peers.

The host collects what arrives in one turn of the loop (frames of all peers, timers, requests),
steps the node through it, writes what left early, makes the changed stable attributes durable with
one record and one sync, and then lets go of everything else the node said.  Messages to itself
come back as input of the same turn.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from comitia.kernel import (
    Compact,
    DecodeError,
    Message,
    Node,
    NodeId,
    Propose,
    Protocol,
    Replica,
    Request,
    Slot,
    View,
)
from comitia.kernel.stable import StableCodec
from comitia.net import frames, snapshots
from comitia.net.application import Application
from comitia.net.book import Address
from comitia.net.compaction import Compaction
from comitia.net.frames import FrameError
from comitia.net.links import Links
from comitia.net.operations import Operations
from comitia.net.storage import Storage
from comitia.net.timers import Timers
from comitia.net.transfer import Transfers
from comitia.net.turn import Turn

INBOX = 10_000
"""Inputs that may wait for the disk before peers are not read any more."""
PASSES, SILENCE = 64, 8
"""Times that the loop reads clients again, and in vain, before what has gathered is proposed."""
CLOSING_S = 5.0
"""How long a clean stop waits for the disk."""

Input = tuple[Callable[..., None], tuple[Any, ...]]

log = structlog.get_logger("comitia.host")


class Host:
    """Runs `node` until `failure` fails or it is closed."""

    def __init__(
        self,
        node: Node,
        protocol: Protocol,
        storage: Storage,
        links: Links,
        application: Application,
        directory: Path,
    ) -> None:
        """`directory` holds the snapshots."""
        self.node, self.protocol, self.id = node, protocol, node.id
        self.storage, self.links, self.application = storage, links, application
        self._codec = StableCodec(type(node))
        self.timers = Timers(self._on_due)
        self._snapshots = directory / "snapshots"
        self.transfers = Transfers(links, self._snapshots, self._on_snapshot)
        self.compaction = Compaction(self, self._snapshots)
        self._inbox: list[Input] = []
        self._scheduled = self._turning = False
        self._passes = self._silent = 0  # how often the clients were read again, and in vain
        self._gathered = 0  # what they had asked for then
        self._open = False  # steps were taken and the node's turn has not ended yet
        self.operations = Operations(self)
        self._encoded: tuple[Message | None, bytes] = (None, b"")
        self._snapshot_slot: Slot = 0
        self._leader: NodeId | None = None
        self.applied: Slot = 0
        self.turns = self.leader_changes = self.shed = 0
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails when the node must stop: a bug was found, or the disk failed."""

    async def start(self, listen: Address | socket.socket) -> None:
        """Restore what the disk holds and begin.  Raises what storage, snapshots and links do."""
        values = self.storage.recover()
        if values is not None:
            self._codec.restore(self.node, values)
        self._snapshot_slot = self.snapshot_slot
        snapshots.tidy(self._snapshots, self._snapshot_slot)
        if self._snapshot_slot:
            self._restore(self._snapshot_slot)
        self.storage.on_space = self._on_space
        self.storage.on_failure = self.fail
        gc.collect()
        gc.freeze()  # what was loaded stays: the collector need not look at it again
        log.info("starting", node=self.id, torn=self.storage.wal.torn, applied=self.applied)
        await self.links.start(listen, self)
        self._enter(self.node.on_start)

    async def close(self) -> None:
        """Stop cleanly: what was acknowledged is on disk already."""
        self.timers.close()
        self.compaction.close()
        self._inbox.clear()
        deadline_s = time.monotonic() + CLOSING_S
        while self.storage.in_flight and time.monotonic() < deadline_s:
            assert self.storage.values is not None
            self.storage.commit(self.storage.values, lambda: None)
            await asyncio.sleep(0.005)
        self.transfers.close()
        await self.links.close()
        self.storage.close()

    # What serve uses: see `comitia.net.application.Hosting`.

    def wake(self) -> None:
        """Run a turn as soon as the input at hand has been read."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._guarded_turn)

    def request(self, request: Request) -> None:
        """Hand `request` to the node, in this turn when one is running, else in the next."""
        reason = self.storage.low
        if reason is not None and isinstance(request, Propose):
            # What room is left in the log is for elections, heartbeats and reads.
            self._enter(self._refuse, request, reason)
        else:
            self._enter(self.node.on_request, request)

    def _refuse(self, request: Request, reason: str, turn: Turn) -> None:
        turn.refuse(request, reason)

    def send_application(self, to: NodeId, payload: bytes) -> None:
        """Send `payload` to the application on member `to`, best effort."""
        self.links.send(to, frames.APPLICATION, payload)
        self.wake()

    def now_ms(self) -> int:
        """Wall clock, in ms since 1970."""
        return time.time_ns() // 1_000_000

    # What operators use.

    @property
    def view(self) -> View:
        """What people see of the node."""
        return self.protocol.view(self.node)

    # Input.

    def _enter(self, step: Callable[..., None], *arguments: Any) -> None:
        self._inbox.append((step, arguments))
        if len(self._inbox) == INBOX:
            self.links.pause(True)
        if not self._turning:
            self.wake()

    def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None:
        """`src` sent `payload`.  Raises FrameError."""
        if kind == frames.MESSAGE:
            try:
                message = self.protocol.codec.decode(payload)
            except DecodeError as error:
                raise FrameError(str(error)) from error
            self._enter(self.node.on_message, src, message)
        elif kind == frames.APPLICATION:
            self.application.application_message(src, payload)
            self.wake()
        elif kind in (frames.OFFER, frames.CHUNK, frames.PROGRESS):
            self.transfers.on_frame(src, kind, payload)
            self.wake()
        else:
            raise FrameError(f"a frame of kind {kind}")

    def on_linked(self, peer: NodeId) -> None:
        """Frames to `peer` have a connection again."""
        log.info("linked", node=peer)
        self.transfers.on_linked(peer)
        self.wake()

    def _on_due(self, timer: str) -> None:
        self._enter(self._fire, timer)

    def _fire(self, timer: str, turn: Turn) -> None:
        if self.timers.take(timer):
            self.node.on_timer(timer, turn)

    def _on_snapshot(self, src: NodeId, message: bytes, slot: Slot) -> None:
        try:
            decoded = self.protocol.codec.decode(message)
        except DecodeError as error:
            log.error("snapshot ignored", node=src, slot=slot, error=str(error))
            return
        self._enter(self.node.on_message, src, decoded)

    # The turn.

    def _guarded_turn(self) -> None:
        self._scheduled = False
        if self.failure.done():
            return  # a step that failed half-way must not be built upon
        self._turning = True
        try:
            self._turn()
        except Exception as error:
            self.fail(error)
            raise
        finally:
            self._turning = False

    def _turn(self) -> None:
        self.turns += 1
        storage = self.storage
        if self._gather():
            return
        self._passes = 0
        if not storage.busy or storage.full is not None:
            self.application.before_turn()
        if storage.full is not None:
            self._shed(storage.full)
        if not storage.busy and (self._inbox or self._open or storage.rewriting):
            self._round()
        self.application.after_turn()
        self.links.flush()
        self.compaction.consider()
        if self._inbox and not storage.busy:
            self.wake()

    def _gather(self) -> bool:
        """Step the node through what peers sent; return whether the clients are to be read again.

        Peers come first: what their answers decide need not wait for the disk to take what is
        asked for now.  Clients that were answered thereby ask again at once, so the loop reads
        until all have, or are silent: what they ask shares an entry, a message to each peer,
        which also brings the news of what was decided, and a sync.
        """
        application = self.application
        if self._inbox and not self.storage.busy:
            self._silent = 0
            self._round(ends=not application.serving)
            application.after_turn()
            self.links.flush()
        elif not self._passes:
            return False
        gathered = application.gathered
        self._silent = 0 if gathered > self._gathered else self._silent + 1
        self._gathered = gathered
        if gathered >= application.awaited or self._silent > SILENCE or self._passes == PASSES:
            return False
        self._passes += 1
        self.wake()
        return True

    def _round(self, ends: bool = True) -> None:
        inbox, self._inbox = self._inbox, []
        if len(inbox) >= INBOX:
            self.links.pause(False)
        turn = Turn(self)
        for step, arguments in inbox:
            turn.step()
            step(*arguments, turn)
        self._open = not ends
        if ends:
            turn.step()
            self.node.on_turn(turn)
        if (slot := self.snapshot_slot) != self._snapshot_slot:
            self._snapshot_slot = slot
            turn.hold(self.compaction.done, slot)
        self._note_leader()
        self.links.flush()  # what was sent early overtakes the disk
        self._commit(turn)

    def _commit(self, turn: Turn) -> None:
        self.storage.commit(self._codec.values(self.node), lambda: self._release(turn))

    def _release(self, turn: Turn) -> None:
        if self.failure.done():
            return
        try:
            turn.release()
        except Exception as error:
            self.fail(error)
            raise
        if not self._turning:
            self.wake()  # released by the disk's thread: what follows from it comes next

    def _shed(self, reason: str) -> None:
        """The disk is full: peers' messages are lost, requests refused; timers wait."""
        inbox, self._inbox = self._inbox, []
        self.links.pause(False)
        for step, arguments in inbox:
            if step == self._fire or step == self.node.on_start:
                self._inbox.append((step, arguments))
            elif step == self.node.on_request:
                self.refused(arguments[0], reason)
            else:
                self.shed += 1

    @property
    def snapshot_slot(self) -> Slot:
        """The slot of the snapshot that the node's log starts from."""
        return self.node.snapshot_slot if isinstance(self.node, Replica) else 0

    def _note_leader(self) -> None:
        leader = self.node.leader if isinstance(self.node, Replica) else None
        if leader != self._leader:
            self.leader_changes += leader is not None
            self._leader = leader
            log.info("leader", leader=leader, epoch=self.view.epoch)

    # What a turn lets go of, once it is durable.

    def post(self, to: NodeId, message: Message) -> None:
        """Send `message`; to this node itself, as input of the next round."""
        if to == self.id:
            self._enter(self.node.on_message, to, message)
            return
        if message is not self._encoded[0]:  # a broadcast is encoded once
            self._encoded = (message, self.protocol.codec.encode(message))
        self.links.send(to, frames.MESSAGE, self._encoded[1])

    def post_snapshot(self, to: NodeId, message: Message, slot: Slot) -> None:
        """Send the snapshot of `slot` with `message`."""
        try:
            self.transfers.send(to, self.protocol.codec.encode(message), slot)
        except snapshots.SnapshotError as error:
            log.error("cannot send a snapshot", node=to, error=str(error))

    def apply(self, slot: Slot, value: bytes) -> None:
        """Hand a decided value to the application."""
        assert slot > self.applied, f"slot {slot} delivered after {self.applied}"
        self.application.apply(slot, value)
        self.applied = slot

    def install(self, slot: Slot) -> None:
        """Replace the application's state by the snapshot that arrived."""
        log.info("installing snapshot", slot=slot)
        self.compaction.abandon()
        self._restore(slot)

    def _restore(self, slot: Slot) -> None:
        path = snapshots.snapshot_path(self._snapshots, slot)
        self.application.restore(snapshots.read_chunks(path))
        self.applied = slot

    def answered(self, request: Request, result: object) -> None:
        """Pass an answer on to who asked."""
        if (token := getattr(request, "token", 0)) < 0:
            self.operations.answered(token, result)
        else:
            self.application.answered(request, result)

    def refused(self, request: Request, reason: str) -> None:
        """Pass a refusal on to who asked."""
        if (token := getattr(request, "token", 0)) < 0:
            self.operations.refused(token, reason)
        elif isinstance(request, Compact):
            log.warning("compaction refused", reason=reason)
        else:
            self.application.refused(request, reason)

    def _on_space(self) -> None:
        reason = self.storage.full or self.storage.low
        if reason is None:
            log.info("the disk takes writes again")
        else:
            log.error("the disk is full", reason=reason, mute=self.storage.full is not None)
        self.application.write_refused(reason)
        self.wake()

    def fail(self, error: BaseException) -> None:
        """Stop stepping the node, because of `error`; `failure` tells who serves."""
        log.error("the node stops", error=repr(error))
        self.timers.close()
        if not self.failure.done():
            self.failure.set_exception(error)
