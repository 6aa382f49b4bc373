"""How long is nobody served when a node is lost?  Real processes, each node lost in turn.

    python benchmarks/availability.py [PROTOCOL ...]

Three clients on three nodes increment one counter, one command after the other; with abd, which has
no increments, they set and get one key in turn.  Each node is killed (-9) and started again, cut
off from the others and reconnected, stopped and continued; then whoever leads, if anybody does.  A
client without an answer for CLIENT_PATIENCE_S, or whose connection breaks, goes to the next node;
before the next loss it returns to its own.  The next node is lost when all are back: up, linked and
where the others were.  On a busy machine a process takes seconds to start, and of three nodes no
protocol outlives the loss of two.

Printed is the longest time between two answers to any client, from the loss of the node until it
has been back for a while, in ms.  A leaderless protocol may have none over 100 ms, one with a
leader none over 1 s.  Afterwards the counter shows that every increment acknowledged is in it.

All of it, the clients too, shares this machine: run it while nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import hiredis
from cut_links import Relay

from comitia import protocols
from comitia.net.remote import status_of
from comitia.net.status import Status
from comitia.wire.resp import bulk_command

ROOT = Path(__file__).parents[1]
IDS = (1, 2, 3)
CLIENT_PATIENCE_S = 0.3
HOME_S, LOST_S, BACK_S = 0.3, 2.0, 1.2
START_S = 30.0
LEADERLESS_MS, WITH_LEADER_MS = 100.0, 1000.0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


class Cluster:
    """Three processes whose peers meet through a relay."""

    def __init__(self, protocol: str, directory: Path) -> None:
        self.protocol, self.directory = protocol, directory
        ports = free_ports(9)
        self.redis, self.http = (dict(zip(IDS, ports[k::3], strict=True)) for k in (0, 1))
        self.relay = Relay(dict(zip(IDS, ports[2::3], strict=True)))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, id: int) -> None:
        """Start a node, with the data it has."""
        members = ",".join(f"{i}=127.0.0.1:{self.relay.ports[i]}" for i in IDS)
        flags = f"--node {id} --protocol {self.protocol} --members {members} --data data"
        flags += f" --redis 127.0.0.1:{self.redis[id]} --http 127.0.0.1:{self.http[id]}"
        flags += f" --peer 127.0.0.1:{self.relay.peers[id]}"
        flags += f" --advertise 127.0.0.1:{self.relay.ports[id]} --log-level warning"
        directory = self.directory / f"n{id}"
        directory.mkdir(exist_ok=True)
        with (directory / "log").open("ab") as log:
            self.processes[id] = subprocess.Popen(
                [sys.executable, "-m", "comitia", "serve", *flags.split()],
                cwd=directory,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            )

    async def statuses(self) -> list[Status]:
        """Return what the nodes that answer say of themselves."""
        found = []
        for id in IDS:
            with contextlib.suppress(OSError):
                found.append(await asyncio.to_thread(status_of, f"127.0.0.1:{self.http[id]}"))
        return found

    async def leader(self) -> int | None:
        """Return who says that it leads."""
        return next((s.node for s in await self.statuses() if s.leader == s.node), None)

    async def whole(self) -> None:
        """Wait until all nodes are back: up, linked, and where the others are now."""
        deadline_s = time.monotonic() + START_S
        applied = max((status.applied for status in await self.statuses()), default=0)
        while True:
            found = await self.statuses()
            if len(found) == len(IDS) and all(_is_back(status, applied) for status in found):
                return
            if time.monotonic() > deadline_s:
                raise SystemExit(f"{self.protocol}: not all nodes came back, see their logs")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End every process."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            await asyncio.to_thread(process.wait)
        await self.relay.close()

    # What is done to a node, and what undoes it.

    async def kill(self, id: int) -> None:
        process = self.processes[id]
        process.kill()
        await asyncio.to_thread(process.wait)

    async def restart(self, id: int) -> None:
        self.start(id)

    async def cut_off(self, id: int) -> None:
        self.relay.cut(id)

    async def reconnect(self, id: int) -> None:
        self.relay.mend()

    async def pause(self, id: int) -> None:
        self.processes[id].send_signal(signal.SIGSTOP)

    async def resume(self, id: int) -> None:
        self.processes[id].send_signal(signal.SIGCONT)


def _is_back(status: Status, applied: int) -> bool:
    return (
        status.applied >= applied
        and (status.leader is not None or not status.led)
        and all(peer.connected for peer in status.peers)
    )


class Unserved(Exception):
    """This node does not serve its client now."""


@dataclass
class Client:
    """Asks one command after the other, and another node when one does not answer."""

    ports: dict[int, int]
    home: int
    commands: itertools.cycle[tuple[bytes, ...]]
    served_s: list[float]
    """Shared by all clients: when a command was answered."""
    acknowledged: int = 0
    asked: int = 0
    complaints: dict[str, int] = field(default_factory=dict)
    node: int = 0
    homesick: bool = True
    _stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                if self.homesick:
                    self._leave()
                    self.homesick, self.node = False, self.home
                try:
                    async with asyncio.timeout(CLIENT_PATIENCE_S):
                        await self._ask()
                except (OSError, TimeoutError, Unserved) as error:
                    why = (
                        str(error).split(" ")[0]
                        if isinstance(error, Unserved)
                        else type(error).__name__
                    )
                    self.complaints[why] = self.complaints.get(why, 0) + 1
                    self._leave()
                    self.node = self.node % len(self.ports) + 1
                    await asyncio.sleep(0.005)
        finally:
            self._leave()

    async def _ask(self) -> None:
        await self.ask(next(self.commands))
        self.acknowledged += 1
        self.served_s.append(time.monotonic())

    async def ask(self, command: tuple[bytes, ...]) -> object:
        """Return the reply to `command`.  Raises OSError, Unserved."""
        if self._stream is None:
            self._stream = await asyncio.open_connection("127.0.0.1", self.ports[self.node])
        reader, writer = self._stream
        self.asked += 1
        writer.write(bulk_command(list(command)))
        replies = hiredis.Reader()
        while (reply := replies.gets()) is False:
            data = await reader.read(4096)
            if not data:
                raise ConnectionResetError("closed")
            replies.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise Unserved(str(reply))
        return reply

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream[1].transport.abort()
            self._stream = None


def load(protocol: str) -> tuple[tuple[bytes, ...], ...]:
    """Return what clients ask of `protocol`, in turn."""
    if protocol == "abd":
        return (b"SET", b"key", b"value"), (b"GET", b"key")
    return ((b"INCR", b"counter"),)


def longest_ms(served_s: list[float], since_s: float, until_s: float) -> float:
    """Return the longest time within which nobody was served."""
    moments = [since_s, *(at for at in served_s if since_s < at < until_s), until_s]
    return 1000 * max(b - a for a, b in itertools.pairwise(moments))


class Trial:
    """One protocol under load."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.served_s: list[float] = []
        self.clients = [
            Client(cluster.redis, id, itertools.cycle(load(cluster.protocol)), self.served_s)
            for id in IDS
        ]

    async def run(self) -> float:
        """Print every window; return the longest."""
        cluster = self.cluster
        await cluster.relay.start()
        for id in IDS:
            cluster.start(id)
        running = [asyncio.create_task(client.run()) for client in self.clients]
        try:
            await self._until_served()
            began_s = time.monotonic()
            calm_ms = await self._window(2.0)
            rate = sum(at >= began_s for at in self.served_s) / 2.0
            print(f"{cluster.protocol}: {rate:,.0f} answers/s, calm {calm_ms:.0f} ms", flush=True)
            longest = [
                await self._losses("killed", cluster.kill, cluster.restart),
                await self._losses("cut off", cluster.cut_off, cluster.reconnect),
                await self._losses("stopped", cluster.pause, cluster.resume),
            ]
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self._assert_counted()
        return max(longest)

    async def _until_served(self) -> None:
        deadline_s = time.monotonic() + START_S
        while not all(client.acknowledged >= 10 for client in self.clients):
            if time.monotonic() > deadline_s:
                raise SystemExit(f"{self.cluster.protocol} serves nobody, see its logs")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)

    async def _window(self, lasts_s: float) -> float:
        since_s = time.monotonic()
        await asyncio.sleep(lasts_s)
        return longest_ms(self.served_s, since_s, time.monotonic())

    async def _losses(
        self,
        what: str,
        lose: Callable[[int], Awaitable[None]],
        undo: Callable[[int], Awaitable[None]],
    ) -> float:
        windows = []
        for victim in (*IDS, 0):
            await self.cluster.whole()
            leader = await self.cluster.leader()
            id = victim or leader
            if id is None:
                continue
            for client in self.clients:
                client.homesick = True  # else all may be on one node, after some losses
            await asyncio.sleep(HOME_S)
            since_s = time.monotonic()
            await lose(id)
            await asyncio.sleep(LOST_S)
            await undo(id)
            await asyncio.sleep(BACK_S)
            window_ms = longest_ms(self.served_s, since_s, time.monotonic())
            windows.append((window_ms, f"n{id}{' (leader)' if id == leader else ''}"))
        told = ", ".join(f"{name} {window_ms:.0f} ms" for window_ms, name in windows)
        print(f"  {what:8} {told}", flush=True)
        return max(window_ms for window_ms, _ in windows)

    async def _assert_counted(self) -> None:
        """Every acknowledged increment counts once, one of unknown outcome at most once."""
        acknowledged = sum(client.acknowledged for client in self.clients)
        asked = sum(client.asked for client in self.clients)
        complaints: dict[str, int] = {}
        for client in self.clients:
            for why, count in client.complaints.items():
                complaints[why] = complaints.get(why, 0) + count
        told = ", ".join(f"{count} {why}" for why, count in sorted(complaints.items()))
        print(f"  {acknowledged} answered; {told}")
        if self.cluster.protocol == "abd":
            return
        self.clients[0].node = self.clients[0].home
        reply = await self.clients[0].ask((b"GET", b"counter"))
        assert isinstance(reply, bytes)
        assert acknowledged <= int(reply) <= asked, (acknowledged, reply, asked)


async def trial(protocol: str) -> float:
    """Return the longest window of `protocol`, in ms."""
    with tempfile.TemporaryDirectory(dir=".", prefix="availability-") as directory:
        cluster = Cluster(protocol, Path(directory).resolve())
        try:
            return await Trial(cluster).run()
        finally:
            await cluster.stop()


def main() -> None:
    """Print all windows, then the longest of each protocol beside what it may be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("protocol", nargs="*", default=["caspaxos", "abd", "raft", "viewstamped"])
    names = parser.parse_args().protocol
    leaderless = {name: protocols.load(name).ask is not None for name in names}
    worst = {name: asyncio.run(trial(name)) for name in names}
    print(f"\n{'longest time in which nobody was served':42} {'ms':>6}   bar")
    for name, longest in worst.items():
        bar = LEADERLESS_MS if leaderless[name] else WITH_LEADER_MS
        verdict = "met" if longest <= bar else "NOT MET"
        print(f"{name:42} {longest:6.0f}   {bar:.0f} ms, {verdict}")


if __name__ == "__main__":
    main()
