"""Redis clients notice no difference: the same bytes come back from the door and redis-server."""

from __future__ import annotations

import itertools
import re
import resource
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.wire.resp import bulk_command
from redis_peer import Peer

SCRIPTS = {
    "errors": """
        FOO | foo bar | FOO bar baz | GET | GET a b | SET a | get | PING a b | ECHO | SELECT 1
        SELECT x | SELECT 0 | OBJECT | OBJECT NOPE x | CLIENT NOPE | CONFIG NOPE | COMMAND NOPE
        CLIENT | CONFIG GET | CONFIG SET nope 1 | CLUSTER INFO | READONLY | QUIT a
    """,
    "long words": """
        FOO 'a b' %LONG c d | FOO %LONG%LONG l | FOO%LONG%LONG x | 'new\nline' x | SET %LONG
        OBJECT %LONG%LONG x | 'a\0b' 'c\0d' e | EXPIRE a 1 'x\0y'
    """,
    "connection": """
        PING | PING hello | ping | Ping | ECHO x | HELLO x | HELLO 4 | HELLO 9999999999999999999
        HELLO 3 FOO | HELLO 3 AUTH a | AUTH a | AUTH default a | AUTH other a | AUTH a b c
        HELLO 3 AUTH other x | CLIENT GETNAME | CLIENT SETNAME me | CLIENT GETNAME
        CLIENT SETNAME 'a b' | CLIENT GETNAME | CLIENT SETNAME '' | CLIENT GETNAME
        CLIENT NO-EVICT ON | CLIENT NO-EVICT MAYBE | CLIENT REPLY MAYBE | CLIENT REPLY ON
        CLIENT KILL 1.2.3.4:5 | CLIENT KILL ID 99999 | CLIENT KILL ID x | CLIENT LIST TYPE master
        CLIENT LIST ID x | CONFIG RESETSTAT | CONFIG GET save | CONFIG GET appendonl
        CONFIG GET databases | CONFIG SET maxclients | RESET | CLIENT GETNAME
    """,
    "transactions": """
        MULTI | SET a 1 | INCR a | GET a | EXEC | EXEC | DISCARD | MULTI | MULTI | EXEC
        MULTI | SET a | SET a 2 | EXEC | MULTI | FOO | GET a | EXEC | GET a
        MULTI | INCR a | DISCARD | GET a | MULTI | WATCH a | GET a | EXEC | MULTI | EXEC
        WATCH a | SET a 5 | MULTI | GET a | EXEC | WATCH a | UNWATCH | SET a 6 | MULTI | GET a
        EXEC | WATCH a b | MULTI | GET a | EXEC | WATCH a | SET a 7 | MULTI | SET | EXEC | MULTI
        GET a | EXEC | WATCH a | SET a 8 | MULTI | DISCARD | MULTI | GET a | EXEC | MULTI | PING
        ECHO x | SELECT 0 | GET a | SELECT 9 | CLIENT GETNAME | INCRBY a x | EXEC
        WATCH | UNWATCH | EXEC 1 | MULTI | EXEC 1 | EXEC
        MULTI | RESET | GET a | EXEC | WATCH a | SET a 9 | RESET | MULTI | GET a | EXEC
        MULTI | MGET a b | SET s x | INCR s | EXEC
    """,
    "commands": """
        COMMAND COUNT x | COMMAND INFO nope | COMMAND DOCS nope | COMMAND LIST FILTERBY MODULE x
        COMMAND LIST FILTERBY | COMMAND GETKEYS SET a b | COMMAND GETKEYS MSET a 1 b 2
        COMMAND GETKEYS PING | COMMAND GETKEYS NOPE x | COMMAND GETKEYS GET | COMMAND GETKEYS
        COMMAND GETKEYS EXISTS a b c | COMMAND GETKEYS OBJECT ENCODING k
    """,
}


