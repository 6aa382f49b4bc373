"""The service batches, forwards, retries without repeating, and says what became of a command."""

from __future__ import annotations

import pytest
from fake_cluster import Client, Cluster
from hypothesis import given
from hypothesis import strategies as st

from comitia.machines.reply import OK, Failure
from comitia.machines.sessions import decode_batch
from comitia.serve import service as service_module
from comitia.serve.gathering import Gathered
from comitia.serve.service import MAX_IN_FLIGHT, NO_LEADER, UNKNOWN


@pytest.fixture(autouse=True)
def no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests call `tick` themselves, and what a batch waits for is not the machine's speed."""
    monkeypatch.setattr(service_module.Service, "_tick_later", lambda self: None)
    monkeypatch.setattr(service_module, "SOON_S", 0.0)


def digests(cluster: Cluster) -> set[bytes]:
    return {host.service.sessions.digest() for host in cluster.hosts.values()}


def test_all_commands_of_all_connections_of_one_turn_are_one_value() -> None:
    cluster = Cluster()
    clients = [Client(cluster.hosts[1]) for _ in range(5)]
    for client in clients:
        client.write("INCR n", "INCR n")
    cluster.run(1)
    assert [client.replies for client in clients] == [[n, n + 1] for n in range(1, 10, 2)]
    assert len(cluster.log) == 1


@given(st.lists(st.integers(1, 5), min_size=1), st.lists(st.integers(0, 9)))
def test_every_client_is_told_its_own_replies_however_they_come(
    counts: list[int], pieces: list[int]
) -> None:
    gathered, told = Gathered(), []
    for client, count in enumerate(counts):
        gathered.add([[b"PING"]] * count, 1, lambda some, c=client: told.append((c, list(some))))
    replies = [(client, n) for client, count in enumerate(counts) for n in range(count)]
    rest = replies
    for size in (*pieces, len(replies)):
        gathered.answer(rest[:size])
        rest = rest[size:]
        whole = sum(len(some) for _, some in told)
        assert whole <= len(replies) - len(rest) < whole + max(counts)
    assert told == [(c, [(c, n) for n in range(count)]) for c, count in enumerate(counts)]
    with pytest.raises(AssertionError, match="too many"):
        gathered.answer([OK])


def test_the_first_clients_of_a_batch_are_answered_before_the_last_command_is_executed() -> None:
    cluster = Cluster()
    host, seen = cluster.hosts[1], []
    for _ in range(20):
        host.service.write(
            [[b"INCR", b"n"]],
            1,
            lambda _: seen.append(host.service.sessions.machine.read([[b"GET", b"n"]])[0]),
        )
    cluster.run(1)
    assert len(cluster.log) == 1
    assert int(seen[0]) < int(seen[-1]) == 20


def test_any_member_takes_commands_and_all_reach_the_same_state() -> None:
    cluster = Cluster()
    clients = {id: Client(host) for id, host in cluster.hosts.items()}
    for id, client in clients.items():
        client.write(f"SET k{id} v{id}", "INCR n")
    cluster.run()
    assert {client.replies[0] for client in clients.values()} == {OK}  # type: ignore[type-var]
    assert sorted(client.replies[1] for client in clients.values()) == [1, 2, 3]  # type: ignore[type-var]
    assert len(digests(cluster)) == 1


def test_a_turn_with_much_to_say_makes_several_batches_in_order() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    for n in range(3):
        client.service.write([[b"SET", b"k", b"%d" % n]], 1 << 20, client.replies.extend)
    cluster.run()
    assert client.replies == [OK] * 3
    assert len(cluster.log) == 3
    client.read("GET k")
    cluster.run()
    assert client.replies[-1] == b"2"


def test_what_comes_while_a_quick_batch_is_under_way_shares_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_module, "SOON_S", 60.0)
    cluster = Cluster()
    clients = [Client(cluster.hosts[1]) for _ in range(3)]
    cluster.slow = []
    for client in clients:
        client.write("INCR n")
        cluster.run(1)
    assert len(cluster.slow) == 1
    cluster.log, cluster.slow = cluster.slow, None
    cluster.run(2)
    assert [client.replies for client in clients] == [[1], [2], [3]]
    assert len(cluster.log) == 2


