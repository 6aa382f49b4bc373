"""Commands come out of any bytes in any pieces; what is none is refused in the words of Redis."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.wire.requests import MAX_BULK, ProtocolError, Requests, Strict, split_inline
from comitia.wire.resp import bulk_command

COMMANDS = st.lists(st.lists(st.binary(max_size=12), min_size=1, max_size=4), max_size=6)


def fed(*pieces: bytes) -> tuple[list[list[bytes]], str | None]:
    requests = Requests()
    commands = [command for piece in pieces for command in requests.feed(piece)]
    return commands, None if requests.error is None else str(requests.error)


@given(COMMANDS, st.lists(st.integers(0, 400), max_size=5))
def test_commands_survive_any_cuts(commands: list[list[bytes]], cuts: list[int]) -> None:
    data = b"".join(map(bulk_command, commands))
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places) if a < b]
    assert fed(*pieces) == (commands, None)


@given(
    st.lists(st.binary(max_size=12) | st.sampled_from([b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$1\r\na"]))
)
def test_the_quick_way_reads_what_the_strict_way_reads(pieces: list[bytes]) -> None:
    strict, want, error = Strict(), [], None
    data = b"".join(pieces)
    position = 0
    try:
        while position < len(data):
            command, position = strict.feed(data, position)
            if command:
                want.append(command)
    except ProtocolError as caught:
        error = str(caught)
    assert fed(data) == (want, error)
    assert fed(*pieces) == (want, error)


def test_inline_commands_and_arrays_mix() -> None:
    data = b'\r\nPING\r\n*1\r\n$4\r\nPING\r\nset k "a b"\nGET k\r\n*0\r\n*-1\r\n*1\r\n$1\r\nx\r\n'
    want = [[b"PING"], [b"PING"], [b"set", b"k", b"a b"], [b"GET", b"k"], [b"x"]]
    assert fed(data) == (want, None)
    assert fed(*(data[n : n + 1] for n in range(len(data)))) == (want, None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'a  "b c"\td', [b"a", b"b c", b"d"]),
        (rb'"\x41\n\"\q" ' + rb"'it\'s \n'", [b'A\n"q', rb"it's \n"]),
        (b"''", [b""]),
        (rb'"\xZZ"', [b"xZZ"]),
        (b"   ", []),
        (b'k"v"', [b"kv"]),
    ],
)
def test_an_inline_command_is_split_as_redis_splits_it(line: bytes, words: list[bytes]) -> None:
    assert split_inline(line) == words


ERRORS = [
    (b"*1\r\n$1073741824\r\n", "invalid bulk length"),
    (b"*1\r\n$%d\r\n" % (MAX_BULK + 1), "invalid bulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$x\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$03\r\nabc\r\n", "invalid bulk length"),
    (b"*99999999999\r\n", "invalid multibulk length"),
    (b"*1048577\r\n", "invalid multibulk length"),
    (b"*x\r\n", "invalid multibulk length"),
    (b"*1\r\n:5\r\n", "expected '$', got ':'"),
    (b"*2\r\n$3\r\nGET\r\n*1\r\n", "expected '$', got '*'"),
    (b'GET "a\r\n', "unbalanced quotes in request"),
    (b"GET 'a'b\r\n", "unbalanced quotes in request"),
    (b"x" * 70000, "too big inline request"),
    (b"*" + b"1" * 70000, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
]


@pytest.mark.parametrize(("data", "text"), ERRORS, ids=[text for _, text in ERRORS])
def test_what_is_no_request_is_refused(data: bytes, text: str) -> None:
    ping = bulk_command([b"PING"])
    assert fed(ping + data) == ([[b"PING"]], f"Protocol error: {text}")
    assert fed(ping, data, ping) == ([[b"PING"]], f"Protocol error: {text}")


def test_a_request_of_many_large_arguments_is_refused_before_they_arrive() -> None:
    piece = b"$%d\r\n" % MAX_BULK + bytes(MAX_BULK) + b"\r\n"
    commands, error = fed(b"*3\r\n", piece, piece, b"$10\r\n")
    assert commands == []
    assert error is not None
    assert "a request of more than" in error


# Two limits are ours and lower than those of Redis.
STRICTER = (b"*1048577\r\n", b"*1\r\n$%d\r\n" % (MAX_BULK + 1))


@pytest.mark.peer("redis-server")
@pytest.mark.parametrize(("data", "text"), [case for case in ERRORS if case[0] not in STRICTER])
def test_redis_refuses_it_in_the_same_words(data: bytes, text: str, redis_server: int) -> None:
    with socket.create_connection(("127.0.0.1", redis_server), timeout=10) as connection:
        connection.sendall(data)
        assert connection.recv(1000) == b"-ERR Protocol error: %b\r\n" % text.encode()
