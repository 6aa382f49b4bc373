"""The machine answers as redis-server does, byte for byte."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.machines.redis import DATA, Redis
from comitia.wire.resp import ENCODERS, bulk_command
from redis_peer import Peer

pytestmark = pytest.mark.peer("redis-server")

FAR = "99999999999"  # a moment no test lives to see

SCRIPTS = {
    "set": """
        SET k v | GET k | SET k w NX | SET k w XX GET | SET k w NX GET | GET k | SET n w XX
        SET k v EX | SET k v EX 0 | SET k v EX -1 | SET k v EX x | SET k v EX 10 PX 10
        SET k v EX 10 EX 20 | SET k v EX 9223372036854775807 | SET k v PX 9223372036854775807
        SET k v KEEPTTL EX 10 | SET k v NX XX | SET k v foo | SET k v nx | SET k v EXAT %FAR
        EXPIRETIME k | SET k w KEEPTTL | EXPIRETIME k | SET k w | TTL k | SET k v PERSIST
        SET k v PXAT 1 | GET k | EXISTS k | SET k v PXAT 0 | SET k
    """,
    "strings": """
        SETNX a 1 | SETNX a 2 | GET a | GETSET a 3 | GETSET b 4 | GET b | GETDEL b | GETDEL b
        SETEX c 100 v | TTL c | SETEX c 0 v | SETEX c x v | PSETEX c 0 v | PSETEX c 100000 v
        TTL c | GETEX c PERSIST | TTL c | GETEX c EX 100 | TTL c | GETEX c EX 0 | GETEX none EX 0
        GETEX c EXAT 1 | GETEX c | GETEX c KEEPTTL | GETEX c EX | GETEX c PERSIST EX 1
        MSET a 1 b 2 | MSET a 1 b | MGET a b zz a | MSETNX a 9 q 9 | GET q | MSETNX q 1 r 2
        MSETNX q | MGET q r | STRLEN a | STRLEN none | APPEND a xyz | GET a | APPEND new v
        GETRANGE a 0 -1 | GETRANGE a 1 2 | GETRANGE a -2 -1 | GETRANGE a -1 -2 | GETRANGE a 2 1
        GETRANGE a 5 99 | GETRANGE a -99 0 | GETRANGE none 0 9 | GETRANGE a x 1 | SUBSTR a 0 1
        SETRANGE a 2 ABC | GET a | SETRANGE a 8 z | GET a | SETRANGE a -1 z | SETRANGE a 1 ''
        SETRANGE none 0 '' | EXISTS none | SETRANGE none 3 x | GET none | SETRANGE a x y
        SETRANGE a 999999999999 x
    """,
    "counters": """
        INCR n | INCR n | DECR n | INCRBY n 10 | DECRBY n 3 | GET n | INCRBY n x | INCRBY n 1.5
        INCRBY n ' 1' | INCRBY n +1 | INCRBY n 01 | SET n 01 | INCR n | SET n ' 1' | INCR n
        SET n '' | INCR n | SET n -0 | INCR n | SET n 9223372036854775807 | INCR n | DECR n
        SET n -9223372036854775808 | DECR n | DECRBY n -9223372036854775808 | INCRBY n 5
        SET n 9223372036854775808 | INCR n | SET n abc | INCR n | INCRBYFLOAT n 1 | DEL n
        INCRBYFLOAT n 0.1 | INCRBYFLOAT n 0.2 | INCRBYFLOAT n -0.3 | INCRBYFLOAT n 3.0e3
        INCRBYFLOAT n 1e18 | INCRBYFLOAT n 0.3 | INCRBYFLOAT n 1e25 | INCRBYFLOAT n .5
        INCRBYFLOAT n 5. | INCRBYFLOAT n inf | INCRBYFLOAT n -inf | INCRBYFLOAT n nan
        INCRBYFLOAT n x | INCRBYFLOAT n ' 1' | INCRBYFLOAT n '1 ' | INCRBYFLOAT n '' | SET n -1
        INCRBYFLOAT n 1 | INCRBYFLOAT n 1e-17 | INCRBYFLOAT n 1e-20 | SET n 123456789012345678.9
        INCRBYFLOAT n 0.1 | SET n 5 EX 100 | INCR n | TTL n | INCRBYFLOAT n 1 | TTL n
        INCRBYFLOAT n 1e400 | INCRBYFLOAT n +2
    """,
    "keys": """
        MSET a 1 b 2 c 3 | EXISTS a a b zz | TOUCH a zz | TYPE a | TYPE zz | DEL a a zz | DEL
        UNLINK b zz | DBSIZE | RENAME zz y | RENAME c d | GET d | RENAME d d | RENAMENX zz y
        SET e 5 | RENAMENX d e | RENAMENX d d | RENAMENX d f | GET f | EXPIREAT f %FAR
        RENAME f g | EXPIRETIME g | COPY g h | COPY g h | COPY g h REPLACE | EXPIRETIME h
        COPY g g | COPY g i DB 0 | COPY g i DB x | COPY g i foo | COPY zz i | KEYS i
        COPY g j DB 99 | MOVE g 99 | MOVE g x | MOVE g 0 | KEYS nothing* | SCAN x
        SCAN 0 COUNT 0 | SCAN 0 COUNT x | SCAN 0 MATCH | SCAN 0 foo bar | SCAN 0 TYPE list
        SCAN 99999999999999999999999 | SCAN 0 COUNT 5000 MATCH i* | OBJECT ENCODING g
        OBJECT ENCODING zz | OBJECT REFCOUNT zz | OBJECT FOO | OBJECT | OBJECT ENCODING
        OBJECT IDLETIME g | FLUSHALL foo | FLUSHALL SYNC ASYNC | FLUSHDB SYNC | DBSIZE | RANDOMKEY
        SET k 12 | OBJECT ENCODING k | SET k 0123 | OBJECT ENCODING k | FLUSHALL ASYNC
        SET k abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst | OBJECT ENCODING k
        RANDOMKEY | MEMORY USAGE zz | FLUSHALL | KEYS
    """,
    "expiry": """
        SET k v | TTL k | PTTL k | TTL zz | PTTL zz | EXPIRETIME k | PEXPIRETIME zz
        EXPIRE k 100 | TTL k | EXPIRE zz 100 | EXPIRE k 200 NX | EXPIRE k 50 GT | EXPIRE k 300 GT
        TTL k | EXPIRE k 400 LT | EXPIRE k 200 LT | TTL k | PERSIST k | PERSIST k | PERSIST zz
        EXPIRE k 10 GT | EXPIRE k 10 XX | EXPIRE k 10 LT | EXPIRE k 20 NX XX | EXPIRE k 20 GT LT
        EXPIRE k 20 NX GT | EXPIRE k 20 XX GT | TTL k | EXPIRE k 20 foo | EXPIRE k x | EXPIRE k
        EXPIRE k 9223372036854775807 | EXPIRE k -9223372036854775808 | PEXPIRE k 9223372036854775807
        EXPIRE k -1 | EXISTS k | SET k v | PEXPIRE k 0 | EXISTS k | SET k v | EXPIREAT k 1
        EXISTS k | SET k v | EXPIREAT k %FAR | EXPIRETIME k | PEXPIRETIME k | PEXPIREAT k %FAR123
        PEXPIRETIME k | EXPIRETIME k | PEXPIREAT k x | SET k v | PEXPIREAT k 5 NX | GET k
    """,
}


def commands_of(script: str) -> list[list[bytes]]:
    lines = script.replace("%FAR", FAR).replace("\n", "|").split("|")
    return [[arg.encode() for arg in shlex.split(line)] for line in lines if line.strip()]


class Pair:
    """The machine and a redis-server, told the same."""

    def __init__(self, peer: Peer, version: int) -> None:
        self.peer, self.version, self.machine = peer, version, Redis()
        self.peer.call(b"*2\r\n$5\r\nHELLO\r\n$1\r\n%d\r\n" % version)
        self.peer.call(b"*1\r\n$8\r\nFLUSHALL\r\n")

    def differs(self, args: list[bytes]) -> tuple[list[bytes], bytes, bytes] | None:
        seconds, micros = (int(part) for part in self._time())
        now_ms = seconds * 1000 + micros // 1000
        want = self.peer.call(bulk_command(args))
        (reply,) = self.machine.apply([args], now_ms)
        got = ENCODERS[self.version](reply)
        return None if got == want else (args, got, want)

    def _time(self) -> list[bytes]:
        return self.peer.call(b"*1\r\n$4\r\nTIME\r\n").split(b"\r\n")[2:5:2]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_of_calls_is_answered_alike(
    script: str, version: int, peer: Callable[[], Peer]
) -> None:
    pair = Pair(peer(), version)
    # PTTL counts down while we look.
    calls = [args for args in commands_of(SCRIPTS[script]) if args[0] != b"PTTL"]
    assert [difference for args in calls if (difference := pair.differs(args))] == []


def test_every_command_is_declared_as_redis_declares_it(peer: Callable[[], Peer]) -> None:
    connection = peer()
    for command in DATA:
        reply = connection.call(bulk_command([b"COMMAND", b"INFO", command.name.encode()]))
        lines = reply.split(b"\r\n")
        assert lines[4] == b":%d" % command.arity, command.name
        count = int(lines[5][1:])
        assert tuple(flag[1:].decode() for flag in lines[6 : 6 + count]) == command.flags, (
            command.name
        )
        keys = tuple(int(line[1:]) for line in lines[6 + count : 9 + count])
        assert keys == command.keys, command.name


KEYS = st.sampled_from([b"a", b"b", b"c"])
NUMBERS = st.one_of(
    st.integers(-20, 20),
    st.sampled_from([2**63 - 1, -(2**63), 2**63, 10**12]),
).map(lambda number: b"%d" % number)
DECIMALS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-1e9, max_value=1e9),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e22, max_value=1e22),
).map(lambda number: str(number).encode())
VALUES = st.one_of(NUMBERS, DECIMALS, st.binary(max_size=6))
OPTIONS = st.sampled_from(
    b"NX XX GT LT GET EX PX EXAT PXAT KEEPTTL PERSIST REPLACE DB MATCH COUNT TYPE string x".split()
)
ARGUMENT = st.one_of(KEYS, VALUES, OPTIONS)
# Left aside: what differs by design (cursors, dice, order) and what counts down while we look.
COMPARED = sorted(
    {c.name for c in DATA}
    - {"SCAN", "RANDOMKEY", "KEYS", "OBJECT", "MEMORY"}
    - {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}
)
FIXED = {
    "SET": st.tuples(KEYS, VALUES),
    "INCRBY": st.tuples(KEYS, NUMBERS),
    "DECRBY": st.tuples(KEYS, NUMBERS),
    "INCRBYFLOAT": st.tuples(KEYS, DECIMALS),
    "SETRANGE": st.tuples(KEYS, st.integers(0, 9).map(lambda n: b"%d" % n), VALUES),
    "GETRANGE": st.tuples(KEYS, NUMBERS, NUMBERS),
    "EXPIREAT": st.tuples(KEYS, st.integers(1, 2**33).map(lambda n: b"%d" % n)),
}


@st.composite
def calls(draw: st.DrawFn) -> list[bytes]:
    name = draw(st.sampled_from(COMPARED))
    if name in FIXED and draw(st.booleans()):
        args = draw(FIXED[name])
    else:
        args = tuple(draw(st.lists(KEYS, max_size=1))) + tuple(draw(st.lists(ARGUMENT, max_size=4)))
    return [name.encode(), *args]


@given(sequence=st.lists(calls(), min_size=1, max_size=30))
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sequence_of_calls_is_answered_alike(
    sequence: list[list[bytes]], peer: Callable[[], Peer]
) -> None:
    connection = peer()
    pair = Pair(connection, 2)
    for args in (*sequence, [b"MGET", b"a", b"b", b"c"]):
        assert pair.differs(args) is None
    connection.close()
