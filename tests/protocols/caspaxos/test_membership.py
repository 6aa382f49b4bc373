"""Change of membership (section 2.3), walked for real, and what skipping a rescan does."""

from __future__ import annotations

import pytest
from caspaxos_story import Story

from comitia.kernel import Ballot, Reconfigure
from comitia.protocols.caspaxos import membership
from comitia.protocols.caspaxos.messages import EMPTY, Accept, Configuration, Join, Prepare


def move(story: Story, asked_of: int, *voters: int) -> Reconfigure:
    story.tokens += 1
    request = Reconfigure(story.tokens, frozenset(voters))
    story.ask(asked_of, request)
    story.settle(rounds=6)
    return request


def write(story: Story, id: int, value: bytes, key: bytes = b"k") -> None:
    asked = story.change(id, b"=" + value, key)
    story.settle(rounds=4)
    assert story.answers[asked] == b"OK"


def test_from_three_to_five_and_back_and_nothing_is_lost() -> None:
    story = Story((1, 2, 3), spares=(4, 5))
    for number in range(200):
        story.change(1 + number % 3, b"=%d" % number, b"key %d" % number)
    story.settle(rounds=4)
    for voters in ((1, 2, 3, 4), (1, 2, 3, 4, 5), (2, 3, 4, 5), (3, 4, 5)):
        request = move(story, 3, *voters)
        assert request in story.answers, (voters, story.nodes[3].walk)
        assert story.nodes[3].current == membership.settled(story.nodes[3].current.version, voters)
        write(story, voters[-1], b"at %d" % len(voters))
        assert story.read(voters[0]) == b"at %d" % len(voters)
    assert all(story.read(4, b"key %d" % n) == b"%d" % n for n in range(0, 200, 17))
    refused = story.change(1, b"=late")
    assert story.refusals[refused] == "this node is no member"


def test_a_dead_member_is_replaced_although_it_cannot_agree() -> None:
    story = Story((1, 2, 3), spares=(4,))
    write(story, 1, b"v")
    story.down = {1}
    assert move(story, 2, 2, 3) in story.answers
    assert move(story, 2, 2, 3, 4) in story.answers
    story.down = {2}
    assert story.read(4) == b"v"


def test_who_was_removed_while_cut_off_changes_nothing_any_more() -> None:
    story = Story((1, 2, 3))
    write(story, 1, b"v")
    story.down = {1}
    assert move(story, 2, 2, 3) in story.answers
    story.down = set()
    asked = story.change(1, b"=stale")  # it still believes in three members
    story.settle(rounds=4)
    assert asked not in story.answers
    assert story.read(3) == b"v"


def test_an_operator_asks_for_one_at_a_time_and_of_who_stays() -> None:
    story = Story((1, 2, 3), spares=(4, 5))
    assert "one at a time" in story.refusals[move(story, 1, 1, 2, 3, 4, 5)]
    assert "stays" in story.refusals[move(story, 1, 2, 3)]
    assert "stays" in story.refusals[move(story, 4, 1, 2, 3, 4)]
    assert move(story, 2, 1, 2, 3) in story.answers


@pytest.mark.parametrize("target", [(1, 2, 3, 4), (1, 2, 3)])
def test_a_walk_left_half_way_is_finished_or_taken_back_by_another(target) -> None:
    story = Story((1, 2, 3), spares=(4,))
    write(story, 1, b"v")
    story.ask(1, Reconfigure(99, frozenset((1, 2, 3, 4))))
    for _ in range(10):
        story.run(lambda src, to, message: story.nodes[2].current.version == 1)
        for id, timer in list(story.timers):
            if (id, timer) in story.timers and story.nodes[2].current.version == 0:
                story.ring(id, timer)
    assert story.nodes[2].current.prepare != story.nodes[2].current.accept
    story.held.clear()
    story.nodes[1].walk = None  # the walker has forgotten all about it
    story.settle(rounds=2)
    assert move(story, 2, *target) in story.answers
    assert story.nodes[2].current.prepare == story.nodes[2].current.accept == target
    assert story.read(3) == b"v"