@pytest.mark.parametrize("why", ["batches take long", "this one takes long"])
def test_nothing_waits_for_a_batch_that_is_not_answered_soon(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(service_module, "SOON_S", 60.0)
    cluster = Cluster()
    client = Client(cluster.hosts[1])
    cluster.slow = []
    client.write("INCR n")
    cluster.run(1)
    if why == "batches take long":
        client.service._pace_s = 61.0
    else:
        client.service._outgoing[0].sent_s -= 61.0
    client.write("INCR n")
    cluster.run(1)
    assert len(cluster.slow) == 2


# -- reads --


def test_all_reads_of_a_turn_share_one_question_and_leave_the_log_alone() -> None:
    cluster = Cluster()
    cluster.hosts[2].service.write([[b"SET", b"k", b"v"]], 1, lambda replies: None)
    cluster.run()
    clients = [Client(cluster.hosts[2]) for _ in range(3)]
    for client in clients:
        client.read("GET k", "GET none")
    host = cluster.hosts[2]
    host.service.before_turn()
    assert len(host.requests) == 1
    cluster.run()
    assert [client.replies for client in clients] == [[b"v", None]] * 3
    assert len(cluster.log) == 1


def test_a_read_waits_until_this_member_has_applied_what_the_answer_says() -> None:
    cluster = Cluster()
    slow, writer = cluster.hosts[3], Client(cluster.hosts[1])
    reader = Client(slow)
    writer.write("SET k new")
    cluster.hosts[1].turn()
    assert writer.replies == [OK]
    reader.read("GET k")
    slow.service.before_turn()
    slow.service.answered(slow.requests.popleft(), 1)  # type: ignore[arg-type]
    slow.service.after_turn()
    assert reader.replies == []
    slow.turn()
    assert reader.replies == [b"new"]


def test_a_stale_read_asks_nobody() -> None:
    cluster = Cluster(reads="stale")
    cluster.leader = None
    reader = Client(cluster.hosts[3])
    reader.read("GET k")
    cluster.hosts[3].turn()
    assert reader.replies == [None]


def test_a_question_without_an_answer_is_asked_again() -> None:
    cluster = Cluster()
    cluster.mute = True
    reader = Client(cluster.hosts[2])
    reader.read("GET k")
    cluster.run()
    cluster.mute = False
    cluster.later(500)
    assert reader.replies == []
    cluster.later(600)
    assert reader.replies == [None]


def test_a_read_that_nobody_answers_fails_and_says_so() -> None:
    cluster = Cluster()
    cluster.leader = None
    reader = Client(cluster.hosts[2])
    reader.read("GET k", "GET j")
    for _ in range(60):
        cluster.later(100)
    assert reader.replies == [NO_LEADER, NO_LEADER]


def test_a_read_sees_a_key_expire_by_the_members_clock_through_the_log() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[1])
    client.write("SET k v PX 100")
    cluster.run()
    for host in cluster.hosts.values():
        reader = Client(host)
        reader.read("GET k")
        cluster.run()
        assert reader.replies == [b"v"]
    entries = len(cluster.log)
    cluster.now_ms += 100
    reader = Client(cluster.hosts[2])
    reader.read("GET k")
    cluster.run()
    assert reader.replies == [None]
    assert len(cluster.log) == entries + 1
    reader.read("GET k")
    cluster.run()
    assert len(cluster.log) == entries + 1
    assert len(digests(cluster)) == 1


def test_a_stale_read_waits_for_nothing_but_has_the_time_moved_for_the_next() -> None:
    cluster = Cluster(reads="stale")
    client = Client(cluster.hosts[2])
    client.write("SET k v PX 100")
    cluster.run()
    cluster.now_ms += 100
    cluster.leader = None
    for _ in range(2):
        client.read("GET k")
        cluster.hosts[2].turn()
    assert client.replies[1:] == [b"v", b"v"]
    cluster.leader = 1
    cluster.run()
    assert len(cluster.log) == 2
    client.read("GET k")
    cluster.run()
    assert client.replies[3:] == [None]


def test_a_full_disk_does_not_fail_reads_because_a_key_is_due() -> None:
    cluster = Cluster()
    client, host = Client(cluster.hosts[2]), cluster.hosts[2]
    client.write("SET k v PX 100")
    cluster.run()
    cluster.now_ms += 100
    host.service.write_refused("the disk is full")
    client.read("GET k")
    cluster.run()
    assert client.replies[1:] == [b"v"]


# -- failures --


def test_a_batch_lost_with_its_leader_is_sent_again_to_the_next_one() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    client.write("INCR n")
    cluster.losing = True
    cluster.run()
    cluster.losing, cluster.leader = False, 3
    cluster.run()
    assert client.replies == [1]


