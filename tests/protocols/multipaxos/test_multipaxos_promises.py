"""Multi-Paxos' promises themselves: what they must let pass, and what they must not."""

from __future__ import annotations

import pytest
from deliveries import same_in_order
from multipaxos_world import PaxosWorld, pvalue

from comitia.kernel import Ballot, Broken, Log, Propose, Read
from comitia.protocols.multipaxos import MultiPaxos
from comitia.protocols.multipaxos.messages import Configuration, PValue
from comitia.protocols.multipaxos.promises import (
    BallotsLeadOnce,
    ChosenStays,
    ConfigurationsAgree,
    LeasesExclude,
    NothingInvented,
    OneCommandABallot,
    PerformedAgree,
    PromisesGrow,
)


def members() -> dict[int, MultiPaxos]:
    return PaxosWorld(leader=0).nodes


def holding(node: MultiPaxos, *pvalues: PValue, performed: int = 0) -> MultiPaxos:
    """`node`, which holds these from slot 1 on, has promised the highest, and performed some."""
    node.accepted = Log(pvalues)
    node.ballot_num = max(held.ballot_num for held in pvalues)
    node.slot_out = performed + 1
    return node


@pytest.mark.parametrize("name", ["ballot_num", "leader_ballot_num", "slot_out"])
def test_what_falls_is_caught_unless_a_crash_took_it_back(name: str) -> None:
    promise, nodes = PromisesGrow(), members()
    node = nodes[1]
    node.ballot_num = node.leader_ballot_num = Ballot(2, 1)
    node.slot_out = 2
    promise.on_step(node, nodes)
    setattr(node, name, 1 if name == "slot_out" else Ballot(1, 3))
    with pytest.raises(Broken, match=r"n1: its .* fell from"):
        promise.on_step(node, nodes)
    promise.on_restart(node)
    promise.on_step(node, nodes)


def test_a_ballot_is_led_by_one_member_in_one_life() -> None:
    promise, nodes = BallotsLeadOnce(), members()
    for id in (1, 2):
        nodes[id].active, nodes[id].leader_ballot_num = True, Ballot(1, id)
        promise.on_step(nodes[id], nodes)
    nodes[3].leader_ballot_num = Ballot(1, 1)
    promise.on_step(nodes[3], nodes)  # it only tries to
    nodes[1].lifetime += 1
    with pytest.raises(Broken, match="both lead"):
        promise.on_step(nodes[1], nodes)


def test_one_command_is_accepted_in_a_ballot_for_a_slot() -> None:
    promise, nodes = OneCommandABallot(), members()
    promise.on_step(holding(nodes[1], pvalue(1, 1, 1, "a")), nodes)
    promise.on_step(holding(nodes[2], pvalue(2, 2, 1, "b")), nodes)
    with pytest.raises(Broken, match=r"n3 accepts .*'b'.*, another .*'a'"):
        promise.on_step(holding(nodes[3], pvalue(1, 1, 1, "b")), nodes)


def test_an_acceptor_takes_later_ballots_only_and_none_that_it_has_not_promised() -> None:
    promise, nodes = OneCommandABallot(), members()
    for round in (1, 2):
        promise.on_step(holding(nodes[1], pvalue(round, 1, 1, "a")), nodes)
    with pytest.raises(Broken, match=r"n1 holds .* instead of"):
        promise.on_step(holding(nodes[1], pvalue(1, 1, 1, "a")), nodes)
    holding(nodes[2], pvalue(2, 1, 1, "a")).ballot_num = Ballot(1, 1)
    with pytest.raises(Broken, match=r"n2 accepts .* and has promised only"):
        promise.on_step(nodes[2], nodes)


def test_a_later_ballot_proposes_what_is_decided_and_an_earlier_may_hold_another() -> None:
    promise, nodes = ChosenStays(), members()
    promise.on_step(holding(nodes[1], pvalue(2, 1, 1, "a"), performed=1), nodes)
    promise.on_step(holding(nodes[2], pvalue(1, 2, 1, "b")), nodes)
    promise.on_step(holding(nodes[2], pvalue(3, 2, 1, "a")), nodes)
    with pytest.raises(Broken, match=r"'a'.* is decided, and n3 holds .*'b'"):
        promise.on_step(holding(nodes[3], pvalue(3, 3, 1, "b")), nodes)


def test_what_is_decided_late_is_compared_with_what_was_proposed_meanwhile() -> None:
    promise, nodes = ChosenStays(), members()
    promise.on_step(holding(nodes[3], pvalue(3, 3, 1, "b")), nodes)
    with pytest.raises(Broken, match="is decided, and"):
        promise.on_step(holding(nodes[1], pvalue(2, 1, 1, "a"), performed=1), nodes)


def test_everybody_performs_the_same_in_order() -> None:
    same_in_order(PerformedAgree())


def test_a_configuration_is_the_same_for_everybody_who_knows_it() -> None:
    promise, nodes = ConfigurationsAgree(), members()
    nodes[1].configurations = (Configuration(1, (1, 2, 3)), Configuration(9, (1, 2)))
    nodes[2].configurations = (Configuration(9, (1, 2)),)
    nodes[3].configurations = (Configuration(9, (2, 3)),)
    for id in (1, 2):
        promise.on_step(nodes[id], nodes)
    with pytest.raises(Broken, match=r"n3 knows .* another"):
        promise.on_step(nodes[3], nodes)


def test_nobody_performs_what_nobody_proposed_except_what_says_nothing() -> None:
    promise = NothingInvented()
    promise.on_request(2, Propose(b"x"))
    promise.on_deliver(1, 1, b"x")
    promise.on_deliver(1, 2, b"")
    with pytest.raises(Broken, match="n1 performs b'y' at 3, which nobody proposed"):
        promise.on_deliver(1, 3, b"y")


def test_a_read_under_a_lease_shows_what_anybody_had_performed() -> None:
    promise, read = LeasesExclude(), Read(1)
    promise.on_deliver(1, 1, b"x")
    for node in (2, 3):
        promise.on_request(node, read)
    promise.on_deliver(1, 2, b"y")
    promise.on_answer(2, read, 1)
    with pytest.raises(Broken, match="n3 serves a read at 0; 1 was known before it began"):
        promise.on_answer(3, read, 0)
