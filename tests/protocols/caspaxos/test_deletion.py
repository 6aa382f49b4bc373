"""Deletion (section 3.1): no trace is left, and what was deleted does not come back."""

from __future__ import annotations

import pytest
from caspaxos_mutants import (
    CollectsWhatAQuorumAccepted,
    ForgetsThePromiseWithTheTombstone,
    GoesOnWithPromisesFromBeforeTheDeletion,
    HeedsNoAges,
)
from caspaxos_story import Story

from comitia.protocols.caspaxos.messages import Accept, Erase, Prepare, Promised, RefuseYounger
from comitia.protocols.caspaxos.node import CasPaxos


def registers(story: Story) -> list[int]:
    return [len(node.registers) for node in story.nodes.values()]


def test_a_deleted_key_leaves_no_trace() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"=v")
    story.run()
    asked = story.change(1, b"-")
    story.run()
    assert story.answers[asked] is True and registers(story) == [1, 1, 1]
    story.settle(rounds=4)
    assert registers(story) == [0, 0, 0]
    assert story.read(1) is None


def test_a_member_that_is_down_delays_the_collection_and_no_client() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"=v")
    story.run()
    story.down = {3}
    story.change(1, b"-")
    story.settle(rounds=5)
    assert registers(story) == [1, 1, 1]
    assert story.read(1) is None
    asked = story.change(1, b"=w")
    story.run()
    assert story.answers[asked] == b"OK"
    story.change(1, b"-")
    story.run()
    story.down = set()
    story.settle()
    assert registers(story) == [0, 0, 0]


def test_a_tombstone_from_before_a_restart_is_collected_all_the_same() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"=v")
    story.run()
    story.change(1, b"-")
    story.run()
    for id, node in list(story.nodes.items()):
        fresh = CasPaxos(id, (1, 2, 3))
        for name in node.stable:
            setattr(fresh, name, getattr(node, name))
        story.nodes[id] = fresh
        story.timers.clear()
        story.turn(id, lambda node, out: node.on_start(out))
    story.settle()
    assert registers(story) == [0, 0, 0]


def a_late_message(make: type[CasPaxos]) -> object:
    """An accept sent before the deletion arrives after it (the lost delete anomaly)."""
    story = Story((1, 2, 3), make)
    story.change(1, b"=v")
    story.run(lambda src, to, message: isinstance(message, Accept) and to == 3)
    story.settle(lambda src, to, message: False, rounds=1)
    late, story.held = story.held, []
    story.change(2, b"-")
    story.settle(rounds=4)
    assert registers(story) == [0, 0, 0]
    story.flying += late
    story.run()
    story.down = {1}
    return story.read(2)


def a_value_left_behind(make: type[CasPaxos]) -> object:
    """One acceptor misses the tombstone, and all else that happens reaches it."""
    story = Story((1, 2, 3), make)
    story.change(1, b"=v")
    story.run()
    story.change(2, b"-")
    lost = lambda src, to, message: to == 3 and isinstance(message, Accept | Prepare)  # noqa: E731
    story.settle(lost, rounds=4)
    story.held.clear()
    story.down = {1}
    return story.read(2)


def a_promise_erased(make: type[CasPaxos]) -> object:
    """Two appends to a key whose erasure comes between their two phases."""
    story = Story((1, 2, 3), make)
    story.change(1, b"=v")
    story.run()
    story.change(1, b"-")
    erasing = lambda src, to, message: isinstance(message, Erase)  # noqa: E731
    story.run()
    story.ring(1, "collect")
    story.run(erasing)
    story.nodes[2].round += 50
    story.change(2, b"<b")  # promised by 1 and 2, in a great ballot ...
    story.run(
        lambda src, to, message: (
            isinstance(message, Accept | Erase) or (isinstance(message, Prepare) and to == 3)
        )
    )
    story.release(lambda src, to, message: isinstance(message, Erase))
    story.run(lambda src, to, message: isinstance(message, Accept) and src == 2)
    story.nodes[3].round += 1
    story.change(3, b"<c")  # ... and then 3 passes in a lower one, where the promises are gone
    story.run(lambda src, to, message: src == 2 and isinstance(message, Accept | Prepare))
    story.release()
    story.settle(rounds=6)
    return b"".join(sorted(bytes([c]) for c in story.read(1) or b""))


def a_phase_one_from_before(make: type[CasPaxos]) -> object:
    """The promises of an append, with the old value, arrive after the deletion."""
    story = Story((1, 2, 3), make)
    story.change(1, b"=v")
    story.run()
    late = lambda src, to, message: to == 3 and isinstance(message, Promised)  # noqa: E731
    story.change(3, b"<z")
    story.run()  # its first ballot is too low
    story.ring(3, "retry k")
    story.run(late)
    old, story.held = story.held, []
    story.change(1, b"-")
    story.run()
    story.ring(1, "retry k")
    story.run()
    story.ring(1, "collect")
    story.run(lambda src, to, message: src == 3 and isinstance(message, Prepare))
    story.held.clear()
    assert registers(story) == [0, 0, 0]
    story.flying += old
    story.settle(rounds=4)
    return story.read(2)


@pytest.mark.parametrize(
    ("plot", "mutant", "right"),
    [
        (a_late_message, HeedsNoAges, None),
        (a_value_left_behind, CollectsWhatAQuorumAccepted, None),
        (a_phase_one_from_before, GoesOnWithPromisesFromBeforeTheDeletion, b"z"),
        (a_promise_erased, ForgetsThePromiseWithTheTombstone, b"bc"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_the_rule_prevents(plot, mutant, right) -> None:
    assert plot(CasPaxos) == right
    assert plot(mutant) != right


def test_ages_are_told_to_every_acceptor_before_anything_is_erased() -> None:
    story = Story((1, 2, 3))
    story.change(1, b"=v")
    story.run()
    story.change(2, b"-")
    silent = lambda src, to, message: to == 3 and isinstance(message, RefuseYounger)  # noqa: E731
    story.settle(silent, rounds=4)
    assert registers(story) == [1, 1, 1]
