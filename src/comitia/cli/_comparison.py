"""Protocols beside each other, as a table and as a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from comitia.cli._protocols import Compared, Under

ENDINGS = (".svg", ".png", ".pdf")
ONE, MANY = "1", "64"
"""The loads that show what one operation costs alone, and what it costs among others."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # told apart by the colour-blind too

Row = tuple[str, Callable[[Compared], str]]


def table(found: Sequence[Compared]) -> None:
    """Print a column a protocol."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("", no_wrap=True)
    for each in found:
        grid.add_column(each.protocol.upper(), justify="right", no_wrap=True)
    for title, cell in _rows():
        grid.add_row(title, *(cell(each) for each in found))
    # Not folded where nobody looks at it: a file is as wide as it needs to be.
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)
    console.print(grid)
    for each in found:
        errors = {load: under.errors for load, under in each.loads.items() if under.errors}
        if each.failure:
            console.print(f"[red]✘ {each.protocol}: {each.failure}[/]")
        if errors:
            console.print(f"[yellow]⚠ {each.protocol}: errors under load {errors}[/]")


def _rows() -> list[Row]:
    rows: list[Row] = [
        ("clients are at", lambda each: "the leader" if each.led else "every member")
    ]
    for load, title in ((ONE, "SET/s, 1 client"), (MANY, "64"), ("256", "256"), ("64 x 16",) * 2):
        rows.append((title if title.startswith("SET") else f"SET/s, {title} clients", _rate(load)))
    for title, name, digits in (
        ("p50 ms", "p50_ms", 2),
        ("p99 ms", "p99_ms", 2),
        ("messages an operation", "messages", 2),
        ("bytes an operation", "bytes", 0),
        ("disk syncs an operation", "syncs", 2),
    ):
        for load in (ONE, MANY):
            clients = "1 client" if load == ONE else f"{load} clients"
            rows.append((f"{title}, {clients}", _cell(load, name, digits)))
    rows.append(("ms unserved, leader killed", lambda each: _longest(each.leader_lost_ms)))
    rows.append(("ms unserved, another killed", lambda each: _longest(each.other_lost_ms)))
    return rows


def _rate(load: str) -> Callable[[Compared], str]:
    return _cell(load, "per_second", 0)


def _cell(load: str, name: str, digits: int) -> Callable[[Compared], str]:
    def cell(each: Compared) -> str:
        under = each.loads.get(load)
        return "-" if under is None else f"{getattr(under, name):,.{digits}f}"

    return cell


def _longest(times_ms: Sequence[float]) -> str:
    return f"{max(times_ms):,.0f}" if times_ms else "-"


def check_plot(path: Path) -> None:
    """Raise UsageError or ClickException when no picture could be drawn: before hours of work."""
    if path.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"--plot {path}: want an ending of {', '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise click.ClickException(f"--plot {path}: its directory is not there, or not writable")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise click.ClickException(
            "a picture needs matplotlib: pip install 'comitia[quorums]'"
        ) from None


def draw(found: Sequence[Compared], path: Path) -> None:
    """Draw everything that the table shows.  Raises ClickException."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.5 + 2.2 * max(4, len(found)), 9.0), layout="constrained")
    panels = figure.subplots(2, 3).flatten()
    loads = list(dict.fromkeys(load for each in found for load in each.loads))
    _bars(panels[0], found, "SET a second", loads, "per_second", log=True)
    _waits(panels[1], found)
    pair = [ONE, MANY]
    _bars(panels[2], found, "messages an operation", pair, "messages")
    _bars(panels[3], found, "bytes between nodes an operation", pair, "bytes")
    _bars(panels[4], found, "disk syncs an operation, all nodes", pair, "syncs")
    _outages(panels[5], found)
    figure.suptitle("Protocols of Comitia, three nodes each, one after the other on one machine")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


def _bars(
    axes: Any,
    found: Sequence[Compared],
    title: str,
    loads: Sequence[str],
    name: str,
    log: bool = False,
) -> None:
    """Draw one group a protocol, one bar a load."""
    width = 0.8 / max(1, len(loads))
    for index, load in enumerate(loads):
        bars = axes.bar(
            [place + (index - (len(loads) - 1) / 2) * width for place in range(len(found))],
            [_value(each.loads.get(load), name) for each in found],
            width * 0.92,
            color=COLOURS[index % len(COLOURS)],
            label=f"{load} client" + ("" if load == ONE else "s"),
        )
        axes.bar_label(bars, fmt=_short, fontsize=6, padding=1, rotation=90 if log else 0)
    if log:
        axes.set_yscale("log")
    axes.margins(y=0.15)
    _dress(axes, found, title)


def _waits(axes: Any, found: Sequence[Compared]) -> None:
    for index, (name, label) in enumerate(
        (("p50_ms", "half, p50"), ("p99_ms", "all but 1 %, p99"))
    ):
        bars = axes.bar(
            [place + (index - 0.5) * 0.4 for place in range(len(found))],
            [_value(each.loads.get(MANY), name) for each in found],
            0.37,
            color=COLOURS[index],
            label=label,
        )
        axes.bar_label(bars, fmt=_short, fontsize=6, padding=1)
    _dress(axes, found, "ms a SET waits, 64 clients")


def _outages(axes: Any, found: Sequence[Compared]) -> None:
    """Draw a point for every kill: the longest is what counts, but the others are the picture."""
    for index, (name, label) in enumerate(
        (("leader_lost_ms", "the leader killed"), ("other_lost_ms", "another killed"))
    ):
        points = [
            (place + (index - 0.5) * 0.3, time_ms)
            for place, each in enumerate(found)
            for time_ms in getattr(each, name)
        ]
        axes.scatter(
            [x for x, _ in points],
            [max(y, 1) for _, y in points],
            color=COLOURS[index],
            marker="ov"[index],
            label=label,
            alpha=0.8,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_formatter(_plain)
    axes.margins(y=0.2)
    _dress(axes, found, "longest ms in which no client was served")


def _value(under: Under | None, name: str) -> float:
    return float("nan") if under is None else float(getattr(under, name))


def _plain(value: float, position: int) -> str:
    """Write 2 x 10^2 as 200."""
    return f"{value:g}"


def _short(value: float) -> str:
    if value != value:
        return "-"
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:.3g}"


def _dress(axes: Any, found: Sequence[Compared], title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xticks(range(len(found)), [each.protocol for each in found], fontsize=8)
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.tick_params(axis="y", which="both", labelsize=7)
    axes.grid(axis="y", alpha=0.3, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
