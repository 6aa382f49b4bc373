"""Between a front door and a protocol without leader and log: every command is a request.

Any member serves any command by itself, so when one is lost only its own clients notice.  Commands
that a client sends together are asked at once, each for itself; those of one key keep their order.
A command without an answer in `deadline_ms` is given up, and its outcome is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from comitia.kernel import Request
from comitia.machines.machine import Command
from comitia.machines.reply import Failure, Reply
from comitia.net.application import Hosting, Logless
from comitia.serve.backend import Done

MAX_IN_FLIGHT = 64 << 20
"""Bytes of commands under way above which clients are not read."""
TICK_S = 0.1

UNKNOWN = Failure(
    "UNKNOWN outcome: no quorum answered in time; the command may have been executed, or may still "
    "be, once; read before you repeat it"
)


class Registers(Protocol):
    """Makes requests of commands; see `comitia.serve.registers`."""

    def request(self, token: int, args: Command, now_ms: int) -> Request | Failure:
        """Return the request for `args`, or why there is none."""

    def reply(self, request: Request, result: Any) -> Reply:
        """Return what the client is told."""


class Together:
    """The commands of one call, and how many of them still wait."""

    __slots__ = ("done", "left", "replies", "size")

    def __init__(self, count: int, size: int, done: Done) -> None:
        self.replies: list[Reply] = [None] * count
        self.left, self.size, self.done = count, size, done


class Leaderless(Logless):
    """One member's part; an `Application` below, a `Backend` above."""

    def __init__(self, registers: Registers, deadline_ms: int = 5000) -> None:
        self.registers, self.deadline_ms = registers, deadline_ms
        self._asked: dict[int, tuple[Together, int, int]] = {}  # by token: (call, place, since)
        self._fresh: list[Request] = []
        self._finished: list[Together] = []
        self._token = 0
        self._in_flight = 0
        self._resume: list[Callable[[], None]] = []
        self._no_writes: Failure | None = None
        self.awaited = 0
        """How many commands wait once all clients that were just answered have asked again."""
        self._ticking = False

    def attach(self, host: Hosting) -> None:
        """Name the host, before any client is served."""
        self._host = host

    # -- the front door's side: see `Backend` --

    def write(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Ask for each of `commands`."""
        together = Together(len(commands), size, done)
        self._in_flight += size
        now_ms = self._host.now_ms()
        for place, args in enumerate(commands):
            self._token += 1
            request = self._no_writes or self.registers.request(self._token, args, now_ms)
            if isinstance(request, Failure):
                self._settle(together, place, request)
            else:
                self._asked[self._token] = (together, place, now_ms)
                self._fresh.append(request)
        self._host.wake()
        if not self._ticking:
            self._tick_later()

    read = write  # a read is a change that changes nothing: it needs its quorum, too

    @property
    def full(self) -> bool:
        """Is more under way than memory should hold?"""
        return self._in_flight > MAX_IN_FLIGHT

    def on_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` whenever `full` has become False again."""
        self._resume.append(resume)

    def facts(self) -> Mapping[str, str | int]:
        """Return what operators ask for first."""
        return {
            "member": self._host.node.id,
            "bytes_in_flight": self._in_flight,
            "requests_in_flight": len(self._asked),
        }

    def _settle(self, together: Together, place: int, reply: Reply) -> None:
        together.replies[place] = reply
        together.left -= 1
        if not together.left:
            self._finished.append(together)

    def _finish(self) -> None:
        finished, self._finished = self._finished, []
        was_full = self.full
        for together in finished:
            self._in_flight -= together.size
            self.awaited = max(self.awaited, self.gathered) + len(together.replies)
            together.done(together.replies)
        if was_full and not self.full:
            for resume in self._resume:
                resume()

    # -- the host's side: see `Application` --

    @property
    def gathered(self) -> int:
        """How many commands wait for `before_turn`."""
        return len(self._fresh)

    @property
    def serving(self) -> bool:
        """Whether clients of this member wait for answers."""
        return self._in_flight > 0

    def before_turn(self) -> None:
        """Hand in what was asked since the last turn."""
        self.awaited = 0
        fresh, self._fresh = self._fresh, []
        for request in fresh:
            self._host.request(request)

    def answered(self, request: Request, result: object) -> None:
        """A command is done."""
        waiting = self._asked.pop(getattr(request, "token", 0), None)
        if waiting is not None:  # else it was given up
            together, place, _ = waiting
            self._settle(together, place, self.registers.reply(request, result))

    def refused(self, request: Request, reason: str) -> None:
        """A command had no effect."""
        waiting = self._asked.pop(getattr(request, "token", 0), None)
        if waiting is not None:
            together, place, _ = waiting
            self._settle(together, place, Failure(f"TRYAGAIN not executed: {reason}"))

    def after_turn(self) -> None:
        """Answer whose commands are all done."""
        if self._finished:
            self._finish()

    def write_refused(self, reason: str | None) -> None:
        """The disk takes no more writes because of `reason`; None when it does again."""
        self._no_writes = None if reason is None else Failure(f"MISCONF not executed: {reason}")

    # -- time --

    def _tick_later(self) -> None:
        self._ticking = True
        asyncio.get_running_loop().call_later(TICK_S, self._on_tick)

    def _on_tick(self) -> None:
        self._ticking = False
        too_old = self._host.now_ms() - self.deadline_ms
        for token, (together, place, since_ms) in list(self._asked.items()):
            if since_ms > too_old:
                break  # tokens are in the order of time
            del self._asked[token]
            self._settle(together, place, UNKNOWN)
        self._finish()
        if self._asked:
            self._tick_later()
