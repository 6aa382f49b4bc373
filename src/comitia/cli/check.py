"""`comitia check`: explore every reachable state of a small configuration."""

from __future__ import annotations

import importlib
import inspect
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from comitia.cli.serve import protocol_named

if TYPE_CHECKING:
    from comitia.check import Limits, Progress, Report, System
    from comitia.kernel import Model, Promise, View

KINDS = {bool: "yes or no", int: "a whole number", float: "a number", str: "a word"}
REPORT_S = 60
"""Where no progress line can be shown, one is printed every so often."""


@dataclass(frozen=True)
class Target:
    """What to check, and the promises that it must keep."""

    name: str
    what: Model | System
    promises: tuple[Callable[[], Promise], ...]
    view: Callable[[Any], View] | None
    breaks: str


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Example: comitia check paxos --acceptors 3 --ballots 2",
)
@click.argument("protocol")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[MODEL] [--BOUND N]...")
@click.option(
    "--search",
    type=click.Choice(["breadth", "depth", "walk"]),
    default="breadth",
    show_default=True,
    help="Every state and the shortest run; every state, any run; runs at random.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the walks.")
@click.option("--jobs", type=click.IntRange(1), help="Processes of --search breadth; all cores.")
@click.option("--depth", type=click.IntRange(1), help="Look no deeper, or: the length of a walk.")
@click.option("--states", type=click.IntRange(1), help="Stop after this many distinct states.")
@click.option("--seconds", type=float, help="Stop after this long.")
@click.option("--memory", type=int, metavar="MIB", help="Stop at this much resident memory.")
@click.option("--trace", type=click.Path(dir_okay=False), help="Write what is broken to this file.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def command(
    protocol: str,
    arguments: tuple[str, ...],
    search: str,
    seed: int,
    jobs: int | None,
    depth: int | None,
    states: int | None,
    seconds: float | None,
    memory: int | None,
    trace: str | None,
    output: str,
) -> None:
    """Explore every order of events of a bounded model of PROTOCOL.

    PROTOCOL is one of those that come with Comitia, or MODULE:NAME for a Protocol, a Model, a
    System, or a function that makes one, of yours.  MODEL is one of the models it declares, the
    first by default; --BOUND N turns one of that model's bounds.

    Exit status: 0 everything holds, or the model breaks what it is known to break; 1 a property
    is broken; 2 wrong usage; 3 a limit ended the search first.
    """
    from comitia.check import Limits, WrongModel

    if search == "walk" and states is None and seconds is None:
        raise click.UsageError("walks never end: give --seconds or --states")
    target = _target(protocol, list(arguments))
    limits = Limits(states=states, depth=depth, seconds=seconds, memory_mib=memory)
    try:
        report = _search(target, search, limits, seed, jobs)
    except WrongModel as error:
        raise click.UsageError(f"{target.name}: {error}") from error
    if trace is not None and report.story is not None:
        _write_trace(trace, protocol, target, report)
    print(_as_json(target, report) if output == "json" else _as_text(target, report))
    sys.exit(_status(target, report))


def _search(target: Target, search: str, limits: Limits, seed: int, jobs: int | None) -> Report:
    from comitia.check import depth_first, on_all_cores, random_walks, space_of

    space = space_of(target.what, target.promises)
    with _Display(target.name) as display:
        match search:
            case "breadth":
                return on_all_cores(space, limits, display.show, jobs)
            case "depth":
                return depth_first(space, limits, display.show)
            case _:
                return random_walks(space, limits, seed, display.show)


def _write_trace(path: str, protocol: str, target: Target, report: Report) -> None:
    from comitia.check import Story
    from comitia.check.trace import trace_of
    from comitia.history.trace import write_trace

    if not isinstance(report.story, Story):
        raise click.UsageError("a System has no nodes, so its runs are no traces")
    replay = shlex.join(["comitia", *sys.argv[1:]])
    header, events = trace_of(
        report.story, protocol, report.property, replay=replay, view=target.view
    )
    with open(path, "wb") as file:
        file.writelines(write_trace(header, events))


