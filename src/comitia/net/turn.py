"""One turn of a node: what it said, held back until the disk has what it speaks of.

Messages leave first: the peer's work begins while this node still applies what was decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from comitia.kernel import Message, Micros, NodeId, Out, Request, Slot

if TYPE_CHECKING:
    from comitia.net.host import Host

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that also counts while the machine is suspended: leases must not outlive a nap."""

Effect = tuple[Callable[..., None], tuple[Any, ...]]


class Turn(Out):
    """What a node says between two syncs of the disk, in its order."""

    __slots__ = ("_held", "_host", "_messages", "_now")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._messages: list[Effect] = []
        self._held: list[Effect] = []
        self._now: Micros = 0

    def step(self) -> None:
        """A step begins: it reads the clock at most once."""
        self._now = 0

    @property
    def now(self) -> Micros:
        if not self._now:
            self._now = time.clock_gettime_ns(_CLOCK) // 1000
        return self._now

    def send(self, to: NodeId, message: Message) -> None:
        self._messages.append((self._host.post, (to, message)))

    def send_early(self, to: NodeId, message: Message) -> None:
        if to == self._host.id:
            self.send(to, message)
        else:
            self._host.post(to, message)

    def send_snapshot(self, to: NodeId, message: Message) -> None:
        slot = self._host.snapshot_slot
        self._messages.append((self._host.post_snapshot, (to, message, slot)))

    def install(self, slot: Slot) -> None:
        self._held.append((self._host.install, (slot,)))

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        self._host.timers.set(timer, after)

    def cancel_timer(self, timer: str) -> None:
        self._host.timers.cancel(timer)

    def deliver(self, slot: Slot, value: bytes) -> None:
        self._held.append((self._host.apply, (slot, value)))

    def answer(self, request: Request, result: object) -> None:
        self._held.append((self._host.answered, (request, result)))

    def refuse(self, request: Request, reason: str) -> None:
        self._held.append((self._host.refused, (request, reason)))

    def release(self) -> None:
        """The disk has it all: let go of what was said."""
        for act, arguments in self._messages:
            act(*arguments)
        if self._messages and self._held:
            self._host.links.flush()
        for act, arguments in self._held:
            act(*arguments)

    def hold(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do `act` when all this is on disk, after what was said before."""
        self._held.append((act, arguments))
