"""No finite protocol attacks with certainty: shown for every handshake and every rule."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, combinations, product
from pathlib import Path

import pytest

from comitia.check import Outcome, breadth_first, space_of
from comitia.kernel import Broken, Codec, Message, Model, NodeId, Out
from comitia.protocols import load
from comitia.protocols.two_generals import PROTOCOL, General
from comitia.protocols.two_generals.chances import (
    chance_of_lone_attack,
    chance_of_lone_attack_with_copies,
)
from comitia.protocols.two_generals.general import ATTACK, DAWN, RETREAT, awaited
from comitia.protocols.two_generals.messages import MESSAGES, Messenger
from comitia.protocols.two_generals.models import TOGETHER, cautious, handshake, hopeful, stubborn
from comitia.sim.run import Settings, build

HANDSHAKES = range(1, 6)


class Sent(Out):
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.messages: list[Messenger] = []

    def send(self, to: NodeId, message: Message) -> None:
        assert isinstance(message, Messenger)
        self.messages.append(message)

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        assert timer == DAWN


def play(messengers: int, caught: frozenset[int]) -> dict[NodeId, General]:
    """The generals at dawn when messengers numbered in `caught` never arrive."""
    generals = {id: General(id, (1, 2), messengers) for id in (1, 2)}
    out = Sent()
    for general in generals.values():
        general.on_start(out)
    while out.messages:
        message = out.messages.pop()
        if message.number not in caught:
            sender = 1 if message.number % 2 else 2
            generals[3 - sender].on_message(sender, message, out)
    return generals


def decide(generals: dict[NodeId, General]) -> list[str | None]:
    for general in generals.values():
        general.on_timer(DAWN, Sent())
    return [general.decision for general in generals.values()]


def rules(messengers: int, first: bool) -> Iterator[frozenset[int]]:
    counts = range(awaited(messengers, first) + 1)
    sizes = range(len(counts) + 1)
    return map(frozenset, chain.from_iterable(combinations(counts, size) for size in sizes))


def check(model: Model) -> tuple[Outcome, str]:
    report = breadth_first(space_of(model, PROTOCOL.promises))
    return report.outcome, report.property


@pytest.mark.parametrize("messengers", HANDSHAKES)
def test_every_handshake_under_every_rule_breaks_something(messengers: int) -> None:
    broken: dict[str, int] = {}
    for first, second in product(rules(messengers, True), rules(messengers, False)):
        outcome, property = check(handshake(messengers, first, second))
        assert outcome == Outcome.BROKEN, (first, second)
        broken[property] = broken.get(property, 0) + 1
    # No check is idle: each of the three is what some rule breaks.
    assert set(broken) == {"AttackTogether", "NoAttackUnasked", f"sometimes {TOGETHER}"}


@pytest.mark.parametrize("messengers", HANDSHAKES)
def test_without_one_of_the_three_demands_the_other_two_can_be_kept(messengers: int) -> None:
    always = [frozenset(range(awaited(messengers, first) + 1)) for first in (True, False)]
    model = handshake(messengers, *always)
    together, unasked = PROTOCOL.promises
    assert breadth_first(space_of(model, (together,))).outcome == Outcome.HOLDS
    assert breadth_first(space_of(cautious(messengers), (unasked,))).outcome == Outcome.HOLDS
    safe = breadth_first(space_of(stubborn(messengers), PROTOCOL.promises))
    assert safe.property == f"sometimes {TOGETHER}"


@pytest.mark.parametrize("messengers", HANDSHAKES)
@pytest.mark.parametrize("model", [cautious, hopeful])
def test_the_checker_finds_the_run_in_which_one_attacks_alone(
    messengers: int, model: type[Model]
) -> None:
    report = breadth_first(space_of(model(messengers), PROTOCOL.promises))
    assert report.property == "AttackTogether"
    assert "attacks alone" in report.reason
    assert len(report.story) > 2


@pytest.mark.parametrize("messengers", HANDSHAKES)
def test_losing_the_last_messenger_leaves_the_view_of_its_sender_unchanged(messengers: int) -> None:
    whole, cut = play(messengers, frozenset()), play(messengers, frozenset((messengers,)))
    sender = 1 if messengers % 2 else 2
    assert vars(whole[sender]) == vars(cut[sender])
    assert vars(whole[3 - sender]) != vars(cut[3 - sender])
    assert decide(whole) == [ATTACK, ATTACK]
    alone = decide(cut)
    assert alone[sender - 1] == ATTACK
    assert alone[2 - sender] == RETREAT


@pytest.mark.parametrize("messengers", HANDSHAKES)
def test_the_chance_of_a_lone_attack_is_as_the_formula_says(messengers: int) -> None:
    loss = Fraction(1, 7)
    chance = Fraction(0)
    numbers = range(1, messengers + 1)
    for fate in product((True, False), repeat=messengers):
        caught = frozenset(n for n, is_caught in zip(numbers, fate, strict=True) if is_caught)
        if len(set(decide(play(messengers, caught)))) == 2:
            chance += loss ** len(caught) * (1 - loss) ** (messengers - len(caught))
    assert chance == chance_of_lone_attack(messengers, loss)


def test_copies_make_a_lone_attack_unlikely_and_never_impossible() -> None:
    chances = [chance_of_lone_attack_with_copies(copies, Fraction(1, 10)) for copies in (1, 2, 9)]
    assert chances == [Fraction(1, 10), Fraction(1, 100), Fraction(1, 10**9)]


def test_a_messenger_that_comes_twice_or_too_late_changes_nothing() -> None:
    general, out = General(2, (1, 2), 3), Sent()
    general.on_start(out)
    general.on_message(1, Messenger(1), out)
    general.on_message(1, Messenger(1), out)
    assert general.received == 1
    assert out.messages == [Messenger(2)]
    general.on_timer(DAWN, out)
    general.on_message(1, Messenger(3), out)
    assert (general.received, general.decision) == (1, RETREAT)


def test_a_decision_outlives_a_restart() -> None:
    general = General(1, (1, 2), 1)
    general.on_start(Sent())
    general.on_timer(DAWN, Sent())
    out = Sent()
    general.on_start(out)
    assert general.decision == ATTACK
    assert not out.messages


@pytest.mark.parametrize(("generals", "messengers"), [((1,), 1), ((1, 2, 3), 1), ((1, 2), 0)])
def test_other_than_two_generals_or_no_messenger_is_refused(
    generals: tuple[int, ...], messengers: int
) -> None:
    with pytest.raises(ValueError, match="two generals"):
        PROTOCOL.make(1, generals, handshake=messengers)


def test_the_protocol_can_be_loaded_shown_and_sent() -> None:
    assert load("two_generals") is PROTOCOL
    general = PROTOCOL.make(2, (1, 2))
    assert PROTOCOL.view(general).role == "waiting"
    assert PROTOCOL.view(general).facts == (("messengers received", "0 of 2"),)
    codec = Codec("two_generals", 1, MESSAGES)
    assert codec.decode(codec.encode(Messenger(3))) == Messenger(3)


def test_the_run_on_the_page_is_the_one_that_the_checker_finds() -> None:
    page = Path(__file__).parents[3] / "docs" / "two_generals.md"
    report = breadth_first(space_of(cautious(3), PROTOCOL.promises))
    again = "put there what is printed by: comitia check two_generals"
    assert f"```text\n{report.story}\n```" in page.read_text(), again


def test_in_the_simulator_lost_messengers_sometimes_leave_one_to_attack_alone() -> None:
    outcomes = set()
    for seed in range(100):
        settings = Settings(faults=("loss",), nodes=2, clients=0, liveness=False)
        simulation = build(PROTOCOL, seed, settings)
        simulation.begin()
        try:
            simulation.run(100)
            outcomes.add(tuple(general.decision for general in simulation.nodes.values()))
        except Broken as broken:
            outcomes.add(("broken", str(broken)))
    # The last of three messengers goes to the second: only the first can be left alone.
    assert outcomes == {(ATTACK, ATTACK), (RETREAT, RETREAT), ("broken", "n1 attacks alone")}
