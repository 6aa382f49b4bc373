"""`comitia bench`: the standard load, with percentiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from comitia.cli._load import Measured
    from comitia.net.book import Address

T = TypeVar("T")


@click.command(epilog="Example: comitia bench --against 127.0.0.1:6379")
@click.option(
    "--target",
    "targets",
    multiple=True,
    default=["127.0.0.1:7001"],
    show_default=True,
    metavar="HOST:PORT",
    help="A Redis port of the cluster.  May be given often: --record uses all, else the first.",
)
@click.option("--against", multiple=True, metavar="HOST:PORT", help="Another server to compare.")
@click.option("--clients", default=64, show_default=True, type=click.IntRange(1))
@click.option("--pipeline", default=16, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1))
@click.option("--keys", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--size", default=3, show_default=True, type=click.IntRange(0), help="Of a value.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Instead, write down what clients of few keys ask and see, for `comitia history verify`.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def command(
    targets: tuple[str, ...],
    against: tuple[str, ...],
    clients: int,
    pipeline: int,
    seconds: float,
    keys: int,
    size: int,
    record: Path | None,
    output: str,
) -> None:
    """Measure a cluster as its clients see it.

    A wait is from sending a batch of commands to its last reply.  Keys named key:000000000000 and
    so on are overwritten.
    """
    from comitia.cli._load import measure, standard
    from comitia.net.book import Address

    ours = [Address.parse(target) for target in targets]
    if record is not None:
        _record(ours, clients, seconds, keys, record)
        return

    async def main() -> list[Measured]:
        found = []
        for load in standard(clients, pipeline):
            for target in (ours[0], *map(Address.parse, against)):
                found.append(await measure(load, target, seconds, keys, size))
        return found

    measured = _run(main())
    if output == "json":
        _json(measured)
    else:
        _table(measured, compared=bool(against))


def _run(main: Coroutine[Any, Any, T]) -> T:
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main)
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        raise click.ClickException(f"{reason}; start a cluster with: comitia up") from error


def _record(targets: list[Address], clients: int, seconds: float, keys: int, file: Path) -> None:
    import time

    from comitia.cli._recorded import record
    from comitia.history.readers import to_json_lines
    from comitia.history.recorder import Recorder

    recorder = Recorder(time.monotonic_ns)
    keys = min(keys, 16)
    _run(record(targets, clients, seconds, keys, recorder))
    file.write_text("".join(f"{line}\n" for line in to_json_lines(recorder.events)))
    calls = sum(event.type == "invoke" for event in recorder.events)
    unknown = sum(event.type == "info" for event in recorder.events)
    click.echo(f"{calls} calls on {keys} keys, {unknown} with unknown outcome, in {file}")
    click.echo(f"  judge them: comitia history verify {file} --model register")


PERCENTS = (50, 99, 100)


def _json(measured: list[Measured]) -> None:
    import msgspec

    rows = [
        {
            "load": each.load.name,
            "target": each.target,
            "per_second": round(each.rate, 1),
            "ms": dict(zip(map(str, PERCENTS), each.percentiles(*PERCENTS), strict=True)),
            "errors": each.errors,
        }
        for each in measured
    ]
    click.echo(msgspec.json.encode(rows))


def _table(measured: list[Measured], compared: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("LOAD", no_wrap=True)
    table.add_column("TARGET", no_wrap=True)
    for title in ("OP/S", "P50 ms", "P99 ms", "MAX ms"):
        table.add_column(title, justify="right", no_wrap=True)
    if compared:
        table.add_column("OURS IS", justify="right", no_wrap=True)
    table.add_column("ERRORS")
    ours = measured[0]
    for each in measured:
        if each.load != ours.load or each is measured[0]:
            ours = each
        row = [each.load.name, each.target, f"{each.rate:,.0f}"]
        row += [f"{wait:.2f}" for wait in each.percentiles(*PERCENTS)]
        if compared:
            row.append("" if each is ours or not each.rate else f"{ours.rate / each.rate:.2f}x")
        row.append(", ".join(f"{count} {code}" for code, count in sorted(each.errors.items())))
        table.add_row(*row)
    Console(highlight=False).print(table)
