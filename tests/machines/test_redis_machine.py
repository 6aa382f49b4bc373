"""The Redis machine is deterministic, takes its time from the log, and is copied while it works."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.kernel import DecodeError
from comitia.machines.redis import DATA, Redis
from comitia.machines.redis.glob import matcher
from comitia.machines.redis.keyspace import REMOVALS
from comitia.machines.reply import NULL_ARRAY, OK, Failure, Reply


def call(machine: Redis, line: str, time_ms: int = 0, origin: int = 1) -> Reply:
    return machine.apply([line.encode().split()], time_ms, origin)[0]


def fill(machine: Redis, count: int) -> None:
    machine.apply([[b"SET", b"key%d" % n, b"value%d" % n] for n in range(count)])


def test_replies_are_told_while_the_rest_of_the_batch_is_still_to_be_executed() -> None:
    machine, told = Redis(), []
    counter = [[b"GET", b"n"]]
    replies = machine.apply(
        [[b"INCR", b"n"]] * 50,
        told=lambda some: told.append((*some, machine.read(counter)[0])),
    )
    assert [reply for *some, _ in told for reply in some] == replies == list(range(1, 51))
    assert [b"%d" % some[-1] for *some, _ in told] == [n for *_, n in told]
    assert len(told) > 1


# -- time --


def test_a_key_expires_when_a_batch_moves_the_time_past_its_deadline() -> None:
    machine = Redis()
    call(machine, "SET k v PX 100", 1000)
    assert call(machine, "GET k", 1099) == b"v"
    assert not machine.due(1099)
    assert machine.due(1100)
    assert machine.read([[b"GET", b"k"]], 5000) == [b"v"]  # a read moves nothing
    assert call(machine, "GET k", 1100) is None
    assert call(machine, "DBSIZE", 1100) == 0
    assert not machine.due(10**15)


def test_time_never_goes_back() -> None:
    machine = Redis()
    call(machine, "SET k v PX 100", 5000)
    call(machine, "PING", 5100)
    assert call(machine, "SET j v PX 100", 1) == OK
    assert call(machine, "PEXPIRETIME j", 1) == 5200
    assert call(machine, "GET k", 1) is None


def test_a_read_counts_down_from_the_readers_clock() -> None:
    machine = Redis()
    call(machine, "SET k v PX 1000", 1000)
    assert machine.read([[b"PTTL", b"k"]], 1600) == [400]
    assert machine.read([[b"PTTL", b"k"]], 10) == [1000]


def test_one_batch_removes_a_bounded_number_of_keys_and_shows_none_of_the_others() -> None:
    machine = Redis()
    names = [b"k%d" % n for n in range(3 * REMOVALS)]
    machine.apply([[b"SET", name, b"v", b"PX", b"10"] for name in names], 1000)
    assert call(machine, "DBSIZE", 2000) == 2 * REMOVALS  # not yet removed, as in Redis
    assert machine.read([[b"EXISTS", *names], [b"KEYS", b"*"]]) == [0, []]
    assert machine.due(2000)
    call(machine, "PING", 2000)
    call(machine, "PING", 2000)
    assert call(machine, "DBSIZE", 2000) == 0
    assert not machine.due(2000)


@pytest.mark.parametrize(
    ("line", "ttl"),
    [("INCR k", -1), ("APPEND k 1", -1), ("SETRANGE k 0 1", -1), ("SET k 1 KEEPTTL", -1)],
)
def test_a_key_born_again_does_not_inherit_the_deadline_of_the_dead_one(
    line: str, ttl: int
) -> None:
    machine = Redis()
    names = [b"k%d" % n for n in range(REMOVALS)]
    machine.apply([[b"SET", name, b"v", b"PX", b"5"] for name in names], 1000)
    call(machine, "SET k 5 PX 10", 1000)
    call(machine, line, 2000)  # the removals of this batch did not come to k
    assert call(machine, "TTL k", 2000) == ttl


# -- equal replicas --

LINES = """
    SET a 1|SET b 2 PX 50|INCR a|DEL b|APPEND c x|EXPIRE a 1|PERSIST a|RENAME a b|FLUSHALL
    WATCH 1 a|WATCH 2 b c|UNWATCH 1|EXEC 1 2 INCR a|EXEC 2 3 SET c 5|GETDEL c|MSET a 1 d 2
    SET e 1 PX 1|COPY a e REPLACE|INCRBYFLOAT d 0.1|nonsense 1|SET|EXEC 3 9 x
