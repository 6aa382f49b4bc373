"""Any bytes give a message or a DecodeError; a message survives its bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comitia.kernel import Ballot, Codec, DecodeError, Message


class Prepare(Message):
    n: Ballot


class Accept(Message):
    n: Ballot
    v: bytes
    who: frozenset[int] = frozenset()


CODEC = Codec("test", 3, (Prepare, Accept))
BALLOTS = st.builds(Ballot, st.integers(0, 2**63), st.integers(0, 100))
MESSAGES = st.one_of(
    st.builds(Prepare, BALLOTS),
    st.builds(Accept, BALLOTS, st.binary(max_size=50), st.frozensets(st.integers(0, 99))),
)


@given(MESSAGES)
def test_a_message_survives_its_bytes(message: Message) -> None:
    assert CODEC.decode(CODEC.encode(message)) == message


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x93")
@example(CODEC.encode(Prepare(Ballot(1, 1)))[:-1])
@example(CODEC.encode(Prepare(Ballot(1, 1))) + b"\x00")
@example(b"\x91" * 100_000)
def test_any_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    try:
        assert isinstance(CODEC.decode(data), Message)
    except DecodeError as error:
        assert str(error)


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_right_head_are_a_message_or_a_decode_error(data: bytes) -> None:
    head = CODEC.encode(Prepare(Ballot(1, 1)))[: len(CODEC._head)]
    try:
        assert isinstance(CODEC.decode(head + data), Message)
    except DecodeError as error:
        assert "test v3" in str(error)


@given(MESSAGES, st.data())
def test_a_cut_frame_is_refused(message: Message, data: st.DataObject) -> None:
    frame = CODEC.encode(message)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(DecodeError):
        CODEC.decode(frame[:cut])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (Codec("other", 3, (Prepare,)), "got other v3"),
        (Codec("test", 4, (Prepare,)), "got test v4"),
    ],
)
def test_another_protocol_or_version_is_refused_by_name(other: Codec, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        CODEC.decode(other.encode(Prepare(Ballot(1, 1))))


def test_a_frame_is_one_messagepack_array_that_names_protocol_version_and_type() -> None:
    frame = CODEC.encode(Accept(Ballot(1, 2), b"v"))
    assert msgspec.msgpack.decode(frame) == ["test", 3, ["Accept", [1, 2], b"v", []]]


def test_equal_messages_give_equal_bytes_whatever_the_order_of_their_sets() -> None:
    one = Accept(Ballot(1, 1), b"", frozenset([1, 1000, 17]))
    two = Accept(Ballot(1, 1), b"", frozenset([17, 1000, 1]))
    assert CODEC.encode(one) == CODEC.encode(two)


def test_messages_of_different_types_are_never_equal() -> None:
    class Promise(Message):
        n: Ballot

    assert Prepare(Ballot(1, 1)) != Promise(Ballot(1, 1))
    assert Ballot(1, 2) < Ballot(2, 1)
    assert Ballot(1, 1) < Ballot(1, 1).next(1)
