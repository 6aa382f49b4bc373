"""How long nobody is served when a node is killed: `comitia bench --protocol`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

import hiredis

from comitia.net.book import Address
from comitia.wire.resp import bulk_command

CLIENTS = 4
"""At each node that stays."""
BEFORE_S, AFTER_S = 0.5, 1.5
WITHIN_S = 30.0
PAUSE_S = 0.002
"""Between a refusal and the next try."""


async def outage_ms(targets: Sequence[Address], kill: Callable[[], None]) -> float:
    """Return the longest time in which no client at `targets` was served, from `kill` on.

    Each client sets one key after the other, and tries again when it is refused.  Raises
    TimeoutError when nobody is served any more.
    """
    watch = _Watch()
    clients = [
        asyncio.create_task(watch.client(at, number)) for at in targets for number in range(CLIENTS)
    ]
    try:
        await watch.served()
        await asyncio.sleep(BEFORE_S)
        kill()
        watch.begin()
        deadline_s = time.monotonic() + WITHIN_S
        await asyncio.sleep(AFTER_S)
        while watch.last_s < deadline_s - WITHIN_S + AFTER_S / 2:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"nobody was served for {WITHIN_S:.0f} s after a node died")
            await asyncio.sleep(0.05)
        await watch.served()
        return 1000 * watch.longest_s
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


class _Watch:
    """When somebody was served."""

    def __init__(self) -> None:
        self.last_s = self.longest_s = 0.0
        self._served = asyncio.Event()

    def begin(self) -> None:
        """Count from here: the last answer before a node died counts as one at its death."""
        self.last_s, self.longest_s = time.monotonic(), 0.0

    async def served(self) -> None:
        """Wait until somebody is."""
        self._served.clear()
        async with asyncio.timeout(WITHIN_S):
            await self._served.wait()

    def _note(self) -> None:
        now_s = time.monotonic()
        self.longest_s = max(self.longest_s, now_s - self.last_s)
        self.last_s = now_s
        self._served.set()

    async def client(self, at: Address, number: int) -> None:
        """Set keys at `at` until cancelled."""
        request = bulk_command([b"SET", b"outage:%d:%d" % (at.port, number), b"x"])
        while True:
            with contextlib.suppress(OSError):
                streams = await asyncio.open_connection(at.host, at.port)
                try:
                    await self._keep_asking(request, *streams)
                finally:
                    streams[1].close()
            await asyncio.sleep(PAUSE_S)

    async def _keep_asking(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parser = hiredis.Reader()
        while True:
            writer.write(request)
            while (reply := parser.gets()) is False:
                if not (data := await reader.read(1 << 12)):
                    return
                parser.feed(data)
            if isinstance(reply, hiredis.ReplyError):
                await asyncio.sleep(PAUSE_S)
            else:
                self._note()
