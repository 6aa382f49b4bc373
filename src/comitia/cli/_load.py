"""The load of `comitia bench`: clients that keep asking, and how long they waited."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import hiredis

from comitia.net.book import Address
from comitia.wire.resp import bulk_command

WARM_UP_S = 0.5


@dataclass(frozen=True)
class Load:
    """What each client does."""

    name: str
    command: str
    """set or get."""
    clients: int
    pipeline: int
    """Commands a client sends at once."""


def standard(clients: int, pipeline: int) -> list[Load]:
    """Return the standard loads: one command at a time, then pipelined."""
    return [
        Load(f"{command} {clients}" + (f" x {depth}" if depth > 1 else ""), command, clients, depth)
        for depth in dict.fromkeys((1, pipeline))
        for command in ("set", "get")
    ]


@dataclass
class Measured:
    """What came of a load."""

    load: Load
    target: str
    commands: int = 0
    answered: int = 0
    """All commands that were answered: also those before and after the time that counts."""
    seconds: float = 0.0
    waits_us: array[int] = field(default_factory=lambda: array("q"))
    """From sending a batch of commands to its last reply."""
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds if self.seconds else 0.0

    def percentiles(self, *percents: float) -> list[float]:
        """Return the waits that so many percent do not exceed, in ms."""
        ordered = sorted(self.waits_us)
        if not ordered:
            return [float("nan")] * len(percents)
        last = len(ordered) - 1
        return [ordered[min(last, int(len(ordered) * p / 100))] / 1000 for p in percents]


class _Client(asyncio.Protocol):
    """Sends a batch, waits for its replies, sends the next."""

    def __init__(self, run: _Run, requests: Sequence[bytes], first: int) -> None:
        self._run, self._requests, self._next = run, requests, first
        self._reader = hiredis.Reader()
        self._missing = 0
        self._sent_ns = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are no subclasses
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._run.lost(exc)

    def send(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._missing = self._run.load.pipeline
        self._sent_ns = time.perf_counter_ns()
        if self._transport is not None:
            self._transport.write(self._requests[self._next])

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._missing -= 1
                if isinstance(reply, hiredis.ReplyError):
                    self._run.error(str(reply))
        except hiredis.ProtocolError:
            self._run.give_up("what answers does not speak as Redis does")
            return
        if self._missing == 0:
            now_ns = time.perf_counter_ns()
            if self._run.count(now_ns - self._sent_ns):
                self.send()
            elif self._transport is not None:
                self._transport.close()


class _Run:
    """One load."""

    def __init__(self, load: Load, targets: Sequence[Address], seconds: float) -> None:
        self.load, self._targets, self._seconds = load, targets, seconds
        self.measured = Measured(load, ", ".join(map(str, targets)))
        self._open = 0
        self._begin_s = self._end_s = 0.0
        self._over = asyncio.get_running_loop().create_future()

    async def run(self, requests: Sequence[bytes]) -> Measured:
        loop = asyncio.get_running_loop()
        self._begin_s = time.monotonic() + WARM_UP_S
        self._end_s = self._begin_s + self._seconds
        for number in range(self.load.clients):
            first = number * len(requests) // self.load.clients
            at = self._targets[number % len(self._targets)]
            await loop.create_connection(
                lambda first=first: _Client(self, requests, first),  # type: ignore[misc]
                at.host,
                at.port,
            )
            self._open += 1
        await asyncio.wait_for(self._over, WARM_UP_S + self._seconds + 30)
        self.measured.seconds = self._seconds
        return self.measured

    def count(self, wait_ns: int) -> bool:
        """Note a batch that was answered; return whether to go on."""
        now_s = time.monotonic()
        self.measured.answered += self.load.pipeline
        if self._begin_s <= now_s < self._end_s:
            self.measured.waits_us.append(wait_ns // 1000)
            self.measured.commands += self.load.pipeline
        return now_s < self._end_s

    def error(self, text: str) -> None:
        code = text.split(" ")[0]
        self.measured.errors[code] = self.measured.errors.get(code, 0) + 1

    def give_up(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_exception(ConnectionError(f"{self.measured.target}: {reason}"))

    def lost(self, error: Exception | None) -> None:
        if time.monotonic() < self._end_s:
            self.error("CLOSED by the server")
        self._open -= 1
        if self._open == 0 and not self._over.done():
            self._over.set_result(None)


def _requests(load: Load, keys: int, size: int) -> list[bytes]:
    """Return batches to choose from: enough of them that every key comes up."""
    random = Random(1)
    value = b"x" * size

    def one() -> bytes:
        key = b"key:%012d" % random.randrange(keys)
        return bulk_command([b"SET", key, value] if load.command == "set" else [b"GET", key])

    count = max(load.clients, min(keys, 20_000) // load.pipeline)
    return [b"".join(one() for _ in range(load.pipeline)) for _ in range(count)]


async def measure(
    load: Load, targets: Sequence[Address], seconds: float, keys: int, size: int
) -> Measured:
    """Run `load`, its clients spread over `targets`.  Raises OSError when nobody listens there."""
    return await _Run(load, targets, seconds).run(_requests(load, keys, size))
