"""What verbs ask running nodes, over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any

import click
import msgspec

from comitia.net.book import Address
from comitia.net.status import Status

TIMEOUT_S = 20.0
DEFAULT = ("127.0.0.1:7201", "127.0.0.1:7202", "127.0.0.1:7203")

node_option = click.option(
    "--node",
    "nodes",
    multiple=True,
    envvar="COMITIA_NODES",
    metavar="HOST:PORT",
    help="HTTP address of any node; the others are found from there. May be given often.",
)


class Unreachable(click.ClickException):
    """No node answered."""


def call(method: str, at: str, path: str, body: object = None, timeout_s: float = TIMEOUT_S) -> Any:
    """Return (code, decoded JSON) of a node's answer.  Raises OSError."""
    address = Address.parse(at)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, {"error": text.decode(errors="replace").strip()}
    except http.client.HTTPException as error:
        raise ConnectionError(f"{at} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()


def status_of(at: str) -> Status:
    """Return the status of the node at `at`.  Raises OSError."""
    code, answer = call("GET", at, "/status", timeout_s=3)
    if code != 200:
        raise ConnectionError(f"{at}: {answer.get('error', code)}")
    return msgspec.convert(answer, Status)


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
    """Return the leader's status and where it is.  Raises Unreachable."""
    found, failed, where = statuses(nodes)
    leading = [status for status in found.values() if status.leader == status.node]
    if not leading:
        raise Unreachable(f"no leader answers (n{sorted(found)} do, n{sorted(failed)} do not)")
    leader = max(leading, key=lambda status: status.epoch)
    return leader, where[leader.node]


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
