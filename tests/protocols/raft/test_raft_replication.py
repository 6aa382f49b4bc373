"""Sections 3.5, 3.6 and 10.2: how logs become equal, and what is committed."""

from __future__ import annotations

from raft_world import World

from comitia.kernel import Log, Propose
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    Entry,
)
from comitia.protocols.raft.progress import PROBE, REPLICATE
from comitia.protocols.raft.replication import last_at_most


def led(size: int = 3, **options: object) -> World:
    world = World(size, **options)
    world.stand(1)
    return world


def test_an_entry_is_committed_when_a_majority_has_it_on_disk() -> None:
    world = led(5)
    world.isolate(4, 5)
    world.propose(1, "a", settle=False)
    world.lose(AppendEntries, to=3)
    world.settle()
    assert world.values(1) == []
    world.beat(1)
    world.beat(1)
    assert world.values(1) == ["a"]
    assert world.values(4) == []


def test_the_leader_counts_itself_only_when_its_own_disk_has_the_entry() -> None:
    world = led()
    world.propose(1, "a", settle=False)
    (own,) = world.lose(AppendEntriesResponse, to=1)
    assert own[0] == 1
    world.lose(AppendEntries, to=3)
    world.settle()
    assert world.values(1) == []
    world.deliver(own)
    assert world.values(1) == ["a"]


def test_an_acknowledgement_waits_for_the_disk() -> None:
    world = led()
    world.propose(1, "a")
    assert all(isinstance(message, AppendEntries) for message in world.early)


def test_only_entries_of_the_current_term_are_committed_by_counting() -> None:
    """Figure 3.7 (figure 8 of the paper): an older entry on a majority can still be replaced."""
    world = led(5)
    world.isolate(1, 2)
    world.propose(1, "two")  # an entry of term 1, on n1 and n2 only
    world.heal()
    for id in (1, 2, 3, 4, 5):
        world.expire(id)
    world.expire(1)
    world.fire(2, "election", settle=False)
    leader = world.nodes[2]
    while leader.role != "leader":
        world.deliver(world.flying[0])
    world.lose(AppendEntries)
    assert [entry.term for entry in leader.log][1:] == [1, 1, 2]
    for voter in (1, 2, 3):  # the old entry is on a majority, the leader's own is not
        world.deliver((voter, 2, AppendEntriesResponse(2, 2, 1)))
    assert [leader.progress[voter].match_index for voter in (1, 2, 3)] == [2, 2, 2]
    assert leader.commit_index == 1
    world.beat(2)  # (e) its own entry brings the old one with it
    world.settle()
    assert world.values(2) == ["two"]


def test_an_acknowledgement_of_another_term_commits_nothing() -> None:
    world = led()
    world.isolate(1)
    world.propose(1, "a", settle=False)
    world.settle()
    world.deliver((2, 1, AppendEntriesResponse(0, 2, 9)))
    assert world.nodes[1].commit_index == 1
    assert world.nodes[1].progress[2].match_index == 1


def test_an_acknowledgement_speaks_for_what_it_names_not_for_the_whole_log() -> None:
    """n3 has an entry of a dead leader behind what it acknowledges."""
    world = led()
    world.propose(1, "a", settle=False)
    world.lose()  # n1 has it, nobody else
    world.crash(1)
    world.overtake(2)
    world.start(1)
    assert world.terms(1) == [1, 1]
    heartbeat = AppendEntries(2, 1, 1, (), 1, 99)
    world.deliver((2, 1, heartbeat))
    ((_, _, answer),) = world.find(AppendEntriesResponse, src=1)
    assert answer.match_index == 1


def test_a_duplicate_append_entries_never_truncates_a_matching_suffix() -> None:
    world = led()
    world.propose(1, "a", settle=False)
    (first,) = world.find(AppendEntries, to=2)
    world.settle()
    world.propose(1, "b")
    world.propose(1, "c")
    before = world.nodes[2].log
    world.deliver(first)
    assert world.nodes[2].log == before
    ((_, _, answer),) = world.find(AppendEntriesResponse, src=2)
    assert answer.match_index == 2  # what this message proves, no more


def test_append_entries_out_of_order_leave_the_same_log() -> None:
    world = led()
    for value in "abc":
        world.propose(1, value, settle=False)
    late = world.find(AppendEntries, to=2)
    assert len(late) == 3
    world.deliver(*reversed(late))
    world.settle()
    world.beat(1)
    assert world.values(2) == ["a", "b", "c"]


