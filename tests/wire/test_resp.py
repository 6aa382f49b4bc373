"""Replies are written in both versions of RESP as Redis writes them."""

from __future__ import annotations

import pytest

from comitia.machines.reply import NULL_ARRAY, OK, Failure, Reply
from comitia.wire.resp import ENCODERS, Verbatim, join


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (OK, b"+OK\r\n", None),
        (7, b":7\r\n", None),
        (b"a\r\nb", b"$4\r\na\r\nb\r\n", None),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        ([1, [None]], b"*2\r\n:1\r\n*1\r\n$-1\r\n", b"*2\r\n:1\r\n*1\r\n_\r\n"),
        ({b"k": 1}, b"*2\r\n$1\r\nk\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n:1\r\n"),
        (Verbatim(b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (2.0, b"$1\r\n2\r\n", b",2\r\n"),
        (Failure("ERR two\r\nlines \udcff"), b"-ERR two  lines \xff\r\n", None),
    ],
)  # fmt: skip
def test_a_reply_is_written(reply: Reply, resp2: bytes, resp3: bytes | None) -> None:
    assert ENCODERS[2](reply) == resp2
    assert ENCODERS[3](reply) == (resp3 or resp2)
    assert join([reply, OK, reply], 2) == resp2 + b"+OK\r\n" + resp2
