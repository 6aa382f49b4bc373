"""The differences that reach the disk, replayed, give the state back."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.kernel import Ballot, DecodeError, Log, Node, Record
from comitia.kernel.stable import StableCodec


class Entry(Record):
    term: int
    value: bytes


class Replica(Node):
    stable: ClassVar = ("ballot", "vote", "log")
    ballot: Ballot
    vote: int | None
    log: Log[Entry]

    def __init__(self) -> None:
        super().__init__(1)
        self.ballot, self.vote, self.log = Ballot(0, 0), None, Log()


CODEC = StableCodec(Replica)
ENTRIES = st.lists(st.builds(Entry, st.integers(0, 9), st.binary(max_size=3)), max_size=4)


@given(st.data())
def test_replaying_the_differences_gives_every_state_back(data: st.DataObject) -> None:
    node = Replica()
    disk = CODEC.apply(None, CODEC.difference(None, CODEC.values(node)))
    saved = CODEC.values(node)
    for _ in range(data.draw(st.integers(1, 8))):
        match data.draw(st.sampled_from("bvacs")):
            case "b":
                node.ballot = node.ballot.next(data.draw(st.integers(1, 3)))
            case "v":
                node.vote = data.draw(st.none() | st.integers(1, 3))
            case "a":
                node.log = node.log.append(data.draw(ENTRIES))
            case "c":
                node.log = node.log.cut_after(
                    data.draw(st.integers(node.log.first - 1, node.log.last))
                )
            case _:
                node.log = node.log.cut_before(
                    data.draw(st.integers(node.log.first, node.log.last + 1))
                )
        if data.draw(st.booleans()):  # several steps may share one record
            difference = CODEC.difference(saved, CODEC.values(node))
            assert bool(difference) == (saved != CODEC.values(node))
            disk, saved = CODEC.apply(disk, difference) if difference else disk, CODEC.values(node)
            assert disk == CODEC.values(node)


def test_a_log_that_grew_writes_only_its_new_suffix() -> None:
    node = Replica()
    node.log = node.log.append([Entry(1, b"x" * 1000)] * 1000)
    before = CODEC.values(node)
    node.log = node.log.append([Entry(1, b"y")])
    assert len(CODEC.difference(before, CODEC.values(node))) < 30


def test_nothing_changed_is_nothing_to_write() -> None:
    node = Replica()
    assert CODEC.difference(CODEC.values(node), CODEC.values(node)) == b""


@given(st.binary(max_size=60))
def test_any_bytes_are_a_difference_or_a_decode_error(data: bytes) -> None:
    node = Replica()
    try:
        CODEC.apply(CODEC.values(node), data)
    except DecodeError as error:
        assert "ballot" in str(error)


def test_a_stable_attribute_without_a_type_is_named() -> None:
    class Careless(Node):
        stable: ClassVar = ("term",)

    with pytest.raises(TypeError, match="term"):
        StableCodec(Careless)


def test_restoring_gives_a_new_node_what_survived() -> None:
    node = Replica()
    node.ballot, node.log = Ballot(3, 2), Log([Entry(1, b"a")])
    twin = Replica()
    CODEC.restore(twin, CODEC.apply(None, CODEC.difference(None, CODEC.values(node))))
    assert (twin.ballot, twin.vote, twin.log) == (node.ballot, None, node.log)
