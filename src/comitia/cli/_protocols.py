"""`comitia bench --protocol`: each protocol in turn on fresh nodes of this machine."""

from __future__ import annotations

import asyncio
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from comitia.cli._load import Load, measure
from comitia.cli._loop import run
from comitia.cli._outage import outage_ms
from comitia.cli._signals import stopping_like_ctrl_c
from comitia.net.book import Address
from comitia.net.local import LocalCluster, NodeFailed, Ports

NODES = 3
LOADS = (
    Load("1", "set", 1, 1),
    Load("64", "set", 64, 1),
    Load("256", "set", 256, 1),
    Load("64 x 16", "set", 64, 16),
)
COUNTED = {
    "messages": "comitia_link_sent_frames_total",
    "bytes": "comitia_link_sent_bytes_total",
    "syncs": "comitia_wal_sync_duration_seconds_count",
}
CATCH_UP_S = 60.0


class Under(msgspec.Struct, kw_only=True):
    """What one load brought; the last three are those of all nodes together, an operation."""

    clients: int
    pipeline: int
    per_second: float
    p50_ms: float
    p99_ms: float
    messages: float
    bytes: float
    syncs: float
    errors: dict[str, int]


class Compared(msgspec.Struct, kw_only=True):
    """One protocol."""

    protocol: str
    led: bool = True
    loads: dict[str, Under] = {}
    leader_lost_ms: list[float] = []
    """Of each time the leader was killed: the longest time in which no client was served."""
    other_lost_ms: list[float] = []
    """The same when a member was killed that did not lead."""
    failure: str | None = None
    """Why the rest is missing."""


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """How to measure."""

    seconds: float
    keys: int
    size: int
    """Bytes of a value."""
    kills: int
    where: Path
    """The nodes' data are in a directory below this one."""

    @property
    def steps(self) -> int:
        """How many steps a protocol takes, at most."""
        return 1 + len(LOADS) + 2 * self.kills


def compare_all(wanted: str, settings: Settings, plot: Path | None, output: str) -> int:
    """Measure the protocols that are `wanted` and show them; return the exit code.

    Raises UsageError, ClickException.
    """
    from comitia.cli._comparison import check_plot, draw, table

    names = chosen(wanted)
    if plot is not None:
        check_plot(plot)
    with stopping_like_ctrl_c(), _progress(len(names) * settings.steps) as tell:
        found = [compare(name, settings, tell) for name in names]
    if plot is not None:
        draw(found, plot)
    if output == "json":
        click.echo(msgspec.json.encode(found))
    else:
        table(found)
    return 1 if any(each.failure for each in found) else 0


def chosen(wanted: str) -> tuple[str, ...]:
    """Return the names in `wanted`.  Raises UsageError."""
    from comitia.serve.fronts import served

    names = served()
    if wanted == "all":
        return names
    for name in (listed := wanted.split(",")):
        if name not in names:
            raise click.UsageError(f"{name!r} serves no clients; those that do: {', '.join(names)}")
    return tuple(dict.fromkeys(listed))


Tell = Callable[[str], None]
"""Told what is going on, once a step."""


@contextmanager
def _progress(steps: int) -> Iterator[Tell]:
    """Show people on a terminal what is going on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=steps)

        def tell(what: str) -> None:
            progress.update(task, description=what, advance=1)

        yield tell


def compare(protocol: str, settings: Settings, tell: Tell) -> Compared:
    """Measure `protocol` on fresh nodes."""
    found = Compared(protocol=protocol)
    with tempfile.TemporaryDirectory(prefix="comitia-bench-", dir=settings.where) as directory:
        flags = {"protocol": protocol, "log-level": "warning"}
        cluster = LocalCluster(Path(directory), Ports.free(NODES), flags)
        try:
            tell(f"{protocol}: starting {NODES} nodes")
            cluster.start_all()
            for status in cluster.wait_until_served():
                found.led = status.led
            for load in LOADS:
                tell(f"{protocol}: SET, {load.name} clients")
                found.loads[load.name] = _under(cluster, load, settings)
            for lost, kind in _victims(found.led, settings.kills):
                tell(f"{protocol}: kill -9 of {kind}")
                asyncio.run(_lose(cluster, lost, found))
        except (NodeFailed, OSError, TimeoutError) as error:
            found.failure = _cause(cluster) or str(error) or "no answer in time"
        finally:
            cluster.stop()
    return found


def _cause(cluster: LocalCluster) -> str | None:
    """Return the end of the log of a node that ended by itself; None when none did."""
    for id, process in cluster.processes.items():
        if (code := process.poll()) is not None:
            return f"n{id} ended with code {code}; the end of its log:\n{cluster.tail(id)}"
    return None


def _targets(cluster: LocalCluster, ids: Sequence[int]) -> list[Address]:
    return [Address("127.0.0.1", cluster.ports[id].redis) for id in ids]


def _under(cluster: LocalCluster, load: Load, settings: Settings) -> Under:
    """Clients of a protocol with a leader are at the leader, others at every member."""
    leader = cluster.leader()
    targets = _targets(cluster, cluster.ids if leader is None else [leader])
    before = _counters(cluster)
    measured = run(measure(load, targets, settings.seconds, settings.keys, settings.size))
    spent = {name: count - before[name] for name, count in _counters(cluster).items()}
    p50_ms, p99_ms = measured.percentiles(50, 99)
    return Under(
        clients=load.clients,
        pipeline=load.pipeline,
        per_second=measured.rate,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        errors=measured.errors,
        **{name: count / max(1, measured.answered) for name, count in spent.items()},
    )


def _counters(cluster: LocalCluster) -> dict[str, float]:
    """Return the sums over all nodes of what is COUNTED."""
    sums = dict.fromkeys(COUNTED, 0.0)
    for id in cluster.processes:
        with urllib.request.urlopen(f"http://{cluster.http(id)}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        for name, metric in COUNTED.items():
            sums[name] += float(values[metric])
    return sums


def _victims(led: bool, kills: int) -> Iterator[tuple[bool, str]]:
    """Yield whether to kill the leader, and how to call the victim, for each kill."""
    if led:
        yield from [(True, "the leader")] * kills
        yield from [(False, "a follower")] * kills
    else:
        yield from [(False, "a member")] * kills


async def _lose(cluster: LocalCluster, lost: bool, found: Compared) -> None:
    """Kill the leader or another member under load, note for how long, and start it again."""
    leader = cluster.leader()
    victim = leader if lost and leader is not None else next(i for i in cluster.ids if i != leader)
    others = _targets(cluster, [id for id in cluster.ids if id != victim])
    times_ms = found.leader_lost_ms if lost else found.other_lost_ms
    times_ms.append(await outage_ms(others, lambda: cluster.kill(victim)))
    cluster.start(victim)
    deadline_s = time.monotonic() + CATCH_UP_S
    while not _caught_up(cluster, victim):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"n{victim} did not catch up after it was killed")
        await asyncio.sleep(0.1)


def _caught_up(cluster: LocalCluster, id: int) -> bool:
    """Whether node `id` is again where the others are, and they can send to it."""
    statuses = [status for each in cluster.ids if (status := cluster.status(each)) is not None]
    own = next((status for status in statuses if status.node == id), None)
    return (
        own is not None
        and len(statuses) == len(cluster.ids)
        and (own.leader is not None or not own.led)
        and all(status.applied <= own.applied for status in statuses)
        and all(peer.connected for status in statuses for peer in status.peers)
    )
