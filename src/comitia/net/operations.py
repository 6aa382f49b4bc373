"""What operators ask of a node, and who waits for the answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from comitia.kernel import NodeId, Read, Reconfigure, Request, Slot, Transfer

if TYPE_CHECKING:
    from comitia.net.host import Host

LOOK_S = 0.005
"""How often a node that catches up looks whether it has."""

log = structlog.get_logger("comitia.host")


class Refused(Exception):
    """An operator's request had no effect; the text says why."""


class Operations:
    """Requests of a host that are not its application's: their tokens are negative."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tokens = itertools.count(-1, -1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def reconfigure(self, voters: frozenset[NodeId], learners: frozenset[NodeId]) -> None:
        """Change the membership.  Raises Refused; cancelled, the outcome is unknown."""
        await self._ask(lambda token: Reconfigure(token, voters, learners))

    async def transfer(self, to: NodeId) -> None:
        """Hand leadership to `to`.  Raises Refused; cancelled, the outcome is unknown."""
        await self._ask(lambda token: Transfer(token, to))

    async def catch_up(self) -> None:
        """Apply all that was acknowledged anywhere before this call; wait for a quorum for it."""
        slot: Slot | None = None
        while slot is None or self._host.applied < slot:
            try:
                if slot is None:
                    slot = await self._ask(Read)
            except Refused as error:  # between two leaders, say
                log.debug("not caught up", reason=str(error))
            await asyncio.sleep(LOOK_S)

    async def _ask(self, make: Callable[[int], Request]) -> Any:
        token = next(self._tokens)
        done = self._waiting[token] = asyncio.get_running_loop().create_future()
        try:
            self._host.request(make(token))
            return await done
        finally:
            del self._waiting[token]

    def answered(self, token: int, result: object) -> None:
        """The request with this token is done."""
        done = self._waiting.get(token)
        if done is not None and not done.done():
            done.set_result(result)

    def refused(self, token: int, reason: str) -> None:
        """The request with this token had no effect."""
        done = self._waiting.get(token)
        if done is not None and not done.done():
            done.set_exception(Refused(reason))
