"""What verbs ask running nodes, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import click

from comitia.net.book import Address
from comitia.net.remote import call, status_of
from comitia.net.status import Status
from comitia.quorums import Electorate

ELECTION_S, PAUSE_S = 5.0, 0.1
"""How long an election may take, and how often nodes are asked meanwhile."""
DEFAULT = ("127.0.0.1:7201", "127.0.0.1:7202", "127.0.0.1:7203")


def address(text: str) -> str:
    """Return `text` if it is HOST:PORT, or a port of this machine, else raise BadParameter."""
    try:
        return str(Address.parse(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


node_option = click.option(
    "--node",
    "nodes",
    type=address,
    multiple=True,
    envvar="COMITIA_NODES",
    metavar="HOST:PORT",
    help="HTTP address of any node; the others are found from there. May be given often.",
)


output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table"
)


class Unreachable(click.ClickException):
    """No node answered."""


def statuses(nodes: tuple[str, ...]) -> tuple[dict[int, Status], dict[int, str], dict[int, str]]:
    """Return every node's status, why others gave none, and where each was asked.

    Raises Unreachable when no node answers.
    """
    found: dict[int, Status] = {}
    failed: dict[int, str] = {}
    where: dict[int, str] = {}
    errors = []
    for at in nodes or DEFAULT:
        try:
            first = status_of(at)
        except (OSError, ValueError) as error:
            errors.append(f"{at}: {error}")
            continue
        found[first.node], where[first.node] = first, at
        break
    if not found:
        raise Unreachable(
            "no node answers: " + "; ".join(errors) + "\nstart one with `comitia up`, or name one "
            "with --node HOST:PORT (its HTTP address)"
        )
    (first,) = found.values()
    for peer in first.peers:
        if peer.http is None:
            failed[peer.node] = "its address is not known yet"
            continue
        try:
            found[peer.node], where[peer.node] = status_of(peer.http), peer.http
        except (OSError, ValueError) as error:
            failed[peer.node] = str(error)
    return found, failed, where


def leader_of(nodes: tuple[str, ...]) -> tuple[Status, str]:
    """Return the leader's status and where it is.  Raises Unreachable, ClickException."""
    chief, at = chief_of(nodes)
    if not chief.led:
        raise click.ClickException(f"{chief.protocol} has no leader: every member serves by itself")
    return chief, at


def chief_of(nodes: tuple[str, ...], leaving: int = 0) -> tuple[Status, str]:
    """Return whom to ask for changes: the leader or, where nobody leads, a member that stays when
    `leaving` goes.  Waits while an election may be under way.

    Raises Unreachable.
    """
    deadline_s = time.monotonic() + ELECTION_S
    while True:
        found, failed, where = statuses(nodes)
        leading = [
            status
            for id, status in found.items()
            if status.leader == id or (not status.led and id in status.voters and id != leaving)
        ]
        if leading:
            chief = max(leading, key=lambda status: status.epoch)
            return chief, where[chief.node]
        if not _may_elect(found) or time.monotonic() > deadline_s:
            break
        time.sleep(PAUSE_S)
    raise Unreachable(
        f"no leader answers ({_names(found)} {'does' if len(found) == 1 else 'do'}, "
        f"{_names(failed) or 'nobody'} {'do' if len(failed) > 1 else 'does'} not); "
        "see `comitia status`"
    )


def _may_elect(found: Mapping[int, Status]) -> bool:
    """Do enough voters answer to elect somebody?"""
    return any(
        status.led and Electorate(status.voters).is_quorum(found.keys())
        for status in found.values()
    )


def _names(ids: Iterable[int]) -> str:
    return ", ".join(f"n{id}" for id in sorted(ids))


def operate(at: str, path: str, body: object) -> None:
    """Ask the node at `at` for a change.  Raises ClickException with its reason."""
    try:
        code, answer = call("POST", at, path, body)
    except OSError as error:
        raise click.ClickException(
            f"{at}: {error}; outcome unknown: see `comitia status`"
        ) from error
    if code != 200:
        raise click.ClickException(str(answer.get("error", code)))


def number(text: str) -> int:
    """Return the number of the node called `text`: n4 or 4."""
    digits = text.removeprefix("n")
    if not digits.isdecimal() or int(digits) < 1:
        raise click.BadParameter(f"{text!r} is no node: n1, n2, ...")
    return int(digits)
