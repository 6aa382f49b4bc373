"""A Redis port over a log of one member, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from fake_cluster import Cluster

from comitia.serve.redis import Door
from redis_peer import peer, redis_server

__all__ = ["peer", "port", "redis_server"]


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a door whose cluster decides at once."""
    loop = asyncio.new_event_loop()
    listen = socket.socket()
    listen.bind(("127.0.0.1", 0))
    cluster = Cluster()
    host = cluster.hosts[1]

    def wake() -> None:
        if not host.woken:
            host.woken = True
            loop.call_soon(host.turn)

    def now_ms() -> int:
        return int(loop.time() * 1000)

    host.wake, host.now_ms = wake, now_ms  # type: ignore[method-assign]
    door = Door(host.service)
    loop.run_until_complete(door.start(listen))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield door.port
    asyncio.run_coroutine_threadsafe(door.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