def replace_everybody(rescan: bool, monkeypatch: pytest.MonkeyPatch) -> object:
    """Every member is replaced by an empty one, and every write reaches a bare quorum."""
    if not rescan:
        walk = membership.walk

        def hasty(now: Configuration, target: tuple[int, ...]) -> tuple[object, ...]:
            return tuple(step for step in walk(now, target) if step != "rescan")

        monkeypatch.setattr(membership, "walk", hasty)
    story = Story((1, 2, 3), spares=(4, 5, 6))
    asked = story.change(1, b"=v")
    story.settle(lambda src, to, message: isinstance(message, Accept) and to == 3, rounds=1)
    story.held.clear()
    assert story.answers[asked] == b"OK"
    for old, new in ((1, 4), (2, 5)):
        members = set(story.nodes[3].current.members)
        assert move(story, 3, *(members - {old})) in story.answers
        assert move(story, 3, *(members - {old} | {new})) in story.answers
    return story.read(3)


def test_every_member_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replace_everybody(True, monkeypatch) == b"v"


def test_without_the_rescan_everything_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replace_everybody(False, monkeypatch) is None


def shrink_to_one(rescan: bool, monkeypatch: pytest.MonkeyPatch) -> object:
    """3 to 2 to 1: what the rescan before an even cluster shrinks, unprinted, is for."""
    if not rescan:
        walk = membership.walk

        def as_printed(now: Configuration, target: tuple[int, ...]) -> tuple[object, ...]:
            steps = walk(now, target)
            return steps[1:] if len(target) < len(now.accept) and steps[0] == "rescan" else steps

        monkeypatch.setattr(membership, "walk", as_printed)
    story = Story((1, 2, 3))
    asked = story.change(1, b"=v")
    story.settle(lambda src, to, message: isinstance(message, Accept) and to == 3, rounds=1)
    story.held.clear()
    assert story.answers[asked] == b"OK"
    assert move(story, 3, 1, 3) in story.answers
    assert move(story, 3, 3) in story.answers
    return story.read(3)


def test_a_cluster_can_shrink_to_a_member_that_missed_the_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shrink_to_one(True, monkeypatch) == b"v"


def collects_under_an_old_configuration() -> Story:
    """Found by the simulator (membership, loss, partition, crash, sync: seed 57).

    A newcomer that has joined as an acceptor, and was not yet told of the configuration it joined,
    restarts and finds a tombstone to collect: it would propose to the founders, most of whom have
    been removed long ago and hold old states.
    """
    story = Story((1, 2, 3), spares=(4,))
    write(story, 1, b"v")
    story.down = {2, 3}
    newcomer = story.nodes[4]
    story.turn(4, lambda node, out: node.on_message(1, Join(4, 1 << 33, 10), out))
    tombstone = Accept(b"k", Ballot(10, 1), EMPTY, Ballot(11, 1), 0)
    story.turn(4, lambda node, out: node.on_message(1, tombstone, out))
    story.turn(4, lambda node, out: node.on_start(out))
    story.flying.clear()
    story.ring(4, "collect")
    assert newcomer.current.version < newcomer.joined
    return story


def test_a_newcomer_proposes_nothing_before_it_knows_what_it_joined() -> None:
    story = collects_under_an_old_configuration()
    assert not [m for _, _, m in story.flying if isinstance(m, Prepare)]
    refused = story.change(4, b"=w")
    assert story.refusals[refused] == "this node is no member"


def test_who_was_removed_unaware_and_joins_again_forgets_what_it_was_about() -> None:
    story = Story((1, 2, 3))
    asked = story.change(3, b"=old")
    assert story.nodes[3].operations
    story.turn(3, lambda node, out: node.on_message(1, Join(2, 1 << 33, 10), out))
    story.flying.clear()
    story.settle(rounds=3)
    assert asked not in story.answers
    assert not story.nodes[3].operations