"""
COMMAND = st.sampled_from(
    [line.encode().split() for line in LINES.strip().replace("\n", "|").split("|")]
)
BATCHES = st.lists(
    st.tuples(st.lists(COMMAND, max_size=6), st.integers(0, 300), st.integers(1, 2)), max_size=12
)


@given(BATCHES, BATCHES)
@settings(max_examples=40)
def test_a_restored_replica_equals_and_stays_equal(
    before: list[tuple[list[list[bytes]], int, int]],
    after: list[tuple[list[list[bytes]], int, int]],
) -> None:
    one, two, restored = Redis(), Redis(), Redis()
    for batch in before:
        assert one.apply(*batch) == two.apply(*batch)
    chunks = one.snapshot()
    head = next(chunks)
    for batch in after:  # while the snapshot is under way
        one.apply(*batch)
    fill(restored, 3)
    restored.restore([head, *chunks])
    assert restored.digest() == two.digest()
    for batch in after:
        assert restored.apply(*batch) == two.apply(*batch)
    assert restored.digest() == two.digest() == one.digest()


def test_the_digest_tells_any_two_states_apart() -> None:
    lines = ["", "SET a 1", "SET a 2", "SET b 1", "SET a 1 PX 9", "WATCH 1 a", "WATCH 2 a"]
    digests = set()
    for line in lines:
        machine = Redis()
        if line:
            call(machine, line)
        digests.add(machine.digest())
    later = Redis()
    later.apply([], 5)
    digests.add(later.digest())
    assert len(digests) == len(lines) + 1


def test_replies_and_digest_do_not_depend_on_the_hash_seed() -> None:
    program = """
