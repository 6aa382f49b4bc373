"""The load of `comitia bench --record`: few keys, many clients, every call and answer noted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from random import Random

import hiredis

from comitia.history.recorder import Recorder
from comitia.net.book import Address
from comitia.wire.resp import bulk_command

PATIENCE_S = 10.0


class _Caller:
    """One client: calls, waits, notes; connects again when it must."""

    def __init__(self, targets: Sequence[Address], recorder: Recorder, seed: int) -> None:
        self._targets, self._recorder = targets, recorder
        self._random = Random(seed)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._parser = hiredis.Reader(encoding="utf-8", errors="replace")

    async def _ask(self, args: list[bytes]) -> object:
        """Return the reply.  Raises OSError or TimeoutError: the outcome is unknown."""
        if self._streams is None:
            at = self._random.choice(self._targets)
            self._streams = await asyncio.open_connection(at.host, at.port)
            self._parser = hiredis.Reader(encoding="utf-8", errors="replace")
        reader, writer = self._streams
        writer.write(bulk_command(args))
        while (reply := self._parser.gets()) is False:
            data = await asyncio.wait_for(reader.read(1 << 16), PATIENCE_S)
            if not data:
                raise ConnectionResetError("closed by the server")
            self._parser.feed(data)
        return reply

    async def _call(self, process: int, value: str | None, key: str) -> bool | None:
        """Write `value`, or read if it is None; True: answered, False: refused, None: unknown."""
        note, writes = self._recorder.note, value is not None
        f = "write" if writes else "read"
        command = [b"SET", key.encode(), value.encode()] if value else [b"GET", key.encode()]
        note("invoke", process, f, value, key)
        try:
            reply = await self._ask(command)
        except (OSError, TimeoutError):
            self._hang_up()
            reply = hiredis.ReplyError("UNKNOWN")
        if not isinstance(reply, hiredis.ReplyError):
            note("ok", process, f, value if writes else reply, key)
            return True
        unknown = str(reply).startswith("UNKNOWN")
        note("info" if unknown else "fail", process, f, value, key)
        await asyncio.sleep(0.05)
        return None if unknown else False

    async def begin(self, keys: int, processes: itertools.count[int]) -> None:
        """Write every key, so that nobody reads what an earlier run left.

        Raises TimeoutError when no write of a key is answered.
        """
        until_s = time.monotonic() + PATIENCE_S
        for key in (f"bench:{number}" for number in range(keys)):
            while await self._call(process := next(processes), f"{process}-first", key) is not True:
                if time.monotonic() > until_s:
                    raise TimeoutError(f"no SET of {key} was answered in {PATIENCE_S:g} s")

    async def run(self, until_s: float, keys: int, processes: itertools.count[int]) -> None:
        random = self._random
        process = next(processes)
        for number in itertools.count():
            if time.monotonic() > until_s:
                break
            key = f"bench:{random.randrange(keys)}"
            value = f"{process}-{number}" if random.random() < 0.5 else None
            if await self._call(process, value, key) is None:
                process = next(processes)  # a process with an open call calls no more
        self._hang_up()

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def record(
    targets: Sequence[Address], clients: int, seconds: float, keys: int, recorder: Recorder
) -> None:
    """Let `clients` read and write `keys` keys at any of `targets`, noting all in `recorder`.

    The keys are written first.  Raises OSError when nobody listens, and TimeoutError when nobody
    answers.
    """
    _, writer = await asyncio.open_connection(targets[0].host, targets[0].port)
    writer.close()
    processes = itertools.count(1)
    callers = [_Caller(targets, recorder, seed) for seed in range(clients)]
    await callers[0].begin(keys, processes)
    until_s = time.monotonic() + seconds
    await asyncio.gather(*(caller.run(until_s, keys, processes) for caller in callers))
