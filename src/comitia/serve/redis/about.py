"""Commands about the server: COMMAND, CONFIG and INFO."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from comitia import __version__
from comitia.machines.redis.arguments import SYNTAX_ERROR
from comitia.machines.redis.command import Command, Table, text_of
from comitia.machines.redis.glob import matcher
from comitia.machines.reply import OK, Failure, Reply
from comitia.serve.redis.client import REDIS_VERSION
from comitia.serve.redis.portion import Answer
from comitia.wire.requests import MAX_BULK
from comitia.wire.resp import Verbatim

if TYPE_CHECKING:
    from comitia.serve.redis.connection import Connection
    from comitia.serve.redis.door import Door

commands = Table()
Args = Sequence[bytes]

_GROUP_CATEGORIES = {
    "string": "string",
    "generic": "keyspace",
    "connection": "connection",
    "transactions": "transaction",
}


def _categories(command: Command) -> list[Reply]:
    """Return the ACL categories, in the order of Redis or nearly so."""
    if command.subcommands:
        return ["@slow"]
    names = [*command.categories]
    if "readonly" in command.flags:
        names.append("read")
    if "write" in command.flags:
        names.append("write")
    if command.group in _GROUP_CATEGORIES:
        names.append(_GROUP_CATEGORIES[command.group])
    if "admin" in command.flags:
        names += ["admin", "dangerous"]
    names.append("fast" if "fast" in command.flags else "slow")
    return [f"@{name}" for name in dict.fromkeys(names)]


def _key_specs(command: Command) -> list[Reply]:
    first, last, step = command.keys
    if not first:
        return []
    flags: list[Reply] = ["RW", "UPDATE"] if command.writes else ["RO", "ACCESS"]
    return [
        {
            b"flags": flags,
            b"begin_search": {b"type": b"index", b"spec": {b"index": first}},
            b"find_keys": {
                b"type": b"range",
                b"spec": {
                    b"lastkey": last - first if last >= 0 else last,
                    b"keystep": step,
                    b"limit": 0,
                },
            },
        }
    ]


def _described(command: Command) -> list[Reply]:
    """Return what COMMAND tells about a command."""
    return [
        command.name.lower().encode(),
        command.arity,
        list(command.flags),
        *command.keys,
        _categories(command),
        [],
        _key_specs(command),
        [_described(sub) for sub in command.subcommands.values()],
    ]


def _documented(command: Command) -> dict[bytes, Reply]:
    """Return what COMMAND DOCS tells about a command."""
    documented: dict[bytes, Reply] = {
        b"summary": command.summary.encode(),
        b"since": command.since.encode(),
        b"group": command.group.encode(),
    }
    if command.subcommands:
        documented[b"subcommands"] = {
            sub.name.lower().encode(): _documented(sub) for sub in command.subcommands.values()
        }
    return documented


@commands.command(
    "COMMAND", -1, "loading stale", since="2.8.13", group="server", categories="connection",
    summary="Describes commands",
)  # fmt: skip
def command(connection: Connection, args: Args) -> Answer:
    """COMMAND"""
    return [_described(each) for each in connection.door.table]


@commands.command(
    "COMMAND|COUNT", 2, "loading stale", since="2.8.13", group="server",
    summary="Counts the commands",
)  # fmt: skip
def command_count(connection: Connection, args: Args) -> Answer:
    """COMMAND COUNT"""
    return len(list(connection.door.table))


@commands.command(
    "COMMAND|INFO", -2, "loading stale", since="2.8.13", group="server",
    summary="Describes some commands, or all",
)  # fmt: skip
def command_info(connection: Connection, args: Args) -> Answer:
    """COMMAND INFO [name ...]"""
    if len(args) == 2:
        return command(connection, args)
    found = map(connection.door.table.get, args[2:])
    return [None if each is None else _described(each) for each in found]


@commands.command(
    "COMMAND|DOCS", -2, "loading stale", since="7.0.0", group="server",
    summary="Documents some commands, or all",
)  # fmt: skip
def command_docs(connection: Connection, args: Args) -> Answer:
    """COMMAND DOCS [name ...]"""
    table = connection.door.table
    found = [table.get(name) for name in args[2:]] if len(args) > 2 else list(table)
    return {each.name.lower().encode(): _documented(each) for each in found if each is not None}


@commands.command(
    "COMMAND|LIST", -2, "loading stale", since="7.0.0", group="server",
    summary="Names the commands, all or those chosen by category or pattern",
)  # fmt: skip
def command_list(connection: Connection, args: Args) -> Answer:
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]"""
    every = [*connection.door.table]
    every += [sub for each in every for sub in each.subcommands.values()]
    if len(args) > 2:
        if len(args) != 5 or args[2].upper() != b"FILTERBY":
            return SYNTAX_ERROR
        match args[3].upper():
            case b"MODULE":
                every = []
            case b"ACLCAT":
                wanted = "@" + text_of(args[4].lower())
                every = [each for each in every if wanted in _categories(each)]
            case b"PATTERN":
                fits = matcher(args[4].lower())
                every = [each for each in every if fits(each.name.lower().encode())]
            case _:
                return SYNTAX_ERROR
    return [each.name.lower().encode() for each in every]