from comitia.machines.redis import Redis
m = Redis()
m.apply([[b"SET", b"k%d" % n, b"v", b"PX", b"%d" % (n % 7 + 1)] for n in range(999)], 1, 1)
m.apply([[b"WATCH", b"1", *(b"k%d" % n for n in range(50))], [b"FLUSHALL"]], 2, 1)
m.apply([[b"MSET"] + [b"j%d" % n for n in range(100)]], 3, 2)
print(m.digest().hex(), m.apply([[b"KEYS", b"*"], [b"SCAN", b"0"], [b"RANDOMKEY"]], 4, 1))
"""
    said = set()
    for seed in ("0", "1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        said.add(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    assert len(said) == 1


def test_a_snapshot_comes_in_many_chunks_and_values_of_any_size_fit() -> None:
    machine, copy = Redis(), Redis()
    fill(machine, 5000)
    machine.apply([[b"SET", b"big%d" % n, bytes(700_000)] for n in range(9)])
    chunks = list(machine.snapshot())
    assert len(chunks) > 1000
    assert max(map(len, chunks)) < 2_500_000
    copy.restore(chunks)
    assert copy.digest() == machine.digest()


def test_the_garbage_collector_passes_over_the_keys_before_and_after_they_are_copied() -> None:
    machine = Redis()
    keys = [b"%d" % n for n in range(5000)]
    machine.apply([[b"SET", key, b"v"] for key in keys])
    machine.apply([[b"EXPIRE", key, b"100"] for key in keys[::7]])
    chunks = machine.snapshot()
    next(chunks)
    machine.apply([[b"SET", key, b"w"] for key in keys])
    assert not any(map(gc.is_tracked, machine._db._shards))


def test_a_snapshot_given_up_or_followed_by_another_does_no_harm() -> None:
    machine, copy = Redis(), Redis()
    fill(machine, 100)
    abandoned = machine.snapshot()
    next(abandoned)
    next(abandoned)
    call(machine, "SET key1 other")
    second = machine.snapshot()
    before = machine.digest()
    call(machine, "SET key2 other")
    abandoned.close()  # type: ignore[attr-defined]
    call(machine, "SET key3 other")
    copy.restore(second)
    assert copy.digest() == before


@pytest.mark.parametrize("chunks", [[], [b"\xc0"], [b"\x93\xa5other\x00\x90"], [b"", b"\x92"]])
def test_what_is_no_snapshot_of_redis_is_refused(chunks: Sequence[bytes]) -> None:
    machine = Redis()
    fill(machine, 3)
    before = machine.digest()
    with pytest.raises(DecodeError):
        machine.restore(chunks)
    assert machine.digest() == before


# -- scanning and patterns --


def test_scan_meets_every_key_that_stays_exactly_once() -> None:
    machine = Redis()
    fill(machine, 3000)
    met: list[bytes] = []
    cursor, rounds = b"0", 0
    while rounds == 0 or cursor != b"0":
        machine.apply([[b"SET", b"new%d" % rounds, b""], [b"DEL", b"new%d" % (rounds - 1)]])
        cursor, keys = machine.read([[b"SCAN", cursor, b"COUNT", b"100", b"MATCH", b"key*"]])[0]  # type: ignore[misc]
        met += keys
        rounds += 1
    assert sorted(met) == sorted(b"key%d" % n for n in range(3000))
    assert 20 < rounds < 40


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("h?llo", "hello", True),
        ("h*llo", "heeeello", True),
        ("h*llo", "heeeell", False),
        ("h[ae]llo", "hallo", True),
        ("h[^e]llo", "hello", False),
        ("h[b-a]llo", "hallo", True),
        ("h[a-", "hb", False),
        ("h[abc", "hb", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("a.c", "abc", False),
        ("a\\", "a\\", True),
        ("[]", "x", False),
        ("[^]", "x", True),
        ("*a*b*", "xaxxbx", True),
        ("**", "", True),
        ("", "", True),
        ("", "x", False),
        ("*\n", "x\n", True),
        ("[\\]]", "]", True),
    ],
)
def test_patterns_mean_what_they_mean_in_redis(pattern: str, key: str, fits: bool) -> None:
    assert bool(matcher(pattern.encode())(key.encode())) is fits


def test_a_pattern_of_many_stars_is_not_a_trap() -> None:
    assert not matcher(b"*a" * 30 + b"*b")(b"a" * 20000)


# -- transactions --


@pytest.mark.parametrize(
    ("change", "aborts"),
    [
        ("SET k 2", True),
        ("DEL k", True),
        ("EXPIRE k 10", True),
        ("FLUSHALL", True),
        ("RENAME k j", True),
        ("SET j 1", False),
        ("DEL none", False),
        ("GET k", False),
        ("PERSIST k", False),
    ],
)
def test_a_transaction_fails_exactly_when_a_watched_key_was_touched(
    change: str, aborts: bool
) -> None:
    machine = Redis()
    call(machine, "SET k 1")
    call(machine, "WATCH 5 k")
    call(machine, change)
    reply = call(machine, "EXEC 5 2 INCR n 2 GET n")
    assert reply == (NULL_ARRAY if aborts else [1, b"1"])
    assert call(machine, "EXEC 5 2 INCR n") == [1 if aborts else 2]  # it watches no longer


def test_a_watched_key_that_expires_makes_the_transaction_fail() -> None:
    machine = Redis()
    call(machine, "SET k 1 PX 10", 1000)
    call(machine, "WATCH 5 k", 1000)
    assert call(machine, "EXEC 5 2 INCR n", 1010) == NULL_ARRAY


def test_a_key_that_had_expired_before_it_was_watched_does_not_count_as_changed() -> None:
    machine = Redis()
    names = [b"k%d" % n for n in range(REMOVALS + 1)]
    machine.apply([[b"SET", name, b"v", b"PX", b"5"] for name in names], 1000, 1)
    machine.apply([[b"WATCH", b"5", *names]], 2000, 1)
    assert call(machine, "EXEC 5 2 INCR n", 3000) == [1]


def test_clients_of_the_same_number_at_two_members_are_two() -> None:
    machine = Redis()
    call(machine, "WATCH 5 k", origin=1)
    call(machine, "SET k 1", origin=2)
    assert call(machine, "EXEC 5 2 INCR n", origin=2) == [1]
    assert call(machine, "EXEC 5 2 INCR n", origin=1) == NULL_ARRAY


def test_an_error_in_a_transaction_does_not_stop_the_rest() -> None:
    machine = Redis()
    call(machine, "SET s x")
    reply = call(machine, "EXEC 1 2 INCR s 2 INCR n 1 GET 2 EXEC 1")
    assert isinstance(reply, list)
    assert [type(each) for each in reply] == [Failure, int, Failure, Failure]


@given(
    st.sampled_from([command.name.encode() for command in DATA]),
    st.lists(st.binary(max_size=5) | st.integers().map(lambda n: b"%d" % n), max_size=6),
)
def test_no_arguments_whatever_stop_a_replica(name: bytes, args: list[bytes]) -> None:
    machine = Redis()
    call(machine, "SET k v")
    machine.apply([[name, *args], [name, b"k", *args]], 5, 1)
    assert call(machine, "GET x") is None
