"""Commands about the connection itself: HELLO, CLIENT, PING and their kin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from comitia.machines.redis.arguments import SYNTAX_ERROR, Refusal, database, integer
from comitia.machines.redis.command import Table, text_of, wrong_arity
from comitia.machines.reply import OK, Failure, Reply
from comitia.serve.redis.portion import NO_REPLY, Answer
from comitia.wire.resp import Verbatim

if TYPE_CHECKING:
    from comitia.serve.redis.connection import Connection

REDIS_VERSION = "7.0.15"
"""The version whose behaviour this port shows; clients choose their commands by it."""

commands = Table()
Args = Sequence[bytes]

_BAD_NAME = Failure("ERR Client names cannot contain spaces, newlines or special characters.")
_WRONG_PASSWORD = Failure("WRONGPASS invalid username-password pair or user is disabled.")
_NO_PASSWORD = Failure(
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)


def _authenticate(user: bytes) -> None:
    """There is one user, default, who needs no password; refuses all others."""
    if user != b"default":
        raise Refusal(_WRONG_PASSWORD)


def _name(connection: Connection, name: bytes) -> None:
    if not all(33 <= byte <= 126 for byte in name):
        raise Refusal(_BAD_NAME)
    connection.name = name


@commands.command(
    "AUTH", -2, "noscript loading stale fast no_auth allow_busy", since="1.0.0",
    group="connection", summary="Says who the client is: there is one user and no password",
)  # fmt: skip
def auth(connection: Connection, args: Args) -> Answer:
    """AUTH [username] password"""
    if len(args) > 3:
        return SYNTAX_ERROR
    if len(args) == 2:
        return _NO_PASSWORD
    _authenticate(args[1])
    return OK


@commands.command(
    "HELLO", -1, "noscript loading stale fast no_auth allow_busy", since="6.0.0",
    group="connection", summary="Chooses the version of RESP and tells about the server",
)  # fmt: skip
def hello(connection: Connection, args: Args) -> Answer:
    """HELLO [version [AUTH username password] [SETNAME name]]"""
    version = connection.version
    if len(args) > 1:
        number = Failure("ERR Protocol version is not an integer or out of range")
        version = integer(args[1], number)
        if version not in (2, 3):
            return Failure("NOPROTO unsupported protocol version")
    rest = list(args[2:])
    name: bytes | None = None
    while rest:
        option = rest.pop(0)
        if option.upper() == b"AUTH" and len(rest) >= 2:
            _authenticate(rest[0])
            del rest[:2]
        elif option.upper() == b"SETNAME" and rest:
            name = rest.pop(0)
        else:
            return Failure(f"ERR Syntax error in HELLO option '{text_of(option)}'")
    if name is not None:
        _name(connection, name)
    connection.version = version
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": version,
        b"id": connection.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@commands.command(
    "PING", -1, "fast", since="1.0.0", group="connection", summary="Answers, if nothing else",
)  # fmt: skip
def ping(connection: Connection, args: Args) -> Answer:
    """PING [message]"""
    if len(args) > 2:
        return wrong_arity("ping")
    return args[1] if len(args) == 2 else "PONG"


@commands.command(
    "ECHO", 2, "loading stale fast", since="1.0.0", group="connection",
    summary="Returns its argument",
)  # fmt: skip
def echo(connection: Connection, args: Args) -> Answer:
    """ECHO message"""
    return args[1]


@commands.command(
    "TIME", 1, "loading stale fast", since="2.6.0", group="server",
    summary="Returns this member's clock, in seconds and microseconds",
)  # fmt: skip
def time_(connection: Connection, args: Args) -> Answer:
    """TIME"""
    seconds, micros = divmod(time.time_ns() // 1000, 1_000_000)
    return [b"%d" % seconds, b"%d" % micros]


@commands.command(
    "SELECT", 2, "loading stale fast", since="1.0.0", group="connection",
    summary="Chooses the database: there is one, number 0",
)  # fmt: skip
def select(connection: Connection, args: Args) -> Answer:
    """SELECT index"""
    database(args[1])
    return OK


@commands.command(
    "QUIT", -1, "noscript loading stale fast no_auth allow_busy", since="1.0.0",
    group="connection", summary="Closes the connection",
)  # fmt: skip
def quit_(connection: Connection, args: Args) -> Answer:
    """QUIT"""
    connection.closing = True
    return OK


@commands.command(
    "RESET", 1, "noscript loading stale fast no_auth allow_busy", since="6.2.0",
    group="connection", summary="Makes the connection as new",
)  # fmt: skip
def reset(connection: Connection, args: Args) -> Answer:
    """RESET"""
    connection.transaction.abandon(connection)
    connection.version, connection.name = 2, b""
    connection.silent = False
    return "RESET"


commands.container("CLIENT", since="2.4.0", group="connection", summary="About connections")


@commands.command(
    "CLIENT|ID", 2, "noscript loading stale", since="5.0.0", group="connection",
    summary="Returns the number of this connection",
)  # fmt: skip
def client_id(connection: Connection, args: Args) -> Answer:
    """CLIENT ID"""
    return connection.id


@commands.command(
    "CLIENT|GETNAME", 2, "noscript loading stale", since="2.6.9", group="connection",
    summary="Returns the name of this connection",
)  # fmt: skip
def client_getname(connection: Connection, args: Args) -> Answer:
    """CLIENT GETNAME"""
    return connection.name or None


@commands.command(
    "CLIENT|SETNAME", 3, "noscript loading stale", since="2.6.9", group="connection",
    summary="Names this connection",
)  # fmt: skip
def client_setname(connection: Connection, args: Args) -> Answer:
    """CLIENT SETNAME name"""
    _name(connection, args[2])
    return OK


@commands.command(
    "CLIENT|SETINFO", 4, "noscript loading stale", since="7.2.0", group="connection",
    summary="Takes note of nothing: libraries introduce themselves with it",
)  # fmt: skip
def client_setinfo(connection: Connection, args: Args) -> Answer:
    """CLIENT SETINFO attribute value"""
    return OK


@commands.command(
    "CLIENT|INFO", 2, "noscript loading stale", since="6.2.0", group="connection",
    summary="Describes this connection",
)  # fmt: skip
def client_info(connection: Connection, args: Args) -> Answer:
    """CLIENT INFO"""
    return Verbatim(_described(connection))


@commands.command(
    "CLIENT|LIST", -2, "admin noscript loading stale", since="2.4.0", group="connection",
    summary="Describes all connections of this member",
)  # fmt: skip
def client_list(connection: Connection, args: Args) -> Answer:
    """CLIENT LIST [TYPE normal] [ID id ...]"""
    everybody = connection.door.connections
    chosen = list(everybody.values())
    if len(args) > 2:
        match args[2].upper():
            case b"TYPE" if len(args) == 4:
                chosen = chosen if args[3].lower() == b"normal" else []
            case b"ID" if len(args) > 3:
                ids = [integer(arg, Failure("ERR Invalid client ID")) for arg in args[3:]]
                chosen = [everybody[number] for number in ids if number in everybody]
            case _:
                return SYNTAX_ERROR
    return Verbatim(b"".join(map(_described, chosen)))


def _described(connection: Connection) -> bytes:
    now_s = time.monotonic()
    multi = len(connection.transaction) if connection.transaction.open else -1
    text = (
        f"id={connection.id} addr={connection.address} laddr={connection.local_address} fd=0 "
        f"name={connection.name.decode()} age={now_s - connection.since_s:.0f} idle=0 flags=N "
        f"db=0 sub=0 psub=0 ssub=0 multi={multi} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 "
        f"obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=NULL user=default redir=-1 "
        f"resp={connection.version}\n"
    )
    return text.encode()


@commands.command(
    "CLIENT|REPLY", 3, "noscript loading stale", since="3.2.0", group="connection",
    summary="Turns replies on or off, or skips the next",
)  # fmt: skip
def client_reply(connection: Connection, args: Args) -> Answer:
    """CLIENT REPLY ON | OFF | SKIP"""
    match args[2].upper():
        case b"ON":
            connection.silent = connection.silent_once = False
            return OK
        case b"OFF":
            connection.silent = True
        case b"SKIP":
            connection.silent_once = True
        case _:
            return SYNTAX_ERROR
    return NO_REPLY


@commands.command(
    "CLIENT|KILL", -3, "admin noscript loading stale", since="2.4.0", group="connection",
    summary="Closes connections by address or number",
)  # fmt: skip
def client_kill(connection: Connection, args: Args) -> Answer:
    """CLIENT KILL address | [ID id] [ADDR address] [SKIPME yes | no]"""
    everybody = list(connection.door.connections.values())
    if len(args) == 3:
        found = [each for each in everybody if each.address.encode() == args[2]]
        if not found:
            return Failure("ERR No such client")
        connection.door.kill(found[:1], connection)
        return OK
    if len(args) % 2:
        return SYNTAX_ERROR
    skip_me = True
    for option, value in zip(args[2::2], args[3::2], strict=True):
        match option.upper():
            case b"ID":
                number = integer(value, Failure("ERR client-id should be greater than 0"))
                everybody = [each for each in everybody if each.id == number]
            case b"ADDR":
                everybody = [each for each in everybody if each.address.encode() == value]
            case b"SKIPME" if value.lower() in (b"yes", b"no"):
                skip_me = value.lower() == b"yes"
            case _:
                return SYNTAX_ERROR
    if skip_me:
        everybody = [each for each in everybody if each is not connection]
    connection.door.kill(everybody, connection)
    return len(everybody)


@commands.command(
    "CLIENT|NO-EVICT", 3, "admin noscript loading stale", since="7.0.0", group="connection",
    summary="Changes nothing: no connection is ever evicted",
)  # fmt: skip
def client_no_evict(connection: Connection, args: Args) -> Reply:
    """CLIENT NO-EVICT ON | OFF"""
    return OK if args[2].upper() in (b"ON", b"OFF") else SYNTAX_ERROR
