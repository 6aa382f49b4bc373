"""redis-py calls every implemented command here and at redis-server, and gets the same values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from replicated_logs import on_a_cluster_of_every_log

from comitia.net.local import LocalCluster
from comitia.serve.redis.door import TABLE

pytestmark = [
    pytest.mark.peer("redis-server"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

Call = tuple[str, Callable[[Any], Any]]

FAR = 99_999_999_999

CALLS: list[Call] = [
    ("SET", lambda r: r.set("k", "v")),
    ("SET", lambda r: [r.set("k", "w", nx=True), r.set("k", "w", xx=True, get=True)]),
    ("SET", lambda r: [r.set("t", "v", ex=100), r.ttl("t"), r.set("t", "v", keepttl=True)]),
    ("GET", lambda r: [r.get("k"), r.get("none")]),
    ("SETNX", lambda r: [r.setnx("k", 1), r.setnx("nx", 1)]),
    ("SETEX", lambda r: [r.setex("e", 100, "v"), r.ttl("e")]),
    ("PSETEX", lambda r: [r.psetex("e", 100_000, "v"), r.ttl("e")]),
    ("GETSET", lambda r: [r.getset("k", "1"), r.getset("new", "1")]),
    ("GETDEL", lambda r: [r.getdel("new"), r.getdel("new")]),
    ("GETEX", lambda r: [r.getex("e", persist=True), r.ttl("e"), r.getex("e", exat=FAR)]),
    ("MSET", lambda r: r.mset({"a": 1, "b": 2})),
    ("MSETNX", lambda r: [r.msetnx({"a": 1, "z": 2}), r.msetnx({"y": 1})]),
    ("MGET", lambda r: r.mget("a", "b", "none")),
    ("APPEND", lambda r: [r.append("k", "xyz"), r.append("fresh", "x")]),
    ("STRLEN", lambda r: [r.strlen("k"), r.strlen("none")]),
    ("GETRANGE", lambda r: r.getrange("k", 1, -1)),
    ("SUBSTR", lambda r: r.substr("k", 0, 1)),
    ("SETRANGE", lambda r: [r.setrange("k", 6, "end"), r.get("k")]),
    ("INCR", lambda r: r.incr("n")),
    ("INCRBY", lambda r: r.incrby("n", 5)),
    ("DECR", lambda r: r.decr("n")),
    ("DECRBY", lambda r: r.decrby("n", 2)),
    ("INCRBYFLOAT", lambda r: r.incrbyfloat("n", 0.5)),
    ("DEL", lambda r: r.delete("a", "none")),
    ("UNLINK", lambda r: r.unlink("b", "none")),
    ("EXISTS", lambda r: r.exists("k", "k", "none")),
    ("TOUCH", lambda r: r.touch("k", "none")),
    ("TYPE", lambda r: [r.type("k"), r.type("none")]),
    ("RENAME", lambda r: r.rename("k", "l")),
    ("RENAMENX", lambda r: [r.renamenx("l", "e"), r.renamenx("l", "k")]),
    ("COPY", lambda r: [r.copy("k", "c"), r.copy("k", "c"), r.copy("k", "c", replace=True)]),
    ("SET", lambda r: r.set("xx", "a text")),
    ("MOVE", lambda r: r.move("k", 0)),
    ("KEYS", lambda r: sorted(r.keys("*"))),
    ("SCAN", lambda r: sorted(r.scan_iter("?", count=1000))),
    ("RANDOMKEY", lambda r: r.randomkey() is not None),
    ("DBSIZE", lambda r: r.dbsize()),
    ("EXPIRE", lambda r: [r.expire("k", 100), r.expire("k", 50, gt=True), r.ttl("k")]),
    ("PEXPIRE", lambda r: [r.pexpire("k", 100_000), r.ttl("k")]),
    ("EXPIREAT", lambda r: [r.expireat("k", FAR), r.expiretime("k")]),
    ("PEXPIREAT", lambda r: [r.pexpireat("k", FAR * 1000), r.pexpiretime("k")]),
    ("TTL", lambda r: [r.ttl("k"), r.ttl("none"), r.ttl("c")] and r.ttl("none")),
    ("PTTL", lambda r: [r.pttl("none"), r.pttl("n")]),
    ("EXPIRETIME", lambda r: [r.expiretime("k"), r.expiretime("none")]),
    ("PEXPIRETIME", lambda r: [r.pexpiretime("k"), r.pexpiretime("none")]),
    ("PERSIST", lambda r: [r.persist("k"), r.persist("k")]),
    ("OBJECT", lambda r: [r.object("encoding", "xx"), r.object("refcount", "none")]),
    ("MEMORY", lambda r: [r.memory_usage("none"), r.memory_usage("xx") > 0]),
    ("PING", lambda r: [r.ping(), r.execute_command("PING", "x")]),
    ("ECHO", lambda r: r.echo("x")),
    ("TIME", lambda r: len(r.time())),
    ("SELECT", lambda r: r.select(0)),
    ("AUTH", lambda r: r.auth("any", "default")),
    ("AUTH", lambda r: r.auth("any", "somebody")),
    ("HELLO", lambda r: len(r.execute_command("HELLO"))),
    ("CLIENT", lambda r: [r.client_setname("me"), r.client_getname(), r.client_id() > 0]),
    ("CLIENT", lambda r: sorted({"id", "name", "resp"} & r.client_info().keys())),
    ("CLIENT", lambda r: {each["name"] for each in r.client_list()} >= {"me"}),
    ("CLIENT", lambda r: r.client_kill("9.9.9.9:9")),
    ("COMMAND", lambda r: r.command()["get"]["arity"]),
    ("COMMAND", lambda r: r.command_getkeys("MSET", "a", 1, "b", 2)),
    ("COMMAND", lambda r: r.command_count() > 50),
    ("COMMAND", lambda r: r.command_list(pattern="getd*")),
    ("CONFIG", lambda r: r.config_get("save")),
    ("CONFIG", lambda r: r.config_set("nonsense", "1")),
    ("INFO", lambda r: r.info()["redis_version"]),
    ("INFO", lambda r: r.info("server")["redis_mode"]),
    ("CLUSTER", lambda r: r.execute_command("CLUSTER INFO")),
    ("READONLY", lambda r: r.readonly()),
    ("READWRITE", lambda r: r.readwrite()),
    ("MULTI", lambda r: r.pipeline().set("p", 1).incr("p").get("p").execute()),
    ("EXEC", lambda r: r.pipeline().set("p", "x").incr("p").execute(raise_on_error=False)),
    ("WATCH", lambda r: r.transaction(lambda p: p.multi() or p.incr("w"), "w")),
    ("UNWATCH", lambda r: r.unwatch()),
    ("DISCARD", lambda r: r.execute_command("DISCARD")),
    ("RESET", lambda r: r.reset()),
    ("FLUSHDB", lambda r: [r.flushdb(), r.dbsize()]),
    ("FLUSHALL", lambda r: [r.set("k", 1), r.flushall(asynchronous=True), r.dbsize()]),
    ("QUIT", lambda r: r.quit()),
]


@pytest.fixture(params=[2, 3])
def both(
    request: pytest.FixtureRequest, port: int, redis_server: int
) -> Iterator[list[redis.Redis]]:
    """A client of the door and one of redis-server, each with one connection."""
    made = [
        redis.Redis(port=each, protocol=request.param, single_connection_client=True)
        for each in (port, redis_server)
    ]
    made[1].flushall()
    yield made
    for client in made:
        client.close()


def outcome(call: Callable[[Any], Any], client: Any) -> Any:
    """Return the value, or the type and text of the error."""
    try:
        value = call(client)
    except redis.RedisError as error:
        return type(error), str(error)
    if isinstance(value, list):
        return [(type(v), str(v)) if isinstance(v, Exception) else v for v in value]
    return value


def differences(both: list[redis.Redis]) -> list[tuple[str, Any, Any]]:
    """Return every call whose outcome is not the same at the two."""
    found = []
    for name, call in CALLS:
        got, want = (outcome(call, client) for client in both)
        if got != want:
            found.append((name, got, want))
    return found


def test_every_call_returns_the_same(both: list[redis.Redis]) -> None:
    assert differences(both) == []


@pytest.mark.slow
@on_a_cluster_of_every_log
def test_every_call_returns_the_same_on_a_cluster_of_every_log(
    cluster: LocalCluster, protocol: str, redis_server: int
) -> None:
    ports = [cluster.ports[2].redis, redis_server]  # whoever n2 is: any member serves
    both = [redis.Redis(port=port, single_connection_client=True) for port in ports]
    both[1].flushall()
    assert differences(both) == []


def test_every_command_is_called() -> None:
    assert {command.name for command in TABLE} == {name for name, _ in CALLS}
