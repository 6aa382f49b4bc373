"""`comitia members`: who belongs to the cluster, and changing it while it serves."""

from __future__ import annotations

import click

from comitia.cli._nodes import address, chief_of, node_option, number, operate, output_option


@click.group(epilog="Example: comitia members add n4 --address 10.0.0.4:7101 --learner")
def command() -> None:
    """List, add, promote and remove members."""


@command.command("list", epilog="Example: comitia members list -o json")
@node_option
@output_option
def list_(nodes: tuple[str, ...], output: str) -> None:
    """Show the members and where they are."""
    import json

    chief, at = chief_of(nodes)
    addresses = {peer.node: peer.address for peer in chief.peers}
    rows = [
        {
            "node": f"n{id}",
            "role": "learner" if id in chief.learners else "voter",
            "address": addresses.get(id, f"(asked at {at})"),
        }
        for id in sorted({*chief.voters, *chief.learners})
    ]
    if output == "json":
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['node']:5} {row['role']:8} {row['address']}")


@command.command(epilog="Example: comitia members add n4 --address 10.0.0.4:7101 --learner")
@click.argument("node")
@click.option(
    "--address", type=address, metavar="HOST:PORT", help="Where its peer port is, if not known yet."
)
@click.option("--learner", is_flag=True, help="It copies the log but does not vote.")
@node_option
def add(node: str, address: str | None, learner: bool, nodes: tuple[str, ...]) -> None:
    """Add NODE, which was started with the same members in its configuration, but not itself.

    A node that has much to copy is best added as a learner and promoted when it has caught up.
    """
    id = number(node)
    chief, at = chief_of(nodes)
    if id in (*chief.voters, *chief.learners):
        raise click.ClickException(f"n{id} is a member already")
    if address is None and id not in {peer.node for peer in chief.peers}:
        raise click.UsageError(f"where n{id} is, is not known: add --address HOST:PORT")
    voters, learners = set(chief.voters), set(chief.learners)
    (learners if learner else voters).add(id)
    places = {} if address is None else {str(id): address}
    _change(at, voters, learners, places)
    click.echo(f"n{id} is a {'learner' if learner else 'voter'}")


@command.command(epilog="Example: comitia members promote n4")
@click.argument("node")
@node_option
def promote(node: str, nodes: tuple[str, ...]) -> None:
    """Make the learner NODE a voter."""
    id = number(node)
    chief, at = chief_of(nodes)
    if id not in chief.learners:
        raise click.ClickException(f"n{id} is no learner")
    _change(at, {*chief.voters, id}, set(chief.learners) - {id}, {})
    click.echo(f"n{id} is a voter")


@command.command(epilog="Example: comitia members remove n2")
@click.argument("node")
@click.option("--yes", is_flag=True, help="Do not ask.")
@node_option
def remove(node: str, yes: bool, nodes: tuple[str, ...]) -> None:
    """Take NODE out of the cluster; its data stay where they are."""
    id = number(node)
    chief, at = chief_of(nodes, leaving=id)
    voters, learners = set(chief.voters) - {id}, set(chief.learners) - {id}
    if id not in (*chief.voters, *chief.learners):
        raise click.ClickException(f"n{id} is no member")
    if not voters:
        raise click.ClickException(f"n{id} is the only voter")
    tolerated = (len(voters) - 1) // 2
    click.echo(f"plan: remove n{id}; {len(voters)} voters remain, {tolerated} of them may fail")
    if not yes:
        click.confirm("go on?", abort=True)
    _change(at, voters, learners, {})
    click.echo(f"n{id} is no member any more; stop it")


def _change(at: str, voters: set[int], learners: set[int], places: dict[str, str]) -> None:
    body = {"voters": sorted(voters), "learners": sorted(learners), "places": places}
    operate(at, "/members", body)
