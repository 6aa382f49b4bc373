"""`comitia up`: a cluster on this machine, one process a node."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from types import FrameType

import click

from comitia.net.local import LocalCluster, NodeFailed, Ports
from comitia.net.segment import Corrupt, Identity
from comitia.net.status import Status
from comitia.net.wal import identity_in

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEADY_S = 5.0
"""A node that ran for this long and dies is started again; one that dies sooner is not."""


class Stop(Exception):
    """The user wants the cluster to stop."""


@click.command(epilog="Example: comitia up --nodes 5 --data /tmp/five")
@click.option("--nodes", type=click.IntRange(1, 49), help="3, or as many as the data have.")
@click.option("--protocol", help="raft, or that of the data; `comitia serve` knows which.")
@click.option("--data", default="comitia-data", show_default=True, help="Directory of all data.")
@click.option("--reads", default="lease", type=click.Choice(["lease", "index", "stale"]))
@click.option(
    "--port",
    default=7001,
    show_default=True,
    type=click.IntRange(1, 65535 - 249),
    help="First Redis port; peers use those 100 above, HTTP those 200 above.",
)
def command(nodes: int | None, protocol: str | None, data: str, reads: str, port: int) -> None:
    """Run a cluster on this machine until Ctrl-C.  Started again, it finds its data."""
    held = held_in(Path(data))
    size = check_size(Path(data), nodes, held)
    settings = {"protocol": protocol or "raft", "reads": reads}
    if held:
        settings["cluster"] = held[0].cluster
        settings["protocol"] = protocol or held[0].protocol
    check_served(settings["protocol"])
    ports = {id + 1: Ports(port + id, port + 100 + id, port + 200 + id) for id in range(size)}
    cluster = LocalCluster(Path(data), ports, settings)
    check_ports(cluster)
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        cluster.start_all()
        show(cluster)
        watch(cluster)
    except Stop:
        click.echo("\n  stopping ...", nl=False)
    except (NodeFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        clean = cluster.stop()
    click.echo(" stopped; the data are in " + data if clean else " some nodes had to be killed")


def _stop(number: int, frame: FrameType | None) -> None:
    for other in STOPPING:  # stopping takes seconds at most, and is not interrupted
        signal.signal(other, signal.SIG_IGN)
    raise Stop


def held_in(data: Path) -> list[Identity]:
    """Return whose logs are in `data`.  Raises ClickException."""
    try:
        found = [identity_in(path / "wal") for path in sorted(data.glob("n*"))]
    except (Corrupt, OSError) as error:
        raise click.ClickException(f"{error}; see docs/operations.md, After a crash") from error
    return [identity for identity in found if identity is not None]


def check_size(data: Path, nodes: int | None, held: list[Identity]) -> int:
    """Return how many nodes to start.  Raises ClickException when the data are of another size."""
    ids = sorted(identity.node for identity in held)
    size = nodes or len(ids) or 3
    if missing := sorted(set(range(1, max(ids, default=0))) - set(ids)):
        # Started empty, it would not know what it has promised.
        raise click.ClickException(
            f"{data} lacks {', '.join(f'n{id}' for id in missing)}: start each of the others with "
            "`comitia serve`, then replace what is lost; see docs/operations.md, After a crash"
        )
    if ids and len(ids) != size:
        raise click.ClickException(
            f"{data} holds {len(ids)} nodes ({', '.join(f'n{id}' for id in ids)}); start it with "
            f"--nodes {len(ids)}, or choose another --data"
        )
    return size


def check_served(name: str) -> None:
    """Raise UsageError when no such protocol serves clients."""
    from comitia.cli.serve import protocol_named
    from comitia.serve.fronts import front_of

    try:
        front_of(protocol_named(name))
    except LookupError as error:
        raise click.UsageError(str(error)) from error


def check_ports(cluster: LocalCluster) -> None:
    """Raise ClickException when a port is taken."""
    for port in (port for ports in cluster.ports.values() for port in ports):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError as error:
                raise click.ClickException(
                    f"port {port} is taken ({error.strerror}); is a cluster running "
                    "already? Else choose others: comitia up --port PORT"
                ) from error


def show(cluster: LocalCluster) -> None:
    """Show the nodes coming up, then how to use them.  Raises NodeFailed."""
    up: list[Status] = []
    click.echo("  ", nl=False)
    for status in cluster.wait_until_served():
        up.append(status)
        click.echo(f"n{status.node} ✔  ", nl=False)
    newest = max(up, key=lambda status: status.epoch)
    leads = f"leader n{newest.leader} · term {newest.epoch}" if newest.led else "no leader needed"
    click.echo(f" {newest.protocol} · {leads}")
    ports = list(cluster.ports.values())
    redis = " ".join(str(each.redis) for each in ports)
    click.echo(f"  redis 127.0.0.1:{redis}     http {ports[0].http}-{ports[-1].http}")
    at = "" if ports[0].redis == 7001 else f" --node 127.0.0.1:{ports[0].http}"
    click.echo(f"  try:  redis-cli -p {ports[0].redis} set x 1    |   comitia status{at}")


def watch(cluster: LocalCluster) -> None:
    """Start nodes again that die, until Stop."""
    while True:
        time.sleep(0.2)
        for id, process in list(cluster.processes.items()):
            if (code := process.poll()) is None:
                continue
            cause = signal.Signals(-code).name if code < 0 else f"code {code}"
            if time.monotonic() - cluster.started_s[id] < STEADY_S:
                click.echo(f"  n{id} ended ({cause}) and stays down: see {cluster.log(id)}")
                del cluster.processes[id]
            else:
                click.echo(f"  n{id} ended ({cause}): started again")
                cluster.start(id)
