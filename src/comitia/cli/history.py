"""`comitia history`: were clients served correctly?"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from comitia.history import Model, Verdict

MODELS = (
    "register",
    "store",
    "log",
    "set",
    "queue",
    "stack",
    "priority-queue",
    "counter",
    "lock",
)
LEVELS = ("read-committed", "serializable", "strict-serializable")
CLAIMS = ("linearizable", "sequential", "sessions", *LEVELS)


@dataclass(frozen=True)
class Judged:
    """What one file came to; crosses from worker to command."""

    file: str
    ok: bool | None
    text: str
    operations: int
    seconds: float
    engines: tuple[str, ...]
    error: str = ""
    page: str = ""


@dataclass(frozen=True)
class _How:
    """What to check, for every file."""

    model: str
    claim: str
    timeout_s: float
    initial: str | None
    independent: bool
    picture: bool


def _known(context: click.Context, option: click.Parameter, name: str) -> str:
    """Refuse a model that nobody has, before any file is read."""
    if ":" in name:
        _own(name)
    elif name not in MODELS:
        raise click.BadParameter(f"no model {name!r}: {', '.join(MODELS)}, or MODULE:CLASS")
    return name


def _own(name: str) -> type[Model]:
    """Return the class that MODULE:CLASS names, looked for from here too."""
    from comitia.history import Model

    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise click.BadParameter(f"no model {name}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise click.BadParameter(f"{name} is no subclass of comitia.history.Model")
    return found


@click.group()
def command() -> None:
    """Record what clients see, and check it.

    Example: comitia history verify run.jsonl --model register --html out.html
    """


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--model",
    default="register",
    show_default=True,
    callback=_known,
    metavar="NAME|MODULE:CLASS",
    help=f"One of {', '.join(MODELS)}; or a class of your own, as my_module:Toggle.",
)
@click.option(
    "--property",
    "claim",
    default="linearizable",
    show_default=True,
    type=click.Choice(CLAIMS),
    help="sequential: one order that keeps each client's own; sessions: the four session "
    "guarantees; the last three: isolation of transactions on lists.",
)
@click.option("--html", type=click.Path(dir_okay=False), help="Write a picture here.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds a file may take.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once; default: one a processor.")
@click.option("--initial", help="What registers hold at first, as JSON.  Default: null.")
@click.option("--independent", is_flag=True, help="Values are [key, value] (Jepsen's independent).")
@click.option("-o", "--output", default="table", type=click.Choice(("table", "json")))
def verify(
    files: tuple[str, ...],
    model: str,
    claim: str,
    html: str | None,
    timeout: float,
    jobs: int | None,
    initial: str | None,
    independent: bool,
    output: str,
) -> None:
    """Check histories: exit code 0 all right, 1 one is wrong, 2 unknown or unreadable.

    Reads Comitia's JSON Lines, Jepsen's EDN and log lines, and Porcupine's key-value form.

    Example: comitia history verify run.jsonl other.edn --model register --html out.html
    """
    how = _How(model, claim, timeout, initial, independent, html is not None)
    found: list[Judged] = []
    for judged in _progress(_all(files, how, jobs), len(files)):
        found.append(judged)
        if output == "table":
            click.echo(_line(judged), err=bool(judged.error))
    found.sort(key=lambda judged: files.index(judged.file))
    if html is not None:
        _write_page(html, found)
    if output == "json":
        click.echo(json.dumps([_as_json(judged) for judged in found], indent=2))
    elif len(found) > 1:
        click.echo(_summary(found))
    sys.exit(_exit_code(found))


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND")
@click.option("--out", default="history.jsonl", show_default=True, type=click.Path(dir_okay=False))
def record(arguments: tuple[str, ...], out: str) -> None:
    """Run a command whose clients note what they see, and keep that as a history.

    The command finds in COMITIA_HISTORY the file to which it appends one JSON object a line
    (type, process, f, value, key, time_ns), for instance with `comitia.history.appending`.

    Example: comitia history record --out run.jsonl -- python my_clients.py
    """
    import subprocess

    path = Path(out)
    environment = {**os.environ, "COMITIA_HISTORY": str(path.resolve())}
    try:
        path.write_text("")
        done = subprocess.run(arguments, env=environment, check=False)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    from comitia.history import HistoryError, read

    try:
        count = len(read(path.read_text())) if path.stat().st_size else 0
    except HistoryError as error:
        raise click.ClickException(f"{out}: {error}") from error
    click.echo(f"{count} operations in {out}; the command ended with {done.returncode}", err=True)
    if count:
        click.echo(f"check them:  comitia history verify {out} --model register", err=True)
    sys.exit(done.returncode)


def _all(files: tuple[str, ...], how: _How, jobs: int | None) -> Iterator[Judged]:
    """Judge the files, several at once; yield each as it is done."""
    workers = min(len(files), jobs or os.cpu_count() or 1)
    if workers == 1:
        yield from (_judge(file, how) for file in files)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed  # dear to load for one file

    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(_judge, file, how) for file in files]
        for done in as_completed(waiting):
            yield done.result()


def _judge(file: str, how: _How) -> Judged:
    from comitia.history import HistoryError, picture
    from comitia.history.readers import placed

    try:
        text = Path(file).read_text()
        began = time.perf_counter()
        with placed(text):
            verdict = _verdict(text, how)
    except (HistoryError, UnicodeDecodeError) as error:
        return Judged(file, None, "", 0, 0.0, (), error=str(error))
    except Exception as error:  # noqa: BLE001  a model that met what it does not know: no verdict
        why = f"{how.model} cannot judge this history: {type(error).__name__}: {error}"
        return Judged(file, None, "", 0, 0.0, (), error=why)
    took = time.perf_counter() - began
    page = picture.page(verdict, Path(file).name) if how.picture else ""
    return Judged(
        file, verdict.ok, str(verdict), len(verdict.history), took, verdict.engines, page=page
    )


def _verdict(text: str, how: _How) -> Verdict:
    from comitia.history import MODELS as models
    from comitia.history import check, events, isolation, operations, sequential, sessions
    from comitia.history.readers import independent

    noted = independent(events(text)) if how.independent else events(text)
    if how.claim in LEVELS:
        return isolation(noted, how.claim)
    history = operations(noted)
    if how.claim == "sessions":
        return sessions(history)
    model = (
        _starting(how) if how.initial is not None else (models.get(how.model) or _own(how.model))()
    )
    end = time.monotonic() + how.timeout_s
    judge = sequential if how.claim == "sequential" else check
    return judge(history, model, expired=lambda: time.monotonic() > end)


def _starting(how: _How) -> Model:
    from comitia.history import HistoryError, Register, Store

    if how.initial is None or how.model not in ("register", "store"):
        raise HistoryError("only a register and a store have an --initial value")
    try:
        initial = json.loads(how.initial)
    except json.JSONDecodeError as error:
        raise HistoryError(f"--initial is not JSON: {error}") from error
    return Register(initial) if how.model == "register" else Store(initial)


def _progress(found: Iterable[Judged], total: int) -> Iterator[Judged]:
    """Show how many files are done, on a terminal, where there are several."""
    if total == 1 or not sys.stderr.isatty():
        yield from found
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=total)
        for judged in found:
            yield judged
            bar.advance(task)


def _line(judged: Judged) -> str:
    if judged.error:
        return f"? {judged.file}: {judged.error}"
    mark = {True: "✔", False: "✘", None: "?"}[judged.ok]
    return f"{mark} {judged.file}: {judged.text}"


def _summary(found: list[Judged]) -> str:
    count = sum(judged.operations for judged in found)
    seconds = sum(judged.seconds for judged in found)
    right = sum(judged.ok is True for judged in found)
    wrong = sum(judged.ok is False for judged in found)
    return (
        f"{len(found)} files: {right} right, {wrong} wrong, {len(found) - right - wrong} unknown; "
        f"{count} operations in {seconds:.3f} s, {count / max(seconds, 1e-9):,.0f} a second"
    )


def _write_page(path: str, found: list[Judged]) -> None:
    """Write the picture of the first file that is not right, or of the first."""
    shown = min(found, key=lambda judged: (judged.ok is not False, not judged.page))
    if shown.page:
        Path(path).write_text(shown.page)
        click.echo(f"picture of {shown.file}: {path}", err=True)


def _as_json(judged: Judged) -> dict[str, object]:
    return {
        "file": judged.file,
        "ok": judged.ok,
        "text": judged.error or judged.text,
        "operations": judged.operations,
        "seconds": round(judged.seconds, 6),
        "engines": list(judged.engines),
    }


def _exit_code(found: list[Judged]) -> int:
    if any(judged.ok is False for judged in found):
        return 1
    return 2 if any(judged.ok is None for judged in found) else 0