def calls_of(script: str) -> list[list[bytes]]:
    lines = script.replace("%LONG", 20 * "abcd").replace("\n ", "|").split("|")
    return [[arg.encode() for arg in shlex.split(line)] for line in lines if line.strip()]


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], Peer]]:
    """Makes raw connections to the door."""
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer(port))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@pytest.mark.peer("redis-server")
@pytest.mark.parametrize("version", [b"2", b"3"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_gets_the_same_bytes(
    script: str, version: bytes, connect: Callable[[], Peer], peer: Callable[[], Peer]
) -> None:
    ours, theirs = connect(), peer()
    for each in (ours, theirs):
        each.call(bulk_command([b"HELLO", version]))
    differences = []
    for args in calls_of(SCRIPTS[script]):
        got, want = (each.call(bulk_command(args)) for each in (ours, theirs))
        if got != want:
            differences.append((args, got, want))
    assert differences == []


PARTS = """
    GET a|SET a 1|INCR a|APPEND a x|MULTI|EXEC|DISCARD|WATCH a|WATCH b|UNWATCH|PING|ECHO x|FOO|SET
    MGET a b|DEL a|HELLO 2|HELLO 3|CLIENT REPLY SKIP|SELECT 0|RESET|SET b 2|GETDEL b|EXISTS a b
"""
CALLS = st.lists(st.sampled_from(calls_of(PARTS)), max_size=40)


def sense(calls: list[list[bytes]]) -> bool:
    """Redis answers CLIENT REPLY inside a transaction with an array that lacks an element."""
    names = [call[0] for call in calls]
    ends = [at for at, name in enumerate(names) if name in (b"EXEC", b"DISCARD", b"RESET")]
    for at, name in enumerate(names):
        if name == b"MULTI":
            end = next((each for each in ends if each > at), len(names))
            if b"CLIENT" in names[at:end]:
                return False
    return True


def conversation(connection: Peer, data: bytes, cuts: list[int]) -> bytes:
    """Send `data` in pieces and return everything that comes back."""
    data += bulk_command([b"RESET"]) + bulk_command([b"ECHO", b"the end"])
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in itertools.pairwise(places):
        connection.socket.sendall(data[start:end])
    said = b""
    while not said.endswith(b"$7\r\nthe end\r\n"):
        piece = connection.socket.recv(1 << 16)
        assert piece, said
        said += piece
    return said


@pytest.mark.peer("redis-server")
@given(calls=CALLS.filter(sense), cuts=st.lists(st.integers(1, 500), max_size=4))
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_pipeline_in_any_pieces_gets_the_same_bytes(
    calls: list[list[bytes]],
    cuts: list[int],
    connect: Callable[[], Peer],
    peer: Callable[[], Peer],
) -> None:
    data = b"".join(map(bulk_command, [[b"FLUSHALL"], *calls]))
    said = []
    for make in (connect, peer):
        connection = make()
        connection.call(bulk_command([b"HELLO", b"3"]))
        said.append(conversation(connection, data, cuts))
        connection.close()
    # HELLO tells the number of the connection.
    ours, theirs = (re.sub(rb"(\$2\r\nid\r\n):\d+", rb"\1", each) for each in said)
    assert ours == theirs


def test_the_watches_of_a_client_that_left_bother_nobody(connect: Callable[[], Peer]) -> None:
    one, two = connect(), connect()
    one.call(b"WATCH a\r\n")
    one.close()
    two.call(b"SET a 1\r\n")
    two.call(b"WATCH a\r\n")
    two.call(b"MULTI\r\n")
    two.call(b"GET a\r\n")
    assert two.call(b"EXEC\r\n") == b"*1\r\n$1\r\n1\r\n"


def test_another_client_makes_a_watched_transaction_fail(connect: Callable[[], Peer]) -> None:
    one, two = connect(), connect()
    one.call(b"WATCH a\r\n")
    two.call(b"SET a 1\r\n")
    one.call(b"MULTI\r\n")
    one.call(b"SET a 2\r\n")
    assert one.call(b"EXEC\r\n") == b"*-1\r\n"
    assert two.call(b"GET a\r\n") == b"$1\r\n1\r\n"


def test_a_connection_can_be_killed_by_another_and_by_itself(connect: Callable[[], Peer]) -> None:
    one, two = connect(), connect()
    number = one.call(b"CLIENT ID\r\n")[1:-2]
    assert two.call(b"CLIENT KILL ID %b\r\n" % number) == b":1\r\n"
    assert one.socket.recv(10) == b""
    number = two.call(b"CLIENT ID\r\n")[1:-2]
    assert two.call(b"CLIENT KILL ID %b SKIPME no\r\n" % number) == b":1\r\n"
    assert two.socket.recv(10) == b""


def test_client_reply_off_and_on(connect: Callable[[], Peer]) -> None:
    client = connect()
    client.socket.sendall(b"CLIENT REPLY OFF\r\nSET a 1\r\nPING\r\nINCR a\r\nFOO\r\n")
    assert client.call(b"CLIENT REPLY ON\r\n") == b"+OK\r\n"
    assert client.call(b"GET a\r\n") == b"$1\r\n2\r\n"


def test_a_deep_pipeline_is_answered_in_order(connect: Callable[[], Peer]) -> None:
    client = connect()
    calls = [[b"SET", b"k", b"%d" % n] if n % 3 else [b"GET", b"k"] for n in range(20_000)]
    client.socket.sendall(b"".join(map(bulk_command, calls)))
    for n in range(20_000):
        want = (
            b"+OK\r\n"
            if n % 3
            else (b"$%d\r\n%d\r\n" % (len(str(n - 1)), n - 1) if n else b"$-1\r\n")
        )
        assert client.reply() == want


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


# -- bad input --


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"*1\r\n$1073741824\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*99999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"PING\r\n*1\r\n:5\r\n", b"+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"SET a 1\r\n*1\r\n:5\r\n", b"+OK\r\n-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"\0" * 100_000, b"-ERR Protocol error: too big inline request\r\n"),
        (b"\xff\xfe\r\n", None),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n", b""),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n",
            b"-ERR wrong number of arguments for 'get' command\r\n",
        ),
        (b"PING\r\nQUIT\r\nPING\r\n", b"+PONG\r\n+OK\r\n"),
    ],
)
def test_garbage_gets_an_error_and_no_one_else_suffers(
    data: bytes, answer: bytes | None, connect: Callable[[], Peer], port: int
) -> None:
    other = connect()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as bad:
        bad.sendall(data)
        if answer is None:
            assert bad.recv(1000).startswith(b"-ERR ")
        else:
            said = b""
            while piece := bad.recv(1000):  # until it is closed
                said += piece
            assert said == answer
    assert other.call(b"GET a\r\n") in (b"$-1\r\n", b"$1\r\n1\r\n")
    assert (other.call(b"EXISTS a\r\n") == b":1\r\n") is (data[:3] == b"SET")


