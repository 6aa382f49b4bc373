"""`comitia quorums`: analyse quorum systems, search for the best, list the known ones."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NoReturn

import click

from comitia.cli._quorum_report import as_json, print_report, print_table, shown
from comitia.quorums import ExpressionError, ReadWrite, parse
from comitia.quorums.byzantine import check_dissemination, check_masking
from comitia.quorums.linear import Infeasible
from comitia.quorums.optimum import Goal, Objective, best_strategy
from comitia.quorums.overlap import TooLittleShared
from comitia.quorums.parse import names_in, number
from comitia.quorums.report import Report, analyse
from comitia.quorums.strategy import Profile, Workload

KNOWN = (
    ("majority", "majority(a, b, c, d, e)", "Thomas 1979"),
    ("threshold", "choose(2, a, b, c, d)", "Gifford 1979"),
    ("weighted", "weighted(3, a=2, b=1, c=1, d=1)", "Gifford 1979"),
    ("grid", "grid((a, b, c), (d, e, f), (g, h, i))", "Cheung, Ammar, Ahamad 1992"),
    ("hierarchical", "hierarchical((a, b, c), (d, e, f), (g, h, i))", "Kumar 1991"),
    ("tree", "tree(a, b, c, d, e, f, g)", "Agrawal, El Abbadi 1991"),
    ("wall", "wall((a), (b, c), (d, e, f))", "Peleg, Wool 1995"),
    ("fano", "fano(a, b, c, d, e, f, g)", "Maekawa 1985"),
)


class Decimal(click.ParamType[Fraction]):
    """A number such as 0.25 or 1/3, kept exactly."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Fraction:
        return value if isinstance(value, Fraction) else _fraction(value)


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"{text!r} is no number; write 0.25 or 1/4") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r}: write NAME=NUMBER, as in a=2")
    return name.strip(), value


def _options(command: Any) -> Any:
    """What analyze and search share."""
    for option in (
        click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table"),
        click.option("-f", "--failures", default=0, type=click.IntRange(0),
                     help="Ask so many that any N may fail without asking again."),
        click.option("--network-limit", type=Decimal(), help="Most members asked an operation."),
        click.option("--latency-limit", type=Decimal(), help="Longest mean latency."),
        click.option("--load-limit", type=Decimal(), help="Highest load."),
        click.option("--optimize", type=click.Choice(["load", "latency", "network"]),
                     default="load", show_default=True),
        click.option("--latency", "latencies", multiple=True, metavar="NAME=TIME"),
        click.option("--capacity", "capacities", multiple=True, metavar="NAME=READ[:WRITE]",
                     help="Operations a unit of time a member bears; 1 unless told."),
        click.option("-r", "--reads", "fractions", multiple=True, metavar="FRACTION[=WEIGHT]",
                     help="Fraction of reads; repeat for a distribution. Default 1/2."),
    ):  # fmt: skip
        command = option(command)
    return command


def _workload(
    ids: Mapping[str, int],
    fractions: Sequence[str],
    capacities: Sequence[str],
    latencies: Sequence[str],
) -> Workload:
    weights: dict[Fraction, Fraction] = {}
    for text in fractions or ("1/2",):
        part, _, weight = text.partition("=")
        weights[_fraction(part)] = _fraction(weight or "1")
    profiles: dict[int, dict[str, Fraction]] = {}
    for text in capacities:
        name, value = _pair(text)
        read, _, write = value.partition(":")
        profiles.setdefault(_known(name, ids), {}).update(
            read_capacity=_fraction(read), write_capacity=_fraction(write or read)
        )
    for text in latencies:
        name, value = _pair(text)
        profiles.setdefault(_known(name, ids), {})["latency"] = _fraction(value)
    try:
        return Workload.mixed(weights, {m: Profile(**known) for m, known in profiles.items()})
    except ValueError as refused:
        raise click.BadParameter(str(refused)) from None


def _known(name: str, ids: Mapping[str, int]) -> int:
    if name not in ids:
        raise click.BadParameter(f"{name!r} is not among the members {', '.join(ids)}")
    return ids[name]


class Verbs(click.Group):
    """Says what to install when the extra `quorums` is missing."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            raise click.ClickException(str(missing)) from missing


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Quorum systems: what they bear, what they withstand, which is best.

    Example: comitia quorums analyze "choose(2, a, b, c)" -r 0.9
    """


