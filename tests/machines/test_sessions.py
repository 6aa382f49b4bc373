"""Each batch takes effect at most once, and those of one member in order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.kernel import DecodeError
from comitia.machines.redis import Redis
from comitia.machines.reply import NULL_ARRAY, Failure, Reply
from comitia.machines.sessions import (
    RESTORED,
    Batch,
    Fate,
    Sessions,
    StateMissing,
    decode_batch,
    encode_batch,
)

INCR = [b"INCR", b"n"]


def batch(
    sequence: int,
    *commands: list[bytes],
    origin: int = 1,
    incarnation: int = 1,
    finished: int = 1,
    time_ms: int = 1000,
) -> bytes:
    made = Batch(origin, incarnation, sequence, finished, time_ms, list(commands) or [INCR])
    return encode_batch(made)


def sessions() -> Sessions:
    return Sessions(Redis())


def counter(at: Sessions) -> object:
    return at.machine.read([[b"GET", b"n"]])[0]


def test_the_beginning_of_a_restored_log_is_not_taken_for_a_state() -> None:
    with pytest.raises(StateMissing, match="was not sent the state"):
        sessions().apply(RESTORED)


def test_a_batch_that_arrives_twice_is_executed_once_and_answered_alike() -> None:
    at = sessions()
    assert at.apply(batch(1))[1:] == (Fate.EXECUTED, [1])
    assert at.apply(batch(2))[1:] == (Fate.EXECUTED, [2])
    assert at.apply(batch(1))[1:] == (Fate.REPEATED, [1])
    assert counter(at) == b"2"


def test_who_proposed_a_batch_executes_it_as_the_others_do_and_need_not_decode_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proposer, other = sessions(), sessions()
    first, second = (Batch(1, 1, n, 1, 1000, [INCR, [b"APPEND", b"n", b"0"]]) for n in (1, 2))
    values = [proposer.encode(first), proposer.encode(second)]
    answers = [other.apply(value)[1:] for value in values]
    assert proposer.apply(bytes(bytearray(values[0])))[1:] == answers[0]  # back from elsewhere
    monkeypatch.setattr("comitia.machines.sessions.decode_batch", None)
    assert proposer.apply(values[1])[1:] == answers[1] == (Fate.EXECUTED, [11, 3])
    assert proposer.digest() == other.digest()


@given(st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=4), max_size=9))
def test_a_batch_is_what_its_bytes_say(commands: list[list[bytes]]) -> None:
    made = Batch(1, 2, 3, 3, 1000, commands)
    assert decode_batch(sessions().encode(made)) == made


def test_a_batch_that_others_would_take_for_none_is_not_proposed() -> None:
    with pytest.raises(AssertionError, match="an empty command"):
        sessions().encode(Batch(1, 1, 1, 1, 1000, [INCR, []]))


def test_a_machine_that_leaves_a_command_without_a_reply_is_found_out() -> None:
    class Silent(Redis):
        def apply(self, *arguments: Any, **more: Any) -> list[Reply]:
            return super().apply(*arguments, **more)[1:]

    with pytest.raises(AssertionError, match="1, 2"):
        Sessions(Silent()).apply(batch(1, INCR, INCR))


def test_a_batch_waits_for_the_one_before_it() -> None:
    at = sessions()
    at.apply(batch(1))
    assert at.apply(batch(3))[1:] == (Fate.EARLY, ())
    assert at.apply(batch(2))[1] is Fate.EXECUTED
    assert at.apply(batch(3))[1:] == (Fate.EXECUTED, [3])


def test_a_batch_given_up_lets_the_next_one_go_and_is_never_executed_later() -> None:
    at = sessions()
    at.apply(batch(1))
    assert at.apply(batch(3, finished=3))[1:] == (Fate.EXECUTED, [2])
    assert at.apply(batch(2))[1:] == (Fate.FINISHED, ())
    assert counter(at) == b"2"


def test_replies_are_forgotten_once_the_member_has_them() -> None:
    at = sessions()
    for sequence in (1, 2, 3):
        at.apply(batch(sequence))
    assert [at.replies(1, 1, sequence) for sequence in (1, 2, 3)] == [[1], [2], [3]]
    at.apply(batch(4, finished=3))
    assert [at.replies(1, 1, sequence) for sequence in (1, 2, 3, 4)] == [None, None, [3], [4]]
    assert at.apply(batch(2))[1] is Fate.FINISHED


def test_an_incarnation_that_has_ended_is_refused_for_ever() -> None:
    at = sessions()
    at.apply(batch(1, incarnation=5))
    assert at.apply(batch(1, incarnation=6))[1:] == (Fate.EXECUTED, [2])
    assert at.apply(batch(2, incarnation=5))[1:] == (Fate.OUTDATED, ())
    assert at.incarnation(1) == 6
    assert at.replies(1, 5, 1) is None


def test_members_number_their_batches_apart() -> None:
    at = sessions()
    at.apply(batch(1, origin=1))
    assert at.apply(batch(1, origin=2))[1:] == (Fate.EXECUTED, [2])
    assert at.apply(batch(2, origin=1))[1:] == (Fate.EXECUTED, [3])


def test_what_a_member_held_open_is_released_when_it_starts_again() -> None:
    at = sessions()
    at.apply(batch(1, [b"WATCH", b"7", b"k"]))
    at.apply(batch(1, [b"SET", b"k", b"v"], origin=2))
    at.apply(batch(1, [b"PING"], incarnation=2))
    # The same client number, but another client.
    reply = at.apply(batch(2, [b"EXEC", b"7", b"2", b"INCR", b"n"], incarnation=2))[2]
    assert reply == [[1]]


def test_sessions_and_replies_survive_a_snapshot() -> None:
    at, other = sessions(), sessions()
    commands = [[b"SET", b"k", b"v"], [b"GET", b"k"], [b"INCR", b"k"], [b"MGET", b"k", b"x"]]
    at.apply(batch(1, [b"WATCH", b"7", b"k"]))
    at.apply(batch(2, *commands, [b"EXEC", b"7", b"1", b"PING"]))
    other.restore(at.snapshot())
    assert other.digest() == at.digest()
    want = ["OK", b"v", Failure("ERR value is not an integer or out of range"), [b"v", None]]
    assert other.replies(1, 1, 2) == [*want, NULL_ARRAY]
    for each in (at, other):
        assert each.apply(batch(2))[1] is Fate.REPEATED
        assert each.apply(batch(3))[1:] == (Fate.EXECUTED, [1])
    assert other.digest() == at.digest()


def test_long_replies_do_not_travel_in_snapshots_but_their_batches_stay_executed() -> None:
    at, other = sessions(), sessions()
    at.apply(batch(1, [b"SET", b"k", bytes(50_000)], [b"MGET", b"k", b"k"], INCR))
    at.apply(batch(2, [b"GET", b"k"]))
    chunks = list(at.snapshot())
    assert len(chunks[0]) < 60_000
    other.restore(chunks)
    replies = other.replies(1, 1, 1)
    assert replies is not None
    assert {str(reply)[:17] for reply in replies} == {"Failure('UNKNOWN "}
    assert other.replies(1, 1, 2) == [bytes(50_000)]
    assert other.apply(batch(1))[1] is Fate.REPEATED
    assert other.digest() == at.digest()


@pytest.mark.parametrize("chunks", [[], [b""], [b"\x91\x90"], [b"\x91\x90", b"x"], [b"\xc1", b""]])
def test_what_is_no_snapshot_is_refused_and_changes_nothing(chunks: list[bytes]) -> None:
    at = sessions()
    at.apply(batch(1))
    before = at.digest()
    with pytest.raises(DecodeError):
        at.restore(chunks)
    assert at.digest() == before


@given(st.binary(max_size=40))
def test_bytes_that_are_no_batch_are_ignored(value: bytes) -> None:
    at = sessions()
    at.apply(batch(1))
    before = at.digest()
    fate = at.apply(value)[1]
    assert fate is not Fate.EXECUTED
    assert at.digest() == before or fate is Fate.FINISHED


def test_an_empty_command_makes_a_batch_malformed() -> None:
    assert sessions().apply(encode_batch(Batch(1, 1, 1, 1, 0, [[]])))[1] is Fate.MALFORMED


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8)), max_size=60))
def test_no_order_of_arrival_executes_a_batch_twice_or_two_in_the_wrong_order(
    arrivals: list[tuple[int, int, int]],
) -> None:
    at = sessions()
    executed = []
    for incarnation, sequence, finished in arrivals:
        value = batch(sequence, incarnation=incarnation, finished=min(finished, sequence))
        if at.apply(value)[1] is Fate.EXECUTED:
            executed.append((incarnation, sequence))
    assert all(earlier < later for earlier, later in pairwise(executed))
    assert counter(at) == (b"%d" % len(executed) if executed else None)
