"""`comitia doctor`: is this machine fit, and is this cluster?"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from comitia.cli._nodes import Unreachable, node_option, output_option, statuses
from comitia.net.remote import status_of

SYNCS = 200
SLOW_SYNC_MS = 10.0
FILES = 4096
FREE_BYTES = 1 << 30
RTT_MS = 50.0
CLOCK_MS = 500.0

Finding = tuple[bool, str]


@click.command(epilog="Example: comitia doctor --data /var/lib/comitia")
@click.option("--data", type=click.Path(path_type=Path), default=".", help="Where data will be.")
@node_option
@output_option
def command(data: Path, nodes: tuple[str, ...], output: str) -> None:
    """Check the disk and the limits here and, if a cluster runs, its members and their clocks.

    Exit code 1 when something needs care.
    """
    findings = [*machine(data), *cluster(nodes)]
    if output == "json":
        click.echo(json.dumps([{"fine": fine, "text": text} for fine, text in findings]))
    else:
        for fine, text in findings:
            click.echo(f"  {'✔' if fine else '✘'} {text}")
    sys.exit(0 if all(fine for fine, _ in findings) else 1)


def machine(data: Path) -> Iterator[Finding]:
    """Look at this machine."""
    where = next(path for path in (data, *data.absolute().parents) if path.is_dir())
    try:
        median_ms, worst_ms = sync_ms(where)
    except OSError as error:
        yield False, f"nothing can be written in {where}: {error.strerror}"
    else:
        how = "inline" if median_ms < 0.5 else "in a thread"
        yield (
            median_ms < SLOW_SYNC_MS,
            f"a sync of {where} takes {median_ms:.2f} ms (99 %: {worst_ms:.1f} ms): done {how}",
        )
    disk = os.statvfs(where)
    free = disk.f_bavail * disk.f_frsize
    yield free > FREE_BYTES, f"{free / (1 << 30):.1f} GiB are free in {where}"
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield (
        files >= FILES,
        f"{files} files may be open, one a client" + ("" if files >= FILES else "; ulimit -n"),
    )


def sync_ms(where: Path) -> tuple[float, float]:
    """Return the median and 99th percentile of small synced writes in `where`."""
    path = where / f".comitia-doctor-{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, bytes(1 << 20), 0)
        os.fsync(fd)
        took = []
        for number in range(SYNCS):
            began_s = time.perf_counter()
            os.pwrite(fd, b"x" * 512, number * 4096)
            getattr(os, "fdatasync", os.fsync)(fd)
            took.append((time.perf_counter() - began_s) * 1000)
    finally:
        os.close(fd)
        path.unlink()
    took.sort()
    return took[SYNCS // 2], took[SYNCS * 99 // 100]


def cluster(nodes: tuple[str, ...]) -> Iterator[Finding]:
    """Look at the cluster, if there is one."""
    try:
        found, failed, where = statuses(nodes)
    except Unreachable:
        yield not nodes, "no cluster answers" + ("" if nodes else " here; name one with --node")
        return
    newest = max(found.values(), key=lambda status: status.epoch)
    voters = len(newest.voters)
    tolerated = (voters - 1) // 2
    odd = "" if voters % 2 else f"; {voters - 1} would tolerate as many"
    yield tolerated > 0, f"{voters} voters, {tolerated} of them may fail{odd}"
    if newest.led:
        leader = "none" if newest.leader is None else f"n{newest.leader}"
        yield newest.leader in found, f"leader: {leader}"
    yield (
        len({status.version for status in found.values()}) == 1,
        "versions: " + ", ".join(sorted({status.version for status in found.values()})),
    )
    for id, reason in sorted(failed.items()):
        yield False, f"n{id}: {reason}"
    for id, status in sorted(found.items()):
        if status.disk:
            yield False, f"n{id}: disk: {status.disk}"
        for peer in status.peers:
            if peer.refused:
                yield False, f"n{peer.node} refuses n{id}: {peer.refused}"
            elif peer.rtt_ms is not None and peer.rtt_ms > RTT_MS:
                far = f"n{id} to n{peer.node} and back takes {peer.rtt_ms:.0f} ms"
                yield False, f"{far}: raise election_timeout_ms"
        yield clock(id, where[id])


def clock(id: int, at: str) -> Finding:
    """Compare the clock of node `id` with this machine's."""
    before_s = time.time()
    try:
        there_ms = status_of(at).now_ms
    except OSError as error:
        return False, f"n{id}: {error}"
    offset_ms = there_ms - (before_s + time.time()) / 2 * 1000
    text = f"n{id}: its clock is {offset_ms:+.0f} ms from this machine's; keys expire by it"
    return abs(offset_ms) < CLOCK_MS, text