@command.command()
@click.argument("reads")
@click.option(
    "--writes",
    help="The write quorums; without it, the dual of the read quorums "
    "(for --dissemination and --masking: the same).",
)
@_options
@click.option(
    "--up",
    type=Decimal(),
    default="0.99",
    show_default=True,
    help="Probability that a member is up.",
)
@click.option(
    "--dissemination",
    type=click.IntRange(1),
    metavar="F",
    help="Fail unless F liars are tolerated, data being signed.",
)
@click.option(
    "--masking",
    type=click.IntRange(1),
    metavar="F",
    help="Fail unless F liars are tolerated, data being unsigned.",
)
@click.option("--exact", is_flag=True, help="Fractions instead of decimals, proved optimal.")
@click.option("--plot", metavar="FILE", help="Write a picture (.svg, .png or .pdf).")
def analyze(
    reads: str,
    writes: str | None,
    fractions: tuple[str, ...],
    capacities: tuple[str, ...],
    latencies: tuple[str, ...],
    optimize: Objective,
    load_limit: Fraction | None,
    latency_limit: Fraction | None,
    network_limit: Fraction | None,
    failures: int,
    output: str,
    up: Fraction,
    dissemination: int | None,
    masking: int | None,
    exact: bool,
    plot: str | None,
) -> None:  # fmt: skip
    """Measure the system whose read quorums are the expression READS.

    Example: comitia quorums analyze "a*b + c*d" -r 0.9=2 -r 0.5 --exact
    """
    if not 0 <= up <= 1:
        raise click.BadParameter("a probability lies between 0 and 1")
    if writes is None and (dissemination or masking):
        writes = reads  # the theory of systems with liars has one kind of quorum
    ids, system = _system(reads, writes)
    names = _names(ids)
    workload = _workload(ids, fractions, capacities, latencies)
    goal = Goal(optimize, load_limit, latency_limit, network_limit, failures)
    try:
        if dissemination is not None:
            check_dissemination(system, dissemination)
        if masking is not None:
            check_masking(system, masking)
        report = analyse(system, workload, goal, up, exact=exact)
    except Infeasible as refused:
        _broken(f"{refused}; raise a limit or leave it out")
    except TooLittleShared as refused:
        _broken(refused.show(names))
    except (ValueError, ArithmeticError) as refused:
        _broken(str(refused))
    if plot is not None:
        _draw(plot, system, workload, failures, report, names)
    if output == "json":
        click.echo(json.dumps(as_json(system, report, names), indent=2))
    else:
        print_report(system, report, names)


@command.command()
@click.argument("members")
@_options
@click.option(
    "--survive",
    default=0,
    type=click.IntRange(0),
    help="Only systems whose reads and writes survive any N failures.",
)
@click.option("--seconds", default=10.0, show_default=True, help="Stop after this long.")
def search(
    members: str,
    fractions: tuple[str, ...],
    capacities: tuple[str, ...],
    latencies: tuple[str, ...],
    optimize: Objective,
    load_limit: Fraction | None,
    latency_limit: Fraction | None,
    network_limit: Fraction | None,
    failures: int,
    output: str,
    survive: int,
    seconds: float,
) -> None:  # fmt: skip
    """Look for the system over MEMBERS (a,b,c,...) that is best.

    Every member occurs once in the read quorums; the write quorums are the dual.

    Example: comitia quorums search a,b,c,d,e --survive 1 --capacity a=2
    """
    from comitia.quorums.search import Found, search

    ids = _members(members)
    names = _names(ids)
    workload = _workload(ids, fractions, capacities, latencies)
    goal = Goal(optimize, load_limit, latency_limit, network_limit, failures)
    best: Found | None = None
    looked, complete, until = 0, True, time.monotonic() + seconds
    for found in search(ids.values(), workload, goal, survive):
        looked += 1
        best = found or best
        if time.monotonic() > until:
            complete = False
            break
    if best is None:
        _broken(f"none of {looked:,} systems will do; ask for less, or give it more --seconds")
    report = analyse(best.system, workload, goal)
    if output == "json":
        found_json = as_json(best.system, report, names)
        click.echo(json.dumps({"looked_at": looked, "complete": complete} | found_json, indent=2))
        return
    end = "all there are" if complete else f"stopped after {seconds:g} s"
    click.echo(f"looked at {looked:,} systems ({end})")
    print_report(best.system, report, names)


@command.command(name="list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def list_known(output: str) -> None:
    """Show the named systems, with an example of each and its optimal load.

    Example: comitia quorums list
    """
    rows = []
    for name, text, source in KNOWN:
        system = ReadWrite(parse(text))
        strategy = best_strategy(system, exact=True)
        report = analyse(system, Workload(), Goal())
        rows.append(
            {
                "name": name,
                "example": text,
                "members": len(system.members),
                "load": shown(strategy.load(system.members, Workload())),
                "read_resilience": report.reads.resilience,
                "write_resilience": report.writes.resilience,
                "source": source,
            }
        )
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        print_table(
            ["name", "example", "members", "load", "survives", "source"],
            [
                (r["name"], r["example"], r["members"], r["load"],
                 f"{r['read_resilience']} / {r['write_resilience']}", r["source"])
                for r in rows
            ],
        )  # fmt: skip
        click.echo("load: half of the operations read; survives: failures, reads / writes")


def _system(reads: str, writes: str | None) -> tuple[dict[str, int], ReadWrite]:
    texts = [reads] if writes is None else [reads, writes]
    try:
        ids = number(names_in(*texts))
        expressions = [parse(text, ids) for text in texts]
    except ExpressionError as refused:
        raise click.UsageError(f"{refused}\nSee the forms: comitia quorums list") from None
    try:
        return ids, ReadWrite(*expressions)
    except TooLittleShared as refused:
        _broken(f"{refused.show(_names(ids))}\nWithout --writes you get those that fit.")


def _names(ids: Mapping[str, int]) -> dict[int, str]:
    return {member: name for name, member in ids.items()}


def _members(text: str) -> dict[str, int]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not 1 <= len(names) == len(set(names)) <= 10:
        raise click.UsageError("give 1 to 10 different members, as in a,b,c")
    return number(names)


def _broken(why: str) -> NoReturn:
    """A property does not hold: say which, and exit with 1."""
    click.echo(f"✘ {why}", err=True)
    raise SystemExit(1)


def _draw(
    path: str,
    system: ReadWrite,
    workload: Workload,
    failures: int,
    report: Report,
    names: Mapping[int, str],
) -> None:
    from comitia.quorums.picture import draw

    try:
        draw(path, system, workload, failures, report.strategy, names)
    except (OSError, ValueError) as refused:
        raise click.UsageError(f"cannot write {path}: {refused}") from None
