"""A relay in front of every node's peer port, which can cut links without harming processes.

Nodes dial each other through it.  From the greeting it knows who dials whom; while the way from one
to the other is cut it holds all bytes back, as TCP does on a broken path, and lets them go later.
"""

from __future__ import annotations

import asyncio
import socket

from comitia.net import frames, greeting


class Relay:
    """One listening port a node; connections to it are passed on to the node's own."""

    def __init__(self, peers: dict[int, int]) -> None:
        """`peers`: the port of each node, on 127.0.0.1."""
        self.peers = peers
        self.ports: dict[int, int] = {}
        self._cut: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; `ports` says where."""
        for node in self.peers:
            sock = socket.create_server(("127.0.0.1", 0))
            self.ports[node] = sock.getsockname()[1]

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: int = node
            ) -> None:
                await self._carry(node, reader, writer)

            self._servers.append(await asyncio.start_server(accept, sock=sock))

    def cut(self, node: int) -> None:
        """Let nothing reach `node` nor leave it."""
        for other in self.peers:
            self.cut_way(node, other)
            self.cut_way(other, node)

    def cut_way(self, src: int, dst: int) -> None:
        """Let nothing that `src` says reach `dst`; what `dst` says goes on reaching `src`."""
        self._cut.add((src, dst))

    def mend(self) -> None:
        """Every link works again."""
        self._cut.clear()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def close(self) -> None:
        """Stop listening and break every connection."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(
        self, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            seen, known = b"", None
            hello = frames.FrameReader()
            while known is None:
                data = await reader.read(1 << 16)
                if not data:
                    return
                seen += data
                for _, payload in hello.feed(data):
                    known = known or greeting.decode(payload).identity.node
            await self._passable((known, node))
            back, onward = await asyncio.open_connection("127.0.0.1", self.peers[node])
            onward.write(seen)
            await asyncio.gather(
                self._pump(reader, onward, (known, node)), self._pump(back, writer, (node, known))
            )
        except (asyncio.CancelledError, OSError, frames.FrameError, greeting.GreetingError):
            return  # closed; or one end is gone or no node, and the other hears of it below
        finally:
            self._tasks.discard(task)
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()

    async def _passable(self, way: tuple[int, int]) -> None:
        while way in self._cut:
            await self._changed.wait()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: tuple[int, int]
    ) -> None:
        while data := await reader.read(1 << 16):
            await self._passable(way)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("the other end has closed")