def test_a_follower_whose_previous_entry_is_of_another_term_refuses() -> None:
    world = led()
    world.isolate(1)
    for value in "xy":
        world.propose(1, value)
    before = world.nodes[1].log
    world.heal()
    world.deliver((2, 1, AppendEntries(2, 3, 2, (Entry(2, b"a"),), 4, 1)))
    assert world.nodes[1].log == before
    ((_, _, answer),) = world.find(AppendEntriesConflict, src=1)
    assert (answer.hint_index, answer.hint_term) == (3, 1)


def test_a_conflicting_suffix_is_replaced() -> None:
    world = led()
    world.isolate(1)
    for value in "xyz":
        world.propose(1, value)
    world.overtake(2)
    world.propose(2, "a")
    world.heal()
    world.beat(2)
    assert world.terms(1) == world.terms(2) == [1, 2, 2]
    assert world.values(1) == ["a"]


def test_the_commit_index_of_a_follower_never_passes_what_the_message_proves_equal() -> None:
    """Behind what matches there may be entries of another leader."""
    world = led()
    world.isolate(1)
    for value in "xy":
        world.propose(1, value)
    world.overtake(2)
    for value in "abc":
        world.propose(2, value)
    world.beat(2)
    assert world.terms(1) == [1, 1, 1]
    commit = world.nodes[2].commit_index
    assert commit > 3
    world.deliver((2, 1, AppendEntries(2, 1, 1, (), commit, 99)))
    assert world.nodes[1].commit_index == 1


def test_committed_news_reach_followers_without_waiting_for_a_heartbeat() -> None:
    world = led()
    world.propose(1, "a")
    assert "heartbeat" in world.timers[1]
    assert world.values(3) == ["a"]


def test_news_of_the_commit_index_alone_are_not_answered() -> None:
    world = led()
    world.propose(1, "a", settle=False)
    while world.nodes[1].commit_index < 2:
        world.deliver(world.flying[0])
    world.lose(AppendEntriesResponse)
    (news,) = world.find(AppendEntries, to=2)
    assert news[2].entries == ()
    world.deliver(news)
    assert world.values(2) == ["a"]
    assert world.find(AppendEntriesResponse) == []


def test_everything_proposed_in_one_turn_leaves_in_one_message_a_follower() -> None:
    world = led()
    node, port = world.nodes[1], world.ports[1]

    def turn(out: object) -> None:
        for value in (b"a", b"b", b"c"):
            node.on_request(Propose(value), port)

    world.step(1, turn)
    assert [(f[1], len(f[2].entries)) for f in world.find(AppendEntries)] == [(2, 3), (3, 3)]


def test_entries_are_pipelined_ahead_of_their_acknowledgements() -> None:
    world = led()
    for value in "abcd":
        world.propose(1, value, settle=False)
    assert [f[2].prev_log_index for f in world.find(AppendEntries, to=2)] == [1, 2, 3, 4]


def test_the_window_bounds_messages_under_way_to_a_follower() -> None:
    world = led(max_inflight=2)
    for value in "abcd":
        world.propose(1, value, settle=False)
    assert len(world.find(AppendEntries, to=2)) == 2
    world.settle()
    assert world.values(2) == ["a", "b", "c", "d"]


def test_the_window_bounds_bytes_under_way_to_a_follower() -> None:
    world = led(max_inflight_bytes=10)
    for value in ("x" * 8, "y" * 8, "z" * 8):
        world.propose(1, value, settle=False)
    assert [len(f[2].entries) for f in world.find(AppendEntries, to=2)] == [1, 1]
    world.settle()
    assert len(world.values(2)) == 3


def test_one_message_carries_at_most_its_bytes_but_always_one_entry() -> None:
    world = led(max_append_bytes=10)
    world.isolate(2)
    for value in ("x" * 20, "y" * 4, "z" * 4, "u" * 4):
        world.propose(1, value)
    world.heal()
    world.beat(1)
    world.beat(1)
    assert world.values(2) == world.values(1)
    world.propose(1, "w" * 30)
    assert world.values(2)[-1] == "w" * 30


def test_lost_entries_are_sent_again_after_the_next_heartbeat() -> None:
    world = led()
    for value in "ab":
        world.propose(1, value, settle=False)
    world.lose(AppendEntries, to=2)
    world.cut = {(1, 2)}
    world.settle()
    assert world.values(2) == []
    world.heal()
    world.beat(1)
    assert world.values(2) == ["a", "b"]
    assert world.nodes[1].progress[2].state == REPLICATE


