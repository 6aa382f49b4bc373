"""`comitia bench`: the standard load, with percentiles."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from comitia.cli._loop import run
from comitia.cli._nodes import address, output_option

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
    type=address,
    metavar="HOST:PORT",
    help="A Redis port of the cluster.  May be given often: --record uses all, else the first.",
)
@click.option(
    "--against", multiple=True, type=address, metavar="HOST:PORT", help="Another server to compare."
)
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
@click.option(
    "--protocol",
    "wanted",
    metavar="all|NAME,...",
    help="Instead, start fresh nodes of each of these on this machine, and compare them.",
)
@click.option(
    "--kills",
    default=3,
    show_default=True,
    type=click.IntRange(0),
    help="With --protocol: how often the leader, and another, is killed to see for how long "
    "nobody is served.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --protocol: also draw it, as .svg, .png or .pdf.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    default=".",
    help="With --protocol: the nodes' data are below this directory meanwhile, on its disk.",
)
@output_option
@click.pass_context
def command(
    context: click.Context,
    targets: tuple[str, ...],
    against: tuple[str, ...],
    clients: int,
    pipeline: int,
    seconds: float,
    keys: int,
    size: int,
    record: Path | None,
    wanted: str | None,
    kills: int,
    plot: Path | None,
    data: Path,
    output: str,
) -> None:
    """Measure a cluster as its clients see it, or protocols beside each other.

    A wait is from sending a batch of commands to its last reply.  Keys named key:000000000000 and
    so on are overwritten.

    With --protocol the nodes are started for it and removed afterwards.  Clients are at the leader
    or, where nobody leads, at every member.  docs/benchmarks.md says how to read the table.
    """
    from comitia.cli._load import measure, standard
    from comitia.net.book import Address

    check_together(context, wanted is not None)
    if wanted is not None:
        from comitia.cli._protocols import Settings, compare_all

        settings = Settings(seconds=seconds, keys=keys, size=size, kills=kills, where=data)
        sys.exit(compare_all(wanted, settings, plot, output))
    ours = [Address.parse(target) for target in targets]
    if record is not None:
        _record(ours, clients, seconds, keys, record)
        return

    async def main() -> list[Measured]:
        found = []
        for load in standard(clients, pipeline):
            for target in (ours[0], *map(Address.parse, against)):
                found.append(await measure(load, [target], seconds, keys, size))
        return found

    measured = _measured(main())
    if output == "json":
        _json(measured)
    else:
        _table(measured, compared=bool(against))


def check_together(context: click.Context, protocols: bool) -> None:
    """Raise UsageError for an option that means nothing beside the others."""
    of_servers, of_protocols = (
        ("targets", "against", "record", "clients", "pipeline"),
        ("kills", "plot", "data"),
    )
    apart: tuple[str, ...] = of_servers if protocols else of_protocols
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in apart and source is ParameterSource.COMMANDLINE:
            beside = "cannot be used with" if protocols else "means nothing without"
            raise click.UsageError(f"{parameter.opts[0]} {beside} --protocol")


def _measured(main: Coroutine[Any, Any, T]) -> T:
    try:
        return run(main)
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
    try:
        with file.open("w") as written:  # opened first: what cannot be kept is not asked for
            _measured(record(targets, clients, seconds, keys, recorder))
            written.writelines(f"{line}\n" for line in to_json_lines(recorder.events))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
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
