"""`comitia up`: a cluster on this machine, one process a node."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import click

from comitia.cli._nodes import status_of
from comitia.net.status import Status

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_S = 30.0
STOP_S = 10.0
LEADERLESS = ("abd", "caspaxos")
STEADY_S = 5.0
"""A node that ran for this long and dies is started again; one that dies sooner is not."""


class Stop(Exception):
    """The user wants the cluster to stop."""


@click.command(epilog="Example: comitia up --nodes 5 --data /tmp/five")
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1, 49))
@click.option("--protocol", default="raft", show_default=True)
@click.option("--data", default="comitia-data", show_default=True, help="Directory of all data.")
@click.option("--reads", default="lease", type=click.Choice(["lease", "index", "stale"]))
@click.option(
    "--port",
    default=7001,
    show_default=True,
    type=click.IntRange(1, 65535 - 249),
    help="First Redis port; peers use those 100 above, HTTP those 200 above.",
)
def command(nodes: int, protocol: str, data: str, reads: str, port: int) -> None:
    """Run a cluster on this machine until Ctrl-C.  Started again, it finds its data."""
    cluster = LocalCluster(nodes, protocol, Path(data), reads, port)
    cluster.check_data()
    cluster.check_ports()
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        cluster.start()
        cluster.wait_until_served()
        cluster.watch()
    except Stop:
        click.echo("\n  stopping ...", nl=False)
    finally:
        clean = cluster.stop()
    click.echo(" stopped; the data are in " + data if clean else " some nodes had to be killed")


def _stop(number: int, frame: FrameType | None) -> None:
    for other in STOPPING:  # stopping takes STOP_S at most, and is not interrupted
        signal.signal(other, signal.SIG_IGN)
    raise Stop


def _end_with_parent() -> None:
    """In a node, before it starts: be terminated when `comitia up` is killed (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


class LocalCluster:
    """The processes of one `comitia up`."""

    def __init__(self, size: int, protocol: str, data: Path, reads: str, port: int) -> None:
        self.ids = range(1, size + 1)
        self._protocol, self._data, self._reads, self._port = protocol, data, reads, port
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started_s: dict[int, float] = {}

    def _ports(self, id: int) -> tuple[int, int, int]:
        return self._port + id - 1, self._port + 99 + id, self._port + 199 + id

    def check_data(self) -> None:
        """Raise ClickException when the data are those of a cluster of another size."""
        held = sorted(path.parent.name for path in self._data.glob("n*/lock"))
        if held and held != sorted(f"n{id}" for id in self.ids):
            raise click.ClickException(
                f"{self._data} holds a cluster of {len(held)} nodes; start it with "
                f"--nodes {len(held)}, or choose another --data"
            )

    def check_ports(self) -> None:
        """Raise ClickException when a port is taken."""
        for id in self.ids:
            for port in self._ports(id):
                with socket.socket() as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        sock.bind(("127.0.0.1", port))
                    except OSError as error:
                        raise click.ClickException(
                            f"port {port} is taken ({error.strerror}); is a cluster running "
                            "already? Else choose others: comitia up --port PORT"
                        ) from error

    def start(self) -> None:
        """Start every node."""
        for id in self.ids:
            self._spawn(id)

    def _spawn(self, id: int) -> None:
        redis, peer, http = self._ports(id)
        members = ",".join(f"{i}=127.0.0.1:{self._ports(i)[1]}" for i in self.ids)
        directory = self._data / f"n{id}"
        directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "node": str(id),
            "protocol": self._protocol,
            "data": str(directory),
            "reads": self._reads,
            "redis": f"127.0.0.1:{redis}",
            "peer": f"127.0.0.1:{peer}",
            "http": f"127.0.0.1:{http}",
            "members": members,
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with self._log(id).open("ab") as log:
            self._processes[id] = subprocess.Popen(
                [sys.executable, "-m", "comitia", "serve", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which stops the nodes
                preexec_fn=_end_with_parent,
            )
        self._started_s[id] = time.monotonic()

    def _log(self, id: int) -> Path:
        return self._data / f"n{id}" / "log"

    def wait_until_served(self) -> None:
        """Show the nodes coming up, then how to use them.  Raises ClickException."""
        deadline_s = time.monotonic() + START_S
        up: dict[int, Status] = {}
        click.echo("  ", nl=False)
        while len(up) < len(self.ids):
            for id in self.ids:
                if id not in up and (status := self._serving(id)) is not None:
                    up[id] = status
                    click.echo(f"n{id} ✔  ", nl=False)
            if time.monotonic() > deadline_s:
                late = ", ".join(f"n{id}" for id in self.ids if id not in up)
                self._give_up(f"{late} did not come up in {START_S:.0f} s", next(iter(self.ids)))
            time.sleep(0.05)
        newest = max(up.values(), key=lambda status: status.epoch)
        leader = "no leader" if newest.leader is None else f"leader n{newest.leader}"
        click.echo(f" {self._protocol} · {leader} · term {newest.epoch}")
        redis, http = ([self._ports(id)[k] for id in self.ids] for k in (0, 2))
        click.echo(f"  redis 127.0.0.1:{' '.join(map(str, redis))}     http {http[0]}-{http[-1]}")
        at = "" if self._port == 7001 else f" --node 127.0.0.1:{http[0]}"
        click.echo(f"  try:  redis-cli -p {redis[0]} set x 1    |   comitia status{at}")

    def _serving(self, id: int) -> Status | None:
        code = self._processes[id].poll()
        if code is not None:
            self._give_up(f"n{id} ended with code {code}", id)
        try:
            status = status_of(f"127.0.0.1:{self._ports(id)[2]}")
        except OSError:
            return None
        ready = status.leader is not None or self._protocol in LEADERLESS
        return status if ready else None

    def _give_up(self, reason: str, id: int) -> None:
        tail = self._log(id).read_text(errors="replace").splitlines()[-8:]
        lines = "".join(f"\n    {line}" for line in tail)
        raise click.ClickException(f"{reason}; the end of {self._log(id)}:{lines}")

    def watch(self) -> None:
        """Start nodes again that die, until Stop."""
        while True:
            time.sleep(0.2)
            for id, process in list(self._processes.items()):
                if (code := process.poll()) is None:
                    continue
                cause = signal.Signals(-code).name if code < 0 else f"code {code}"
                if time.monotonic() - self._started_s[id] < STEADY_S:
                    click.echo(f"  n{id} ended ({cause}) and stays down: see {self._log(id)}")
                    del self._processes[id]
                else:
                    click.echo(f"  n{id} ended ({cause}): started again")
                    self._spawn(id)

    def stop(self) -> bool:
        """Stop every node; False when one had to be killed."""
        for process in self._processes.values():
            process.terminate()
        deadline_s = time.monotonic() + STOP_S
        clean = True
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        return clean