def test_a_full_window_of_lost_entries_does_not_stop_replication() -> None:
    world = led(max_inflight=1)
    world.propose(1, "a", settle=False)
    world.lose(AppendEntries, to=2)
    world.propose(1, "b")
    world.beat(1)
    assert world.values(2) == ["a", "b"]


def test_a_stale_conflict_does_not_move_a_follower_back() -> None:
    world = led()
    world.propose(1, "a", settle=False)
    lost = world.lose(AppendEntries, to=2)
    world.fire(1, "heartbeat", settle=False)
    world.deliver(*world.find(AppendEntries, to=2))
    (conflict,) = world.find(AppendEntriesConflict, to=1)
    world.settle()
    before = world.nodes[1].progress[2]
    assert before.match_index == 2
    world.deliver(conflict, *lost)
    assert world.nodes[1].progress[2].next_index == before.next_index
    assert world.nodes[1].progress[2].state == REPLICATE


def test_a_probe_sends_one_message_until_it_is_answered() -> None:
    world = led()
    world.isolate(2)
    world.propose(1, "a")
    world.heal()
    world.fire(1, "heartbeat", settle=False)
    world.deliver(*world.find(AppendEntries, to=2))
    world.deliver(*world.find(AppendEntriesConflict, src=2))
    assert world.nodes[1].progress[2].state == PROBE
    assert len(world.find(AppendEntries, to=2)) == 1
    world.propose(1, "b", settle=False)
    assert len(world.find(AppendEntries, to=2)) == 1


def test_back_off_skips_whole_terms_not_single_entries() -> None:
    """n3 has 50 entries of a dead leader's term: a handful of messages, not 50."""
    world = led()
    world.isolate(3, 1)
    world.cut |= {(1, 3), (3, 1)}
    for value in range(50):
        world.propose(1, f"dead {value}")
    world.expire(2)
    world.cut = {(1, 2), (2, 1), (1, 3), (3, 1)}
    world.expire(3)
    world.fire(2, "election")
    for value in range(50):
        world.propose(2, f"new {value}")
    world.heal()
    world.fire(2, "heartbeat", settle=False)
    messages = 0
    while world.flying:
        messages += bool(world.flying[0][0] == 2 and world.flying[0][1] == 1)
        world.deliver(world.flying[0])
    assert messages <= 6
    assert world.terms(1) == world.terms(2)


def test_last_at_most_finds_the_place_where_terms_still_agree() -> None:
    log = Log([Entry(term) for term in (0, 1, 1, 3, 3, 3, 5)], first=0)
    assert [last_at_most(log, 6, term) for term in range(7)] == [0, 2, 2, 5, 5, 6, 6]
    assert last_at_most(log, 4, 9) == 4
    assert last_at_most(log, 4, 2) == 2
    assert last_at_most(log, 99, 9) == 6


def test_the_leader_refuses_more_than_it_may_hold_uncommitted() -> None:
    world = led(max_uncommitted=3)
    world.isolate(1)
    for value in "abcd":
        world.propose(1, value)
    assert [reason for _, _, reason in world.refusals] == ["too many entries are not committed yet"]


def test_an_empty_value_is_refused_since_it_is_the_no_ops() -> None:
    world = led()
    world.propose(1, "")
    assert [reason for _, _, reason in world.refusals] == ["an empty value says nothing"]


def test_what_a_deposed_leader_had_not_committed_is_unknown_not_refused() -> None:
    """It may be gone, or committed by another leader: to refuse it would say that it has no effect.

    n2 has the one and not the other.
    """
    world = led()
    world.propose(1, "kept", settle=False)
    world.deliver(*world.find(AppendEntries, to=2))
    world.isolate(1)
    world.propose(1, "gone")
    world.overtake(2)
    world.heal()
    world.beat(2)
    assert world.leaders() == [2]
    assert [world.values(id) for id in world.voters] == [["kept"]] * 3
    assert (world.answers, world.refusals) == ([], [])


def test_a_follower_that_was_away_for_long_catches_up() -> None:
    world = led(max_append_bytes=100)
    world.crash(3)
    for value in range(200):
        world.propose(1, f"value {value}")
    world.start(3)
    for _ in range(3):
        world.beat(1)
    assert world.values(3) == world.values(1)
    assert len(world.values(3)) == 200