def test_a_batch_that_was_not_lost_but_sent_again_takes_effect_once() -> None:
    cluster = Cluster()
    client, host = Client(cluster.hosts[2]), cluster.hosts[2]
    client.write("INCR n")
    host.service.before_turn()
    cluster.deliver()
    one = cluster.hosts[1]
    one.service.before_turn()
    cluster.decide(one, one.requests.popleft())  # in the log, but nobody has applied it
    cluster.leader = 3
    host.service.before_turn()  # sends it again
    cluster.run()
    assert client.replies == [1]
    assert len(cluster.log) == 2
    client.read("GET n")
    cluster.run()
    assert client.replies == [1, b"1"]
    assert len(digests(cluster)) == 1


def test_batches_that_overtake_a_lost_one_wait_for_it() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    client.write("SET k 1")
    cluster.losing = True
    cluster.run()
    cluster.losing = False
    client.write("SET k 2")
    cluster.run()
    assert client.replies == [OK, OK]
    client.read("GET k")
    cluster.run()
    assert client.replies[-1] == b"2"


def test_a_slow_cluster_is_not_made_slower_by_repetition() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    cluster.slow = []
    for _ in range(20):
        client.write("INCR n")
        cluster.run(1)
    for _ in range(40):
        cluster.later(100)
    assert client.replies == []
    assert len(cluster.slow) <= 23
    cluster.log, cluster.slow = cluster.slow, None
    cluster.run()
    assert client.replies == list(range(1, 21))


def test_batches_lost_together_are_all_brought_forth_by_the_first() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    cluster.losing = True
    for _ in range(8):
        client.write("INCR n")
        cluster.run(1)
    cluster.losing = False
    for _ in range(25):
        cluster.later(100)
    assert client.replies == list(range(1, 9))


def test_a_refused_batch_is_tried_again_and_given_up_as_certainly_not_executed() -> None:
    for origin in (1, 2):
        cluster = Cluster()
        client = Client(cluster.hosts[origin])
        client.write("INCR n")
        cluster.refusing = True
        for _ in range(60):
            cluster.later(100)
        assert client.replies == [NO_LEADER]
        cluster.refusing = False
        client.write("INCR n")
        cluster.run()
        assert client.replies == [NO_LEADER, 1]


def test_without_a_leader_a_command_is_certainly_not_executed() -> None:
    cluster = Cluster()
    cluster.leader = None
    client = Client(cluster.hosts[2])
    client.write("INCR n")
    cluster.run()
    for _ in range(60):
        cluster.later(100)
    assert client.replies == [NO_LEADER]
    cluster.leader = 1
    cluster.run()
    assert cluster.log == []


def test_a_batch_without_an_answer_has_an_unknown_outcome_and_is_not_executed_twice() -> None:
    cluster = Cluster()
    cluster.losing = True
    client = Client(cluster.hosts[2])
    client.write("INCR n", "INCR n")
    for _ in range(60):
        cluster.later(100)
    assert client.replies == [UNKNOWN, UNKNOWN]
    cluster.losing = False
    client.write("INCR n")
    cluster.run()
    assert client.replies[2:] == [1]


def test_what_comes_after_a_batch_given_up_goes_on() -> None:
    cluster = Cluster()
    cluster.losing = True
    client = Client(cluster.hosts[2])
    client.write("SET a 1")
    for _ in range(40):
        cluster.later(100)
    client.write("SET b 1")
    cluster.losing = False
    cluster.mute = True
    for _ in range(12):
        cluster.later(100)
    assert client.replies[0] in (OK, UNKNOWN)
    assert client.replies[1:] == [OK]


def test_replies_are_found_in_a_snapshot_when_the_log_is_gone() -> None:
    cluster = Cluster()
    client, lagging = Client(cluster.hosts[3]), cluster.hosts[3]
    client.write("INCR n", "GET n")
    lagging.service.before_turn()
    cluster.deliver()
    cluster.hosts[1].turn()
    assert client.replies == []
    lagging.service.restore(cluster.hosts[1].service.snapshot())
    lagging.applied = 1
    assert client.replies == [1, b"1"]


def test_a_member_that_starts_again_is_not_taken_for_its_former_self() -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    client.write("INCR n")
    cluster.run()
    again = Cluster()
    again.log = cluster.log  # at the same moment: its clock was set back
    again.run()
    client = Client(again.hosts[2])
    client.write("INCR n")
    client.write("INCR n")
    again.run()
    assert client.replies == [2, 3]
    assert len(digests(again)) == 1


