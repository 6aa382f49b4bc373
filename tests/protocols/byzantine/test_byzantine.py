"""The Byzantine Generals: theorems held by exhaustion, mutants killed, messages counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byzantine import mutants
from comitia.check import Outcome, breadth_first, space_of
from comitia.kernel import Broken, Message
from comitia.protocols import load
from comitia.protocols.byzantine import PROTOCOL
from comitia.protocols.byzantine.adversary import Outbox, Search, exhaust
from comitia.protocols.byzantine.counts import oral_messages, signed_messages
from comitia.protocols.byzantine.general import ROUND, General
from comitia.protocols.byzantine.messages import ATTACK, RETREAT, Oral, Signed
from comitia.protocols.byzantine.models import oral, three_generals
from comitia.protocols.byzantine.oral import OralGeneral, majority
from comitia.protocols.byzantine.promises import IC1, IC2
from comitia.protocols.byzantine.signed import SignedGeneral, choice
from comitia.sim.run import Settings, build

ORDERS = (ATTACK, RETREAT)


def loyal(kind: type[General], n: int, m: int, command: str) -> tuple[list[General], int]:
    """The generals after a campaign without traitors, and how many messages it took."""
    ids = tuple(range(1, n + 1))
    generals = [kind(id, ids, m, command) for id in ids]
    sent, count = [], 0
    for general in generals:
        out = Outbox(general.id)
        general.on_start(out)
        sent += out.sent
    for _ in range(m + 1):
        count += len(sent)
        for src, to, message in sent:
            generals[to - 1].on_message(src, message, Outbox(to))
        sent = []
        for general in generals[1:]:
            out = Outbox(general.id)
            general.on_timer(ROUND, out)
            sent += out.sent
    assert not sent, "nobody speaks after the last round"
    return generals, count


# ---- oral messages ----


@pytest.mark.parametrize("command", ORDERS)
@pytest.mark.parametrize("traitor", [1, 2, 4])
def test_four_generals_cope_with_any_one_traitor(traitor: int, command: str) -> None:
    assert exhaust(OralGeneral, 4, 1, {traitor}, command).broken == ""


@pytest.mark.parametrize("n", [5, 6, 7])
@pytest.mark.parametrize("traitor", [1, 5])
def test_more_than_3m_generals_cope_with_one_traitor(n: int, traitor: int) -> None:
    assert exhaust(OralGeneral, n, 1, {traitor}).broken == ""


@pytest.mark.slow
@pytest.mark.parametrize("traitors", [{1, 7}, {6, 7}])
def test_seven_generals_cope_with_two_traitors(traitors: set[int]) -> None:
    found = exhaust(OralGeneral, 7, 2, traitors)
    assert found.broken == ""
    assert found.battles > 200


def test_three_generals_with_a_traitor_lieutenant_fail_in_the_known_way() -> None:
    found = exhaust(OralGeneral, 3, 1, {3}, ATTACK)
    assert found.broken == "IC2"
    # The commander says ATTACK, the traitor says that he was told RETREAT.
    told = [sent.message for heard in found.lies for sent in heard]
    assert told == [Oral(ATTACK, (1,)), Oral(RETREAT, (1, 3))]


@pytest.mark.parametrize(("n", "m", "traitors"), [(3, 1, {3}), (6, 2, {5, 6})])
def test_3m_generals_are_too_few(n: int, m: int, traitors: set[int]) -> None:
    assert exhaust(OralGeneral, n, m, traitors).broken == "IC2"


@pytest.mark.parametrize(("n", "m", "traitors"), [(4, 0, {1}), (7, 1, {1, 7}), (5, 1, {4, 5})])
def test_more_traitors_than_m_are_too_many(n: int, m: int, traitors: set[int]) -> None:
    assert exhaust(OralGeneral, n, m, traitors).broken


@pytest.mark.parametrize("n", range(3, 8))
@pytest.mark.parametrize("m", range(3))
@pytest.mark.parametrize("command", ORDERS)
def test_oral_messages_number_as_the_formula_says(n: int, m: int, command: str) -> None:
    if n < m + 2:
        return
    generals, count = loyal(OralGeneral, n, m, command)
    assert count == oral_messages(n, m)
    assert {general.order for general in generals} == {command}


def test_the_formula_gives_the_known_numbers() -> None:
    assert [oral_messages(n, m) for n, m in ((4, 1), (7, 2), (10, 3))] == [9, 156, 3609]


def test_without_a_majority_generals_retreat() -> None:
    assert majority([ATTACK, RETREAT]) == majority([]) == majority([RETREAT]) == RETREAT
    assert majority([ATTACK, ATTACK, RETREAT]) == ATTACK


def test_silence_is_retreat() -> None:
    general = OralGeneral(2, (1, 2, 3, 4), 1)
    general.on_message(1, Oral(ATTACK, (1,)), Outbox(2))
    out = Outbox(2)
    general.on_timer(ROUND, out)
    assert [sent.message for sent in out.sent] == [Oral(ATTACK, (1, 2))] * 2
    general.on_timer(ROUND, out)
    assert general.order == RETREAT  # one ATTACK against two silences


@pytest.mark.parametrize(
    ("src", "path"),
    [
        (3, (1,)),  # speaks for the commander
        (3, (3,)),  # no order of the commander
        (3, (1, 3, 3)),
        (3, (1, 2, 3)),  # through the hearer himself
        (9, (1, 9)),
        (4, (1, 3, 4)),  # beyond OM(1)
        (3, ()),
    ],
)
def test_what_no_loyal_general_would_send_is_not_believed(src: int, path: tuple[int, ...]) -> None:
    general = OralGeneral(2, (1, 2, 3, 4), 1)
    general.on_message(src, Oral(ATTACK, path), Outbox(2))
    assert not general.said


def test_a_second_word_along_the_same_path_changes_nothing() -> None:
    general = OralGeneral(2, (1, 2, 3, 4), 1)
    for value in (ATTACK, RETREAT):
        general.on_message(1, Oral(value, (1,)), Outbox(2))
    assert general.said[(1,)] == ATTACK


def test_what_comes_after_its_round_counts_as_silence() -> None:
    general = OralGeneral(2, (1, 2, 3, 4), 1)
    general.on_timer(ROUND, Outbox(2))
    general.on_message(1, Oral(ATTACK, (1,)), Outbox(2))
    assert not general.said


def test_a_value_that_is_no_order_is_retreat() -> None:
    general = OralGeneral(2, (1, 2, 3, 4), 1)
    general.on_message(1, Oral("CHARGE", (1,)), Outbox(2))
    assert general.said[(1,)] == RETREAT


# ---- signed messages ----


@pytest.mark.parametrize("command", ORDERS)
@pytest.mark.parametrize(
    ("n", "m", "traitors"),
    [(3, 1, {1}), (3, 1, {3}), (4, 1, {1}), (4, 1, {4}), (4, 2, {1, 4}), (4, 2, {3, 4})],
)
def test_signatures_cope_with_m_traitors_among_m_plus_2(
    n: int, m: int, traitors: set[int], command: str
) -> None:
    assert exhaust(SignedGeneral, n, m, traitors, command).broken == ""


@pytest.mark.slow
def test_five_generals_with_signatures_cope_with_a_treacherous_commander_and_his_friend() -> None:
    found = exhaust(SignedGeneral, 5, 2, {1, 5})
    assert found.broken == ""
    assert found.battles > 1_000


@pytest.mark.parametrize("n", [4, 5])
def test_signatures_do_not_cope_with_more_than_m_traitors(n: int) -> None:
    found = exhaust(SignedGeneral, n, 1, {1, n})
    assert found.broken == "IC1"
    late = [sent for sent in found.lies[-1] if isinstance(sent.message, Signed)]
    assert any(sent.message.signatures == (1, n) for sent in late)


@pytest.mark.parametrize("n", range(3, 8))
@pytest.mark.parametrize("m", range(3))
def test_signed_messages_number_as_the_formula_says(n: int, m: int) -> None:
    generals, count = loyal(SignedGeneral, n, m, ATTACK)
    assert count == signed_messages(n, m)
    assert {general.order for general in generals} == {ATTACK}


def test_two_orders_signed_by_the_commander_are_none() -> None:
    assert choice(frozenset(ORDERS)) == choice(frozenset()) == RETREAT
    assert choice(frozenset((ATTACK,))) == ATTACK


@pytest.mark.parametrize(
    ("round", "signatures", "accepted"),
    [
        (1, (1,), True),
        (2, (1,), False),
        (2, (1, 3), True),
        (1, (1, 3), True),  # from a faster general
        (2, (1, 1), False),
        (2, (3, 4), False),
        (2, (1, 2), False),  # his own signature, which he did not give
        (2, (1, 9), False),
        (1, (), False),
    ],
)
def test_an_order_is_accepted_with_a_round_s_worth_of_distinct_signatures_the_commander_s_first(
    round: int, signatures: tuple[int, ...], accepted: bool
) -> None:
    general = SignedGeneral(2, (1, 2, 3, 4), 2)
    for _ in range(round - 1):
        general.on_timer(ROUND, Outbox(2))
    general.on_message(4, Signed(ATTACK, signatures), Outbox(2))
    assert (general.values == {ATTACK}) == accepted


# ---- mutants ----


@pytest.mark.parametrize(
    ("kind", "n", "m", "traitors", "broken"),
    [
        (mutants.ObeysTheCommander, 4, 1, {1}, "IC1"),
        (mutants.ForgetsItsOwnEars, 4, 1, {4}, "IC2"),
        (mutants.BreaksTiesByItself, 5, 1, {1}, "IC1"),
        (mutants.StopsARoundEarly, 4, 1, {1}, "IC1"),
        (mutants.AcceptsLateOrders, 3, 1, {1}, "IC1"),
        (mutants.CountsSignaturesTwice, 3, 1, {1}, "IC1"),
        (mutants.ObeysAnySignature, 3, 1, {3}, "IC2"),
        (mutants.PassesNothingOn, 3, 1, {1}, "IC1"),
        (mutants.StopsPassingOnTooSoon, 3, 1, {1}, "IC1"),
        (mutants.ObeysTheFirstOrder, 3, 1, {1}, "IC1"),
    ],
)
def test_a_mutant_is_killed(
    kind: type[Any], n: int, m: int, traitors: set[int], broken: str
) -> None:
    found = exhaust(kind, n, m, traitors)
    assert found.broken == broken
    assert broken in replay(kind, n, m, traitors, found)
    # What is broken is the line, not the configuration.
    honest = OralGeneral if issubclass(kind, OralGeneral) else SignedGeneral
    assert exhaust(honest, n, m, traitors).broken == ""


def replay(kind: type[General], n: int, m: int, traitors: set[int], found: Search) -> set[str]:
    """What the promises say of the run that a search reports."""
    ids = tuple(range(1, n + 1))
    nodes = {id: kind(id, ids, m, ATTACK) for id in ids if id not in traitors}
    for general in nodes.values():
        general.on_start(Outbox(general.id))
    for heard in found.lies:
        for src, to, message in heard:
            nodes[to].on_message(src, message, Outbox(to))
        for general in nodes.values():
            if general.order is None:
                general.on_timer(ROUND, Outbox(general.id))
    broken = set()
    for promise in (IC1(), IC2()):
        for general in nodes.values():
            try:
                promise.on_step(general, nodes)
            except Broken:
                broken.add(type(promise).__name__)
    return broken


def test_a_general_who_believes_everybody_is_told_what_loyal_generals_never_said() -> None:
    forged: list[Message] = [Oral(RETREAT, (1, 3)), Oral(RETREAT, (1, 4))]

    def deceived(kind: type[OralGeneral]) -> str | None:
        general = kind(2, (1, 2, 3, 4), 1)
        general.on_message(1, Oral(ATTACK, (1,)), Outbox(2))
        for message in forged:
            general.on_message(4, message, Outbox(2))
        general.on_message(3, Oral(ATTACK, (1, 3)), Outbox(2))
        general.on_timer(ROUND, Outbox(2))
        general.on_timer(ROUND, Outbox(2))
        return general.order

    assert deceived(OralGeneral) == ATTACK
    assert deceived(mutants.BelievesEverybody) == RETREAT


# ---- in the model checker ----


@pytest.mark.parametrize("traitor", [1, 4])
@pytest.mark.parametrize("command", ORDERS)
def test_om_1_holds_in_every_order_of_messages(traitor: int, command: str) -> None:
    report = breadth_first(space_of(oral(traitor=traitor, command=command), PROTOCOL.promises))
    assert report.outcome == Outcome.HOLDS, report.story


def test_the_checker_finds_the_lie_that_three_generals_do_not_cope_with() -> None:
    report = breadth_first(space_of(three_generals(), PROTOCOL.promises))
    assert report.property == "IC2"
    assert "n2 obeys RETREAT, its loyal commander ordered ATTACK" in report.reason


# ---- in the simulator ----


def simulated(seed: int, messages: str, *faults: str) -> set[str | None]:
    """What four loyal generals obey, whose commander orders ATTACK; raises Broken."""
    options = {"messages": messages, "command": ATTACK}
    settings = Settings(faults=faults, nodes=4, clients=0, liveness=False, options=options)
    simulation = build(PROTOCOL, seed, settings)
    simulation.begin()
    simulation.run(500)
    return {node.order for node in simulation.nodes.values()}


@pytest.mark.parametrize("messages", ["oral", "signed"])
@pytest.mark.parametrize("seed", range(5))
def test_generals_obey_while_rounds_are_longer_than_delays(messages: str, seed: int) -> None:
    assert simulated(seed, messages) == {ATTACK}


@pytest.mark.parametrize("messages", ["oral", "signed"])
def test_a_network_that_loses_messages_makes_traitors_of_the_loyal(messages: str) -> None:
    def broken(seed: int) -> bool:
        try:
            simulated(seed, messages, "loss")
        except Broken:
            return True
        return False

    assert any(broken(seed) for seed in range(100))


# ---- the folder ----


@pytest.mark.parametrize(("messages", "m", "n"), [("oral", 1, 3), ("oral", 2, 6), ("signed", 2, 3)])
def test_too_few_generals_for_m_are_refused(messages: str, m: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{m} traitors and {messages} messages take {n + 1}"):
        PROTOCOL.make(1, tuple(range(1, n + 1)), messages=messages, m=m)


def test_the_protocol_can_be_loaded_shown_and_sent() -> None:
    assert load("byzantine") is PROTOCOL
    general = PROTOCOL.make(2, (1, 2, 3, 4), messages="signed", m=2)
    general.on_message(1, Signed(ATTACK, (1,)), Outbox(2))
    shown = PROTOCOL.view(general)
    assert (shown.role, shown.leader, dict(shown.facts)["V"]) == ("lieutenant", 1, ATTACK)
    assert PROTOCOL.view(PROTOCOL.make(1, (1, 2, 3, 4))).role == "commander"
    for message in (Oral(ATTACK, (1, 2)), Signed(RETREAT, (1, 3))):
        assert PROTOCOL.codec.decode(PROTOCOL.codec.encode(message)) == message


def test_a_general_who_decided_stays_decided_after_a_restart() -> None:
    general = OralGeneral(1, (1, 2, 3, 4), 1, ATTACK)
    out = Outbox(1)
    general.on_start(out)
    general.on_start(out)
    assert len(out.sent) == 3


def test_the_run_on_the_page_is_the_one_that_the_checker_finds() -> None:
    page = Path(__file__).parents[3] / "docs" / "byzantine.md"
    report = breadth_first(space_of(three_generals(), PROTOCOL.promises))
    again = "put there what is printed by: comitia check byzantine three_generals"
    assert f"```text\n{report.story}\n```" in page.read_text(), again
