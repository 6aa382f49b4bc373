"""How `comitia quorums` shows a system: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import click

from comitia.quorums import ReadWrite
from comitia.quorums.measure import Number
from comitia.quorums.report import Report, Side
from comitia.quorums.strategy import Choices


def shown(value: Number) -> str:
    return str(value) if isinstance(value, Fraction) else f"{value:.4g}"


def _json(value: Number) -> str | float:
    return str(value) if isinstance(value, Fraction) else value


def _quorum(quorum: frozenset[int], names: Mapping[int, str]) -> str:
    return "{" + ", ".join(names[member] for member in sorted(quorum)) + "}"


def _nines(side: Side) -> str:
    """All the nines and two digits more."""
    down = 1 - side.availability
    if 0 < down < Fraction(1, 10**12):
        return f"1 - {float(down):.1e}"
    digits = 4
    while down and Fraction(1, 10 ** (digits - 2)) > down:
        digits += 1
    return f"{float(side.availability):.{digits}f}"


def _sizes(side: Side) -> str:
    if side.largest is None:
        return f"from {side.smallest}"
    return f"{side.smallest}-{side.largest}" if side.smallest < side.largest else f"{side.smallest}"


def print_report(system: ReadWrite, report: Report, names: Mapping[int, str]) -> None:
    click.echo(f"reads   {system.reads.show(names)}")
    click.echo(f"writes  {system.writes.show(names)}\n")
    sides = (("reads", report.reads), ("writes", report.writes))
    print_table(
        ["", "quorums", "sizes", "survives", "availability"],
        [
            (name, s.quorums or "not listed", _sizes(s), s.resilience, _nines(s))
            for name, s in sides
        ],
    )
    print_table(
        ["load", "capacity", "members asked", "latency"],
        [tuple(shown(v) for v in (report.load, report.capacity, report.network, report.latency))],
    )
    print_table(["member", "load"], [(names[m], shown(v)) for m, v in report.member_load.items()])
    for kind, choices in (("read", report.strategy.reads), ("write", report.strategy.writes)):
        print_table([f"{kind} quorum", "how often"], _choices(choices, names))


def _choices(choices: Choices, names: Mapping[int, str], most: int = 20) -> list[tuple[Any, ...]]:
    rows = [(_quorum(quorum, names), shown(chance)) for quorum, chance in choices[:most]]
    if len(choices) > most:
        rows.append((f"and {len(choices) - most} more", ""))
    return rows


def print_table(head: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # A pipe has no width to keep to: there a row stays on one line.
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(*head, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def as_json(system: ReadWrite, report: Report, names: Mapping[int, str]) -> dict[str, Any]:
    def side(side: Side) -> dict[str, Any]:
        return {
            "quorums": side.quorums,
            "smallest": side.smallest,
            "largest": side.largest,
            "resilience": side.resilience,
            "availability": float(side.availability),
            "unavailability": float(1 - side.availability),
        }

    def choices(choices: Choices) -> list[dict[str, Any]]:
        return [
            {"quorum": [names[m] for m in sorted(quorum)], "probability": _json(chance)}
            for quorum, chance in choices
        ]

    return {
        "reads": {"expression": system.reads.show(names)} | side(report.reads),
        "writes": {"expression": system.writes.show(names)} | side(report.writes),
        "load": _json(report.load),
        "capacity": _json(report.capacity),
        "network": _json(report.network),
        "latency": _json(report.latency),
        "member_load": {names[m]: _json(load) for m, load in report.member_load.items()},
        "strategy": {
            "reads": choices(report.strategy.reads),
            "writes": choices(report.strategy.writes),
        },
    }
