"""`comitia sim`: many seeds of a protocol under every fault."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comitia.cli.serve import protocol_named

if TYPE_CHECKING:
    from comitia.history.trace import Header, TraceEvent
    from comitia.kernel import Protocol
    from comitia.sim.campaign import Tally
    from comitia.sim.run import Settings

SUFFIXES = {"jsonl": "jsonl", "shiviz": "shiviz.log", "mermaid": "mmd"}
FORMS = tuple(SUFFIXES)
INTERRUPTED = 130
"""The exit code of a campaign that Ctrl-C ended before anything was found."""
ELSEWHERE = 300
"""Seeds that a campaign asks for a shorter story."""
REPORT_S = 60
"""Where no progress bar can be shown, a line every so often."""


def _option(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    return name, int(value) if value.lstrip("-").isdigit() else value


@click.command()
@click.argument("protocol")
@click.option("--seeds", type=click.IntRange(1), default=1000, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(0), help="Run this one only.")
@click.option("--first", type=click.IntRange(0), default=0, help="The first seed of --seeds.")
@click.option("--faults", default="all", show_default=True, help="Names and groups; -name removes.")
@click.option("--nodes", type=click.IntRange(1), help="Voters at the start; drawn if not given.")
@click.option("--clients", type=click.IntRange(0), help="Drawn if not given.")
@click.option("--steps", type=click.IntRange(1), help="Steps before everything heals.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; all cores if not given.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    help="Where traces go: a folder, with --seed a file.  [default: a temporary folder]",
)
@click.option(
    "--form", type=click.Choice(FORMS), default="jsonl", help="What a trace is written as."
)
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="Protocol's options.")
def command(
    protocol: str,
    seeds: int,
    seed: int | None,
    first: int,
    faults: str,
    nodes: int | None,
    clients: int | None,
    steps: int | None,
    jobs: int | None,
    trace: Path | None,
    form: str,
    options: tuple[str, ...],
) -> None:
    """Simulate PROTOCOL under every fault, one run a seed.

    Example: comitia sim raft --seeds 10000 --faults all
    """
    from comitia.sim.faults import parse_faults
    from comitia.sim.run import DEFAULT_STEPS, Settings

    found = protocol_named(protocol)
    try:
        chosen = parse_faults(faults)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(
        faults=chosen,
        nodes=nodes,
        clients=clients,
        steps=steps or DEFAULT_STEPS,
        options=dict(map(_option, options)),
    )
    _check(found, settings)
    if seed is not None:
        first, seeds, jobs = seed, 1, 1
    span = range(first, first + seeds)
    tally, interrupted = _run(protocol, settings, span, jobs or os.cpu_count() or 1)
    _tell(found, settings, tally, seed, trace, form)
    sys.exit(1 if tally.failed else INTERRUPTED if interrupted else 0)


def _check(protocol: Protocol, settings: Settings) -> None:
    """Raise UsageError when nodes cannot be made so, or nobody could ask them for anything."""
    from comitia.kernel import Replica

    voters = tuple(range(1, (settings.nodes or 3) + 1))
    try:
        node = protocol.make(1, voters, **settings.options)
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"no node of {protocol.name} can be made so: {error}") from error
    if protocol.ask is None and not isinstance(node, Replica):
        raise click.UsageError(
            f"{protocol.name} serves no clients, who are what a simulation is about; "
            f"`comitia check {protocol.name}` explores it"
        )


def _run(name: str, settings: Settings, span: range, jobs: int) -> tuple[Tally, bool]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from comitia.sim.campaign import Tally, campaign

    console, began = Console(soft_wrap=True), time.monotonic()
    tally, interrupted = Tally(next_seed=span.start), False
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        console=console,
        transient=True,
    )
    try:
        with bar:
            reported = began
            task = bar.add_task(name, total=len(span), rates="")
            for outcome in campaign(partial(protocol_named, name), settings, span, jobs):
                tally.add(outcome)
                if outcome.failure is not None and tally.failed <= 20:
                    bar.console.print(f"✘ {outcome.failure}", highlight=False, markup=False)
                bar.update(task, completed=tally.seeds, rates=_rates(tally, began))
                if not console.is_terminal and time.monotonic() > reported + REPORT_S:
                    reported = time.monotonic()
                    console.print(f"{tally.seeds:,} seeds  {_rates(tally, began)}", highlight=False)
    except KeyboardInterrupt:
        interrupted = True
        rest = f"--first {tally.next_seed} --seeds {span.stop - tally.next_seed}"
        console.print(f"interrupted after {tally.seeds:,} of {len(span):,} seeds", highlight=False)
        if tally.next_seed < span.stop:
            console.print(f"go on:   {settings.command(name, rest)}", highlight=False)
    _summary(console, name, tally, began)
    return tally, interrupted


def _tell(
    protocol: Protocol,
    settings: Settings,
    tally: Tally,
    seed: int | None,
    trace: Path | None,
    form: str,
) -> None:
    """Shrink and tell one failure of each promise; write traces where they are asked for."""
    from comitia.sim.story import record, story

    for failure in tally.first.values():
        told = story(protocol, failure, settings, 0 if seed is not None else ELSEWHERE)
        failure = told.failure
        click.echo(f"\n{told}")
        name = f"{protocol.name}-{failure.seed}.{SUFFIXES[form]}"
        folder = Path(tempfile.gettempdir()) / "comitia-traces" if trace is None else trace
        is_file = trace is not None and seed is not None and not trace.is_dir()
        _write(folder if is_file else folder / name, form, told.header, told.events)
    if not tally.failed and seed is not None and trace is not None:
        name = f"{protocol.name}-{seed}.{SUFFIXES[form]}"
        path = trace / name if trace.is_dir() else trace
        _write(path, form, *record(protocol, seed, settings))


def _write(path: Path, form: str, header: Header, events: list[TraceEvent]) -> None:
    from comitia.history.trace import write_trace
    from comitia.history.trace_pictures import to_mermaid, to_shiviz

    if form == "jsonl":
        data = b"".join(write_trace(header, events))
    else:
        lines = to_shiviz(events) if form == "shiviz" else to_mermaid(header, events)
        data = ("\n".join(lines) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"the trace cannot be written: {error}") from error
    click.echo(f"trace:   {path}")


def _rates(tally: Tally, began: float) -> str:
    took = max(time.monotonic() - began, 1e-9)
    return (
        f"{tally.seeds / took:,.0f} seeds/s  {tally.events / took:,.0f} events/s  "
        f"{tally.failed} failures"
    )


def _summary(console: Any, name: str, tally: Tally, began: float) -> None:
    clean = tally.seeds - tally.failed
    mark = "✘" if tally.failed else "✔"
    console.print(
        f"{mark} {clean:,} of {tally.seeds:,} seeds clean: {tally.events:,} events, "
        f"{tally.served:,} operations served, {tally.virtual_ms / 3_600_000:,.1f} virtual hours; "
        f"{_rates(tally, began)}",
        highlight=False,
    )
    for promise, count in tally.broken.most_common():
        seed = tally.first[promise].seed
        console.print(f"  {promise}: {count} seeds, the first is {seed}", highlight=False)
