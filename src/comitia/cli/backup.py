"""`comitia backup`: the state of a running cluster as one file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from comitia.cli._nodes import node_option, output_option, statuses
from comitia.cli._signals import stopping_like_ctrl_c
from comitia.net.remote import connected

PIECE_BYTES = 1 << 20
ANSWER_S = 60.0


class NotCopied(Exception):
    """A node gave no backup, or not all of it; the text says why."""


@click.command(epilog="Example: comitia backup monday.backup")
@click.argument("file", type=click.Path(path_type=Path))
@node_option
@output_option
def command(file: Path, nodes: tuple[str, ...], output: str) -> None:
    """Write all that the cluster holds to FILE, which may not exist yet.

    The copy shows one moment after this command began: all that was acknowledged before is in it.
    The cluster serves meanwhile; the node that is asked is a follower, if one is up.  FILE appears
    only when all of it is on disk and was read back.
    """
    from comitia.cli._backups import read_back, show
    from comitia.net.backups import Backup, BackupError
    from comitia.net.wal import sync_directory

    if not file.absolute().parent.is_dir():
        raise click.ClickException(f"{file.absolute().parent} is no directory: make it first")
    if file.exists():
        raise click.ClickException(f"{file} exists already: choose another name, or move it away")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with stopping_like_ctrl_c():
            _fetch(_candidates(nodes), part)
            with Backup(part, sealed=False) as copy:
                held = read_back(copy)
            part.rename(file)
            sync_directory(file.parent)
    except BackupError as error:
        raise click.ClickException(f"the copy arrived damaged: {error}; try again") from error
    except OSError as error:
        raise click.ClickException(f"{file}: not written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # it may be on a disk that takes nothing
            part.unlink(missing_ok=True)
    held.file = str(file)
    show(held, output)


def _candidates(nodes: tuple[str, ...]) -> list[str]:
    """Return whom to ask, in order: the follower that is least behind first, the leader last."""
    found, _, where = statuses(nodes)
    ordered = sorted(found.values(), key=lambda s: (s.leader == s.node, -s.applied, s.node))
    return [where[status.node] for status in ordered]


def _fetch(candidates: list[str], part: Path) -> None:
    """Write what the first node that can give it streams to `part`.

    Raises ClickException when none can, OSError when `part` cannot be written.
    """
    reasons = []
    for at in candidates:
        try:
            with open(part, "wb", opener=_private) as file:
                for piece in _pieces(at):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            return
        except NotCopied as error:
            reasons.append(f"{at}: {error}")
    raise click.ClickException("no backup: " + "\n  ".join(reasons))


def _private(path: str, flags: int) -> int:
    """Open as nodes open their data: not for everybody."""
    return os.open(path, flags, 0o640)


def _pieces(at: str) -> Iterator[bytes]:
    """Yield the backup that the node at `at` streams.  Raises NotCopied."""
    connection = connected(at, ANSWER_S)
    try:
        connection.request("POST", "/backup", "{}", {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise NotCopied(json.loads(answer.read()).get("error", answer.status))
        while piece := answer.read(PIECE_BYTES):
            yield piece
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise NotCopied(f"the copy broke off: {error!r}") from error
    finally:
        connection.close()
