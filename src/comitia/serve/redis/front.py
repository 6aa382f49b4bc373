"""A member's Redis service, from machine to port, in the two halves that a process needs."""

from __future__ import annotations

import socket
from typing import Literal

from comitia.machines.redis import Redis
from comitia.net.application import Hosting
from comitia.serve.leaderless import Leaderless, Registers
from comitia.serve.redis.door import Door
from comitia.serve.service import Service


class RedisFront:
    """Give `application` to a host; once that runs, `open` the door to clients."""

    def __init__(self, application: Service | Leaderless) -> None:
        self.application = application
        self.door = Door(application)

    @classmethod
    def of_log(cls, reads: Literal["lease", "index", "stale"] = "lease") -> RedisFront:
        """Return the front of a database replicated by a log."""
        return cls(Service(Redis(), reads))

    @classmethod
    def of_registers(cls, registers: Registers) -> RedisFront:
        """Return the front of registers without leader and log."""
        return cls(Leaderless(registers))

    async def open(self, host: Hosting, listen: socket.socket) -> None:
        """The host runs: serve clients on `listen`."""
        self.application.attach(host)
        await self.door.start(listen)

    async def close(self) -> None:
        """Send every client away."""
        await self.door.close()
