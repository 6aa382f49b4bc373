"""What one register promises, told as stories."""

from __future__ import annotations

import pytest
from caspaxos_mutants import AppliesAChangeTwice, ReusesItsBallot
from caspaxos_story import Story

from comitia.protocols.caspaxos.messages import Accept, Accepted, Prepare, Promised
from comitia.protocols.caspaxos.node import CasPaxos


def test_a_change_is_seen_by_every_member() -> None:
    story = Story((1, 2, 3))
    asked = story.change(1, b"+5")
    story.run()
    assert story.answers[asked] == b"5"
    assert [story.read(id) for id in (1, 2, 3)] == [b"5"] * 3


def test_the_second_change_by_the_same_member_takes_one_round_trip() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"+5")
    story.run()
    story.change(1, b"+5")
    assert {type(message) for _, _, message in story.flying} == {Accept}
    story.run()
    assert story.read(2) == b"10"


def test_another_members_change_takes_the_promise_of_the_next_away() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"<a")
    story.run()
    story.change(2, b"<b")
    story.settle(rounds=2)
    asked = story.change(1, b"<c")
    story.settle(rounds=3)
    assert story.answers[asked] == b"OK"
    assert story.read(3) == b"abc"


def test_changes_that_wait_for_a_round_share_the_next_one() -> None:
    story = Story((1, 2, 3))
    first = [story.change(1, b"+1") for _ in range(2)]
    more = [story.change(1, b"+1") for _ in range(8)]
    assert sum(isinstance(message, Prepare) for _, _, message in story.flying) == 3
    story.run()
    assert [story.answers[asked] for asked in first + more] == [b"%d" % n for n in range(1, 11)]
    assert story.delivered == 4 * 3 + 2 * 3


def taken_effect_unheard(make: object = None) -> object:
    """An append that took effect although its proposer heard of nothing but a conflict."""
    story = Story((1, 2, 3), make) if make else Story((1, 2, 3))
    story.change(1, b"<x")
    story.run(lambda src, to, message: isinstance(message, Accepted))
    story.held.clear()
    story.ring(1, "retry k")
    story.settle(rounds=5)
    return story.read(3)


def test_a_change_that_is_tried_again_is_applied_once() -> None:
    assert taken_effect_unheard() == b"x"


def test_without_the_marks_it_is_applied_twice() -> None:
    assert taken_effect_unheard(AppliesAChangeTwice) == b"xx"


def test_one_member_down_disturbs_nobody_who_asks_the_others() -> None:
    story = Story((1, 2, 3))
    story.down = {3}
    for number in range(1, 6):
        asked = [story.change(id, b"+1") for id in (1,)]
        story.run()  # no timer needs to fire
        assert story.answers[asked[0]] == b"%d" % number


def test_who_is_refused_does_not_wait_for_a_dead_member_before_it_tries_again() -> None:
    story = Story((1, 2, 3))
    story.down = {3}
    asked = [story.change(id, b"+1") for id in (1, 2)]
    own = lambda src, to, message: src != to or isinstance(message, Promised)  # noqa: E731
    story.run(own)  # each has promised its own ballot
    story.release(lambda src, to, message: src == 1 and isinstance(message, Prepare))
    story.run(lambda src, to, message: src == 1 and isinstance(message, Promised))
    node = story.nodes[1]
    assert node.operations[b"k"].refusals == {2}, "with 1 and 3 a quorum is left to hope for"
    assert story.timers[1, "retry k"][1] <= node.backoff_ms[1] < node.retry_ms[0]
    story.release()
    story.settle(rounds=4)
    assert sorted(story.answers[each] for each in asked) == [b"1", b"2"]


def test_who_goes_on_in_one_round_trip_starves_nobody() -> None:
    story = Story((1, 2, 3))
    story.down = {3}
    story.change(1, b"+1")
    story.run()
    slower = story.change(2, b"+1")
    tries = 0
    while slower not in story.answers:
        tries += 1
        assert tries < 5, "2 is always a little too late"
        late = lambda src, to, message: src == 2 and isinstance(message, Prepare)  # noqa: E731
        story.run(late)
        for _ in range(8):  # meanwhile 1 changes the value again and again
            story.change(1, b"+1")
            story.run(late)
        story.release()
        story.run()
        if (2, "retry k") in story.timers:
            story.ring(2, "retry k")


def states_of_a_ballot(make: object) -> int:
    """How many states are sent in one ballot, at most, when an accept stays without an answer."""
    story = Story((1, 2, 3), make)
    story.change(1, b"<a")
    story.run()
    sent: dict[object, set[object]] = {}

    def recorded(src: int, to: int, message: object) -> bool:
        if isinstance(message, Accept):
            sent.setdefault(message.ballot, set()).add(message.state)
        return isinstance(message, Accept) and len(sent) == 1 and to != 3

    story.change(1, b"<b")  # in the ballot that was promised along with <a
    story.run(lambda src, to, message: recorded(src, to, message) or isinstance(message, Accepted))
    story.held.clear()  # only 3 has accepted it, and nobody says so
    story.change(1, b"<c")
    story.ring(1, "retry k")
    story.run(recorded)
    return max(len(states) for states in sent.values())


def test_r_ballot_reuse_an_accept_without_an_answer_never_lends_its_ballot_to_another_state() -> (
    None
):
    assert states_of_a_ballot(CasPaxos) == 1
    with pytest.raises(AssertionError, match="two states in one ballot"):
        states_of_a_ballot(ReusesItsBallot)
