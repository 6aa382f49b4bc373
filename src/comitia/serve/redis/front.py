"""A member's Redis service, from machine to port, in the two halves that a process needs."""

from __future__ import annotations

import socket
from typing import Literal

from comitia.machines.redis import Redis
from comitia.net.application import Hosting
from comitia.serve.redis.door import Door
from comitia.serve.service import Service


class RedisFront:
    """Give `application` to a host; once that runs, `open` the door to clients."""

    def __init__(self, reads: Literal["lease", "index", "stale"] = "lease") -> None:
        self.application = Service(Redis(), reads)
        self.door = Door(self.application)

    async def open(self, host: Hosting, listen: socket.socket) -> None:
        """The host runs: serve clients on `listen`."""
        self.application.attach(host)
        await self.door.start(listen)

    async def close(self) -> None:
        """Send every client away."""
        await self.door.close()