def test_a_cluster_that_begins_with_the_state_of_another_serves_whatever_its_clocks_say() -> None:
    old = Cluster()
    client = Client(old.hosts[2])
    client.write("INCR n", "SET long x PX 100000", "SET short x PX 1000")
    old.run()
    for ahead_ms in (-500_000, 50_000):  # by its clocks, before the backup; after it
        new = Cluster()
        new.now_ms = old.now_ms + ahead_ms
        for host in new.hosts.values():
            host.service.restore(old.hosts[1].service.snapshot())
        client = Client(new.hosts[2])
        client.write("INCR n")
        client.write("INCR n")
        new.run()
        client.read("GET long", "GET short")
        new.run()
        assert client.replies == [2, 3, b"x", None if ahead_ms > 0 else b"x"]
        assert len(digests(new)) == 1


def test_a_member_whose_clock_was_set_back_before_it_heard_of_its_past_numbers_anew() -> None:
    cluster = Cluster()
    old = Client(cluster.hosts[2])
    old.write("INCR n")
    cluster.run()
    again = Cluster()
    again.now_ms = cluster.now_ms - 50_000
    client, host = Client(again.hosts[2]), again.hosts[2]
    client.write("INCR n")
    host.service.before_turn()  # numbered before the log arrives
    again.log = cluster.log
    again.run()
    assert client.replies == [2]


def test_a_full_disk_refuses_writes_at_once_and_serves_reads() -> None:
    cluster = Cluster()
    client, host = Client(cluster.hosts[2]), cluster.hosts[2]
    host.service.write_refused("the disk is full")
    client.write("SET k v")
    host.service.after_turn()  # the host may not begin turns any more
    assert client.replies == [Failure("MISCONF not executed: the disk is full")]
    client.read("GET k")
    cluster.run()
    assert client.replies[1:] == [None]
    host.service.write_refused(None)
    client.write("SET k v")
    cluster.run()
    assert client.replies[2:] == [OK]


def test_memory_in_flight_is_counted_and_room_is_announced() -> None:
    cluster = Cluster()
    client, room = Client(cluster.hosts[1]), []
    client.service.on_room(lambda: room.append(True))
    for _ in range(3):
        client.service.write([[b"SET", b"k", b"v"]], MAX_IN_FLIGHT // 2, client.replies.extend)
    assert client.service.full
    cluster.run()
    assert not client.service.full
    assert room == [True]
    assert client.service.facts()["bytes_in_flight"] == 0


@pytest.mark.parametrize("payload", [b"", b"R", b"Rgarbage", b"X", b"R\x92\x01\x01"])
def test_what_another_version_says_does_no_harm(payload: bytes) -> None:
    cluster = Cluster()
    cluster.hosts[2].service.application_message(1, payload)
    cluster.hosts[2].service.application_message(1, b"Fgarbage")
    cluster.leader = 2
    cluster.run()
    client = Client(cluster.hosts[2])
    client.write("INCR n")
    cluster.run()
    assert client.replies == [1]
    assert decode_batch(b"garbage") is None


WORDS = "write write write run lose keep refuse accept lead1 lead2 lead3 none tick"
STEPS = st.lists(st.sampled_from(WORDS.split()), max_size=60)


@given(STEPS)
def test_whatever_happens_each_command_takes_effect_once_or_not_at_all_as_was_said(
    steps: list[str],
) -> None:
    cluster = Cluster()
    client = Client(cluster.hosts[2])
    written = 0
    for step in steps:
        match step:
            case "write":
                client.write(f"APPEND log [{written}]")
                written += 1
            case "run":
                cluster.run(1)
            case "lose" | "keep":
                cluster.losing = step == "lose"
            case "refuse" | "accept":
                cluster.refusing = step == "refuse"
            case "none":
                cluster.leader = None
            case "tick":
                cluster.later(1100)
            case _:
                cluster.leader = int(step[4:])
    cluster.losing = cluster.refusing = False
    cluster.leader = 1
    for _ in range(80):
        cluster.later(100)
    assert len(client.replies) == written
    client.read("GET log")
    cluster.run()
    log = client.replies.pop()
    held = [] if log is None else [int(n) for n in log.decode()[1:-1].split("][")]  # type: ignore[union-attr]
    assert held == sorted(set(held))  # in order, and none twice
    for number, reply in enumerate(client.replies):
        if isinstance(reply, int):
            assert number in held
        elif reply == NO_LEADER:
            assert number not in held
        else:
            assert reply == UNKNOWN
    assert len(digests(cluster)) == 1
