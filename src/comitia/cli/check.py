"""`comitia check`: explore every reachable state of a small configuration."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from comitia.check import Progress, Report, System
    from comitia.kernel import Model, Promise


@dataclass(frozen=True)
class Target:
    """What to check, and the promises that it must keep."""

    name: str
    what: Model | System
    promises: tuple[Callable[[], Promise], ...]
    breaks: str


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Example: comitia check paxos --acceptors 3 --ballots 2",
)
@click.argument("protocol")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[MODEL] [--BOUND N]...")
@click.option("--states", type=int, help="Stop after this many distinct states.")
@click.option("--seconds", type=float, help="Stop after this long.")
@click.option("--memory", type=int, metavar="MIB", help="Stop at this much resident memory.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def command(
    protocol: str,
    arguments: tuple[str, ...],
    states: int | None,
    seconds: float | None,
    memory: int | None,
    output: str,
) -> None:
    """Explore every order of events of a bounded model of PROTOCOL.

    PROTOCOL is one of those that come with Comitia, or MODULE:NAME for a Protocol, a Model, a
    System, or a function that makes one, of yours.  MODEL is one of the models it declares, the
    first by default; --BOUND N turns one of that model's bounds.

    Exit status: 0 everything holds, or the model breaks what it is known to break; 1 a property
    is broken; 2 wrong usage; 3 a limit ended the search first.
    """
    from comitia.check import Limits, breadth_first, space_of

    target = _target(protocol, list(arguments))
    space = space_of(target.what, target.promises)
    limits = Limits(states=states, seconds=seconds, memory_mib=memory)
    with _Display(target.name) as display:
        report = breadth_first(space, limits, display.show)
    print(_as_json(target, report) if output == "json" else _as_text(target, report))
    sys.exit(_status(target, report))


def _target(protocol: str, arguments: list[str]) -> Target:
    from comitia.check import System
    from comitia.kernel import Model, Protocol

    found = _find(protocol)
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else ""
    promises: tuple[Callable[[], Promise], ...] = ()
    if isinstance(found, Protocol):
        promises = found.promises
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
    return Target(title, found, promises, getattr(found, "breaks", ""))


def _find(protocol: str) -> Any:
    module, _, name = protocol.partition(":")
    where = module if name else f"comitia.protocols.{protocol}"
    if name:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(where), name or "PROTOCOL")
    except (ModuleNotFoundError, AttributeError) as error:
        raise click.UsageError(f"no protocol {protocol}: {error}") from error


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
            raise click.UsageError(f"{flag} wants a {kind.__name__}, not {text!r}") from error
    return bounds


class _Display:
    """The line that shows how far a search has come; none when nobody looks at it."""

    def __init__(self, name: str) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._status = self._console.status(name) if self._console.is_terminal else None
        self._name = name

    def __enter__(self) -> _Display:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, progress: Progress) -> None:
        if self._status:
            rate = progress.generated / max(progress.seconds, 1e-9)
            self._status.update(
                f"{self._name}: {progress.states:,} states, {progress.generated:,} generated, "
                f"depth {progress.depth}, {progress.waiting:,} waiting, {rate:,.0f}/s"
            )


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
            "seconds": round(report.seconds, 3),
            "property": report.property,
            "reason": report.reason,
            "must_break": target.breaks,
            "cut": report.cut,
            "story": str(report.story or "").splitlines(),
        }
    )


def _status(target: Target, report: Report) -> int:
    if report.outcome == "cut":
        return 3
    return int(report.property != target.breaks)
