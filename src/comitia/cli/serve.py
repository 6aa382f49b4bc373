"""`comitia serve`: one node of a cluster, in the foreground."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from comitia.cli._loop import run
from comitia.kernel import Protocol
from comitia.net.config import Config, ConfigError, load, pairs


@click.command(epilog="Example: comitia serve --config node1.toml")
@click.option("--config", "path", type=click.Path(path_type=Path), help="A TOML file.")
@click.option("--cluster", help="The cluster's name; nodes of another are refused.")
@click.option("--node", type=int, help="This node's number, from 1.")
@click.option("--protocol", help="raft, ...")
@click.option("--data", help="The directory of this node's data.")
@click.option("--reads", type=click.Choice(["lease", "index", "stale"]))
@click.option("--redis", metavar="HOST:PORT", help="Where Redis clients are served.")
@click.option("--peer", metavar="HOST:PORT", help="Where other nodes come in.")
@click.option("--http", metavar="HOST:PORT", help="Health, metrics, status and operations.")
@click.option("--advertise", metavar="HOST:PORT", help="Where others reach --peer, if elsewhere.")
@click.option("--members", metavar="1=HOST:PORT,...", help="The founding members' peer addresses.")
@click.option("--options", metavar="NAME=VALUE,...", help="Options of the protocol.")
@click.option("--log", type=click.Choice(["text", "json"]))
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
def command(path: Path | None, **flags: Any) -> None:
    """Run one node until SIGTERM or Ctrl-C.

    Settings come from the file, then from COMITIA_* variables, then from flags.
    """
    from comitia.net.process import run as serve
    from comitia.serve.fronts import front_of, keeps_log

    if not __debug__:
        raise click.UsageError("python -O removes the checks this program relies on; run without")
    try:
        for name in ("members", "options"):
            flags[name] = None if flags[name] is None else pairs(flags[name])
        config = load(path, os.environ, flags)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    protocol = protocol_named(config.protocol)
    try:
        made, front = front_of(protocol, config.reads)
    except LookupError as error:
        raise click.UsageError(str(error)) from error
    if config.reads != "stale" and keeps_log(protocol):
        config.options.setdefault("reads", config.reads)
    logs_to_stderr(config)
    try:
        run(serve(config, made, front))
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except _expected() as error:
        raise click.ClickException(str(error)) from error


def protocol_named(name: str) -> Protocol:
    """Return the protocol of that name.  Raises UsageError."""
    from comitia import protocols

    try:
        return protocols.load(name)
    except LookupError as error:
        raise click.UsageError(str(error)) from error


def _expected() -> tuple[type[Exception], ...]:
    from comitia.net.book import BookError
    from comitia.net.process import PortTaken
    from comitia.net.segment import Corrupt
    from comitia.net.snapshots import SnapshotError
    from comitia.net.storage import Locked

    return BookError, PortTaken, Corrupt, SnapshotError, Locked, OSError, ValueError, TypeError


def logs_to_stderr(config: Config) -> None:
    """Write structured logs to standard error, as text or one JSON object a line."""
    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if config.log == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[config.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