def _target(protocol: str, arguments: list[str]) -> Target:
    from comitia.check import System
    from comitia.kernel import Model, Protocol

    found = _find(protocol)
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else ""
    promises: tuple[Callable[[], Promise], ...] = ()
    view = None
    if isinstance(found, Protocol):
        promises, view = found.promises, found.view
        models = {model.__name__: model for model in found.models}
        if not models:
            raise click.UsageError(f"{found.name} declares no models")
        if name and name not in models:
            raise click.UsageError(f"{found.name} has no model {name}; try {', '.join(models)}")
        found = models[name or next(iter(models))]
    elif name:
        raise click.UsageError(f"{protocol} is no protocol that has models, what is {name}?")
    if callable(found):
        name, found = found.__name__, found(**_bounds(found, arguments))
    elif arguments:
        raise click.UsageError(f"{protocol} has no bounds to turn: {' '.join(arguments)}")
    if not isinstance(found, Model | System):
        raise click.UsageError(f"{protocol} is no Protocol, Model or System, and makes none")
    title = f"{protocol} {name}" if ":" not in protocol else protocol
    return Target(title, found, promises, view, getattr(found, "breaks", ""))


def _find(protocol: str) -> Any:
    module, _, name = protocol.partition(":")
    if not name:
        return protocol_named(protocol)
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise click.UsageError(f"no {protocol}: {error}") from error


def _bounds(make: Callable[..., Any], arguments: list[str]) -> dict[str, Any]:
    """Read `--name value` and `--name=value` by the signature of `make`."""
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(make).parameters.items()
        if isinstance(parameter.default, bool | int | float | str)
    }
    bounds: dict[str, Any] = {}
    words = [part for word in arguments for part in word.split("=", 1)]
    for flag, text in zip(words[::2], [*words[1::2], ""], strict=False):
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in parameters:
            known = ", ".join(f"--{p.replace('_', '-')}" for p in parameters) or "none"
            raise click.UsageError(f"{make.__name__} has no bound {flag}; it has {known}")
        kind = type(parameters[name])
        try:
            bounds[name] = {"yes": True, "no": False}[text] if kind is bool else kind(text)
        except (ValueError, KeyError) as error:
            raise click.UsageError(f"{flag} wants {KINDS[kind]}, not {text!r}") from error
    return bounds


class _Display:
    """The line that shows how far a search has come; none when nobody looks at it."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        # It draws only when told to: a thread of its own would be forked along with the search.
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = console.is_terminal
        self._name, self._due = name, float(REPORT_S)

    def __enter__(self) -> _Display:
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        if not self._shown and progress.seconds < self._due:
            return
        rate = progress.generated / max(progress.seconds, 1e-9)
        text = (
            f"{self._name}: {progress.states:,} states, {progress.generated:,} generated, "
            f"depth {progress.depth}, {progress.waiting:,} waiting, {rate:,.0f}/s"
        )
        if self._shown:
            self._live.update(text, refresh=True)
        else:
            self._due = progress.seconds + REPORT_S
            click.echo(text, err=True)


def _as_text(target: Target, report: Report) -> str:
    lines = [
        f"{target.name}: {report.states:,} states, {report.generated:,} generated, "
        f"depth {report.depth}, {report.seconds:.1f} s"
    ]
    if report.property:
        lines += [f"✘ {report.property}: {report.reason}", str(report.story or "")]
    elif report.cut:
        lines.append(f"nothing broken until {report.cut}")
    else:
        lines.append("✔ everything holds")
    if target.breaks:
        broken = report.property == target.breaks
        lines.append(f"{'✔' if broken else '✘'} it is wrong, and must break {target.breaks}")
    lines += [f"note: {caution}" for caution in report.cautions]
    return "\n".join(line for line in lines if line)


def _as_json(target: Target, report: Report) -> str:
    return json.dumps(
        {
            "model": target.name,
            "outcome": report.outcome,
            "states": report.states,
            "generated": report.generated,
            "depth": report.depth,
            "passes": report.passes,
            "seconds": round(report.seconds, 3),
            "bytes_per_state": round(report.bytes_per_state),
            "property": report.property,
            "reason": report.reason,
            "must_break": target.breaks,
            "cut": report.cut,
            "notes": report.cautions,
            "story": str(report.story or "").splitlines(),
        }
    )


def _status(target: Target, report: Report) -> int:
    if report.outcome == "cut":
        return 3
    return int(report.property != target.breaks)