@commands.command(
    "COMMAND|GETKEYS", -4, "loading stale", since="2.8.13", group="server",
    summary="Returns the keys of a command",
)  # fmt: skip
def command_getkeys(connection: Connection, args: Args) -> Answer:
    """COMMAND GETKEYS command [argument ...]"""
    found = connection.door.table.find(args[2:])
    if isinstance(found, Failure):
        if "wrong number" in found.text:
            return Failure("ERR Invalid number of arguments specified for command")
        return Failure("ERR Invalid command specified")
    keys = found.keys_of(args[2:])
    return list(keys) or Failure("ERR The command has no key arguments")


commands.container("CONFIG", since="2.0.0", group="server", summary="About the configuration")


def _settings(door: Door) -> dict[bytes, bytes]:
    return {
        b"appendfsync": b"always",
        b"appendonly": b"yes",
        b"databases": b"1",
        b"maxclients": b"%d" % door.max_clients,
        b"maxmemory": b"0",
        b"maxmemory-policy": b"noeviction",
        b"proto-max-bulk-len": b"%d" % MAX_BULK,
        b"save": b"",
        b"timeout": b"0",
    }


@commands.command(
    "CONFIG|GET", -3, "admin noscript loading stale", since="2.0.0", group="server",
    summary="Returns settings by pattern, in the words of Redis",
)  # fmt: skip
def config_get(connection: Connection, args: Args) -> Answer:
    """CONFIG GET pattern [pattern ...]"""
    fits = [matcher(pattern.lower()) for pattern in args[2:]]
    settings = _settings(connection.door)
    return {name: settings[name] for name in settings if any(fit(name) for fit in fits)}


@commands.command(
    "CONFIG|SET", -4, "admin noscript loading stale", since="2.0.0", group="server",
    summary="Refuses: nothing can be set while the member runs",
)  # fmt: skip
def config_set(connection: Connection, args: Args) -> Answer:
    """CONFIG SET name value [name value ...]"""
    name = text_of(args[2])
    if args[2].lower() not in _settings(connection.door):
        return Failure(f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
    return Failure(
        f"ERR CONFIG SET failed (possibly related to argument '{name}') - "
        "can't set immutable config"
    )


@commands.command(
    "CONFIG|RESETSTAT", 2, "admin noscript loading stale", since="2.0.0", group="server",
    summary="Sets the statistics of INFO to zero",
)  # fmt: skip
def config_resetstat(connection: Connection, args: Args) -> Answer:
    """CONFIG RESETSTAT"""
    connection.door.accepted = connection.door.rejected = 0
    return OK


def _sections(door: Door) -> dict[str, dict[str, object]]:
    facts = door.backend.facts()
    return {
        "Server": {
            "redis_version": REDIS_VERSION,
            "comitia_version": __version__,
            "redis_mode": "standalone",
            "os": platform.platform(terse=True),
            "arch_bits": 64,
            "process_id": os.getpid(),
            "tcp_port": door.port,
            "uptime_in_seconds": int(time.monotonic() - door.since_s),
            "server_time_usec": time.time_ns() // 1000,
        },
        "Clients": {"connected_clients": len(door.connections), "maxclients": door.max_clients},
        "Persistence": {"loading": 0, "aof_enabled": 1, "rdb_changes_since_last_save": 0},
        "Stats": {
            "total_connections_received": door.accepted,
            "rejected_connections": door.rejected,
        },
        "Replication": {"role": "master", "connected_slaves": 0},
        "Cluster": {"cluster_enabled": 0},
        "Comitia": dict(facts),
    }


def _written(sections: Iterable[tuple[str, dict[str, object]]]) -> Verbatim:
    text = "\r\n".join(
        f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in facts.items())
        for title, facts in sections
    )
    return Verbatim(text.encode())


@commands.command(
    "INFO", -1, "loading stale", since="1.0.0", group="server", categories="dangerous",
    summary="Tells about this member",
)  # fmt: skip
def info(connection: Connection, args: Args) -> Answer:
    """INFO [section ...]"""
    wanted = {text_of(arg.lower()) for arg in args[1:]}
    everything = not wanted or not wanted.isdisjoint({"all", "default", "everything"})
    sections = _sections(connection.door).items()
    return _written(each for each in sections if everything or each[0].lower() in wanted)


def _no_cluster(connection: Connection, args: Args) -> Answer:
    return Failure("ERR This instance has cluster support disabled")


commands.command(
    "CLUSTER", -2, "loading stale", since="3.0.0", group="cluster",
    summary="Refuses: this is no Redis Cluster, any member serves every key",
)(_no_cluster)  # fmt: skip
commands.command(
    "READONLY", 1, "loading stale fast", since="3.0.0", group="cluster",
    summary="Refuses, as CLUSTER does",
)(_no_cluster)  # fmt: skip
commands.command(
    "READWRITE", 1, "loading stale fast", since="3.0.0", group="cluster",
    summary="Refuses, as CLUSTER does",
)(_no_cluster)  # fmt: skip
