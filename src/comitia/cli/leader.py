"""`comitia leader`: who leads, and handing it over."""

from __future__ import annotations

import json
import time

import click

from comitia.cli._nodes import Unreachable, leader_of, node_option, number, operate, output_option

WAIT_S = 5.0


@click.group(epilog="Example: comitia leader transfer n3")
def command() -> None:
    """Show the leader, or hand leadership to another member."""


@command.command(epilog="Example: comitia leader show")
@node_option
@output_option
def show(nodes: tuple[str, ...], output: str) -> None:
    """Print the leader."""
    leader, at = leader_of(nodes)
    if output == "json":
        click.echo(json.dumps({"leader": f"n{leader.node}", "epoch": leader.epoch, "http": at}))
    else:
        click.echo(f"n{leader.node}")


@command.command(epilog="Example: comitia leader transfer n3")
@click.argument("node")
@node_option
def transfer(node: str, nodes: tuple[str, ...]) -> None:
    """Hand leadership to NODE, before maintenance say, without waiting for a timeout."""
    id = number(node)
    leader, at = leader_of(nodes)
    if leader.node == id:
        click.echo(f"n{id} leads already")
        return
    operate(at, "/leader", {"to": id})
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        try:
            now, _ = leader_of(nodes)
        except Unreachable:
            continue
        if now.node == id:
            click.echo(f"n{id} leads, epoch {now.epoch}")
            return
        time.sleep(0.05)
    raise click.ClickException(f"n{id} was told to take over and has not: see `comitia status`")
