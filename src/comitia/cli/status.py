"""`comitia status`: the cluster at a glance."""

from __future__ import annotations

import sys

import click

from comitia.cli._nodes import node_option, output_option, statuses
from comitia.net.status import Status


@click.command(epilog="Example: comitia status -o json")
@node_option
@output_option
def command(nodes: tuple[str, ...], output: str) -> None:
    """Show every node, and how many more may fail.

    Exit code 0 when the cluster serves and every member is up, 1 otherwise.
    """
    import msgspec

    found, failed, _ = statuses(nodes)
    newest = max(found.values(), key=lambda status: status.epoch)
    voters = set(newest.voters)
    spare = len(voters & set(found)) - (len(voters) // 2 + 1)
    served = spare >= 0 and (newest.leader in found or not newest.led)
    missing = sorted({*newest.voters, *newest.learners} - set(found))
    if not served:
        verdict = "NOT SERVING"
    elif missing:
        verdict = "DEGRADED"
    else:
        verdict = "HEALTHY"
    if output == "json":
        report = {
            "cluster": newest.cluster,
            "verdict": verdict,
            "tolerates": max(0, spare),
            "nodes": [found[id] for id in sorted(found)],
            "unreachable": {f"n{id}": reason for id, reason in sorted(failed.items())},
        }
        click.echo(msgspec.json.encode(report))
    else:
        _table(verdict, spare, found, failed)
    sys.exit(0 if verdict == "HEALTHY" else 1)


def _table(verdict: str, spare: int, found: dict[int, Status], failed: dict[int, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    newest = max(found.values(), key=lambda status: status.epoch)
    last = max(status.committed for status in found.values())
    lookout = found.get(newest.leader or 0, newest)  # no node has number 0
    rtts = {peer.node: peer.rtt_ms for peer in lookout.peers}
    console = Console(highlight=False)
    colour = {"HEALTHY": "green", "DEGRADED": "yellow"}.get(verdict, "red")
    failures = "failure" if spare == 1 else "failures"
    tolerates = f", tolerates {spare} {failures}" if spare >= 0 else ", no majority"
    console.print(
        f"cluster {newest.cluster} · {newest.protocol} · [{colour}]{verdict}[/]{tolerates}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("NODE", "ROLE", "TERM", "COMMIT", "APPLIED", "LAG", "RTT", "FSYNC p99"):
        table.add_column(name)
    table.add_column("VERSION")
    table.add_column("")
    for id in sorted({*found, *failed, *newest.voters, *newest.learners}):
        if id not in found:
            reason = failed.get(id, "not reachable")
            table.add_row(f"n{id}", *["-"] * 8, f"[red]✘ {reason}[/]")
            continue
        status = found[id]
        leads = id == newest.leader
        lag = last - status.applied
        role = status.role.upper() if leads else status.role
        if id in newest.learners:
            role += " (learner)"
        notes = []
        if lag > 100:
            notes.append("catching up")
        if status.disk:
            notes.append(f"disk: {status.disk}")
        notes += [f"n{p.node} refuses it: {p.refused}" for p in status.peers if p.refused]
        table.add_row(
            f"n{id}",
            role,
            str(status.epoch),
            str(status.committed) if status.led else "-",
            str(status.applied) if status.led else "-",
            "-" if leads or not status.led else str(lag),
            "-" if leads or not status.led else _ms(rtts.get(id)),
            _ms(status.sync_p99_ms),
            status.version,
            "[yellow]" + "; ".join(f"⚠ {note}" for note in notes) + "[/]" if notes else "",
        )
    console.print(table)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
