"""`comitia restore`: a new cluster that begins with what a backup holds."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.cli._nodes import output_option

if TYPE_CHECKING:
    from comitia.kernel import Protocol
    from comitia.net.backups import Backup

MAKING = ".restoring"
"""Below the directory of the data, while they are being made."""


@click.command(epilog="Example: comitia restore --dry-run monday.backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="comitia-data",
    show_default=True,
    help="Directory of all data; it may hold none.",
)
@click.option("--nodes", type=click.IntRange(1, 49), help="How many; as many as there were.")
@click.option("--cluster", help="The new cluster's name, to which a random ending is added.")
@click.option("--protocol", help="Of the new cluster: any that keeps a log; that of the backup.")
@click.option("--dry-run", is_flag=True, help="Check FILE and show what it holds, no more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def command(
    file: Path,
    data: Path,
    nodes: int | None,
    cluster: str | None,
    protocol: str | None,
    dry_run: bool,
    yes: bool,
    output: str,
) -> None:
    """Make the data directories of a new cluster that begins with what FILE holds.

    All of FILE is checked first.  Nothing that exists is overwritten.  The cluster is a new one,
    so members of the old one cannot mix with it: run this once, then bring each directory to
    its machine.
    """
    from comitia.cli._backups import read_back, show
    from comitia.cli.serve import protocol_named
    from comitia.net.backups import Backup, BackupError
    from comitia.serve.fronts import keeps_log

    try:
        backup = Backup(file)
    except BackupError as error:
        raise click.ClickException(f"{error}; use another") from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    with backup:
        chosen = protocol_named(protocol or backup.header.protocol)
        if not keeps_log(chosen):
            raise click.UsageError(f"{chosen.name} keeps no log: its data are not made of a backup")
        ids = tuple(range(1, (nodes or len(backup.header.voters)) + 1))
        if not dry_run:
            refuse_existing(data)
        held = read_back(backup)
        if dry_run:
            show(held, output)
            return
        name = new_name(cluster or held.cluster)
        click.echo("\n".join(held.lines()), err=output == "json")
        made = ", ".join(f"n{id}" for id in ids)
        plan = f"plan: make {made} of the new cluster {name} ({chosen.name}) in {data}"
        click.echo(plan, err=True)
        if not yes:
            click.confirm("go on?", abort=True, err=True)
        make(backup, data, name, chosen, ids)
    if output == "json":
        show(held, output, made={"cluster": name, "protocol": chosen.name, "data": str(data)})
        return
    click.echo(f"made; on this machine:  comitia up --data {data}")
    click.echo(f"elsewhere, each with its directory:  comitia serve --cluster {name} --node ...")


def new_name(cluster: str) -> str:
    """Return a name that no cluster has: `cluster` with a random ending instead of an older one."""
    return f"{re.sub(r'[+][0-9a-f]{8}$', '', cluster)[:55]}+{secrets.token_hex(4)}"


def refuse_existing(data: Path) -> None:
    """Raise ClickException when there is anything in `data`."""
    try:
        held = sorted(path.name for path in data.iterdir() if path.name != MAKING)
    except FileNotFoundError:
        return
    except OSError as error:
        raise click.ClickException(f"{data}: {error.strerror}") from error
    if held:
        raise click.ClickException(
            f"{data} is not empty ({', '.join(held[:5])}), and nothing is overwritten: "
            "choose another directory with --data"
        )


def make(backup: Backup, data: Path, name: str, protocol: Protocol, ids: tuple[int, ...]) -> None:
    """Make the directories, all or none.  Raises ClickException."""
    import structlog

    from comitia.machines.sessions import RESTORED
    from comitia.net.backups import BackupError
    from comitia.net.founding import Founding, NotFounded
    from comitia.net.wal import sync_directory

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    existed = data.exists()
    making = data / MAKING
    try:
        if making.exists():  # of a restore that was interrupted
            shutil.rmtree(making)
        making.mkdir(parents=True)
        asyncio.run(Founding(protocol, name, ids, making).run(backup.chunks, RESTORED))
        for id in ids:
            (making / f"n{id}").rename(data / f"n{id}")
        making.rmdir()
        sync_directory(data)
    except BackupError as error:
        raise click.ClickException(f"{error}; nothing was made") from error
    except (OSError, NotFounded) as error:
        raise click.ClickException(f"{data}: {error}; nothing was made") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
        if not existed and data.exists() and not any(data.iterdir()):
            data.rmdir()