def test_half_a_command_waits_and_hinders_nobody(connect: Callable[[], Peer]) -> None:
    half, other = connect(), connect()
    half.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\n01234")
    assert other.call(b"GET a\r\n") == b"$-1\r\n"
    half.socket.sendall(b"56789\r")
    assert other.call(b"GET a\r\n") == b"$-1\r\n"
    assert half.call(b"\n") == b"+OK\r\n"


def test_a_slow_reader_holds_neither_memory_nor_others(connect: Callable[[], Peer]) -> None:
    slow, other = connect(), connect()
    slow.call(bulk_command([b"SET", b"big", bytes(1 << 20)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 300
    slow.socket.sendall(bulk_command([b"GET", b"big"]) * count)
    time.sleep(0.3)
    for n in range(20):
        assert other.call(b"INCR n\r\n") == b":%d\r\n" % (n + 1)
    used_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert used_kib < 200 << 10
    for _ in range(count):
        assert len(slow.reply()) == (1 << 20) + 12


def test_ten_thousand_idle_clients_hinder_nobody(port: int) -> None:
    # About that many, and fewer where the limit of open files says so: here are both ends.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 20_300 if hard == resource.RLIM_INFINITY else min(20_300, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    count = (most - 500) // 2
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    client = Peer(port)
    assert client.call(b"INCR n\r\n") == b":1\r\n"
    idle[-1].sendall(b"GET n\r\n")
    assert idle[-1].recv(100) == b"$1\r\n1\r\n"
    for each in idle:
        each.close()
    client.close()


# -- what real clients do --


@pytest.mark.peer("redis-cli")
def test_redis_cli_works(port: int) -> None:
    script = "set k 'a b'\nget k\nscan 0\ntype k\nincr k\nclient getname\n"
    command = ["redis-cli", "-p", str(port)]
    said = subprocess.run(
        command, input=script, text=True, capture_output=True, check=True, timeout=30
    )
    assert said.stdout.split("\n")[:5] == ["OK", "a b", "0", "k", "string"]
    assert "ERR value is not an integer" in said.stdout
    big = subprocess.run([*command, "--bigkeys"], text=True, capture_output=True, timeout=30)
    assert "Biggest string found" in big.stdout
    scanned = subprocess.run([*command, "--scan"], text=True, capture_output=True, timeout=30)
    assert scanned.stdout == "k\n"


@pytest.mark.peer("redis-benchmark")
def test_redis_benchmark_works(port: int) -> None:
    command = f"redis-benchmark -p {port} -c 8 -n 400 -P 4 -q -t ping,set,get,incr,mset".split()
    said = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60)
    assert said.stdout.count("requests per second") == 6
    assert "WARNING" not in said.stderr
