"""Both laws are checked, and the checks do catch who breaks them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from comitia.kernel import Log, Node
from comitia.kernel.laws import DiskBeforeWire, LawBroken, ValuesLaw
from comitia.kernel.stable import StableCodec


class Voter(Node):
    stable: ClassVar = ("term",)
    term: int

    def __init__(self) -> None:
        super().__init__(1)
        self.term = 0
        self.votes: Any = frozenset()
        self.log: Log[int] = Log([1, 2])


def test_a_step_that_rebinds_obeys_the_law_of_values() -> None:
    node = Voter()
    law = ValuesLaw(node)
    node.votes |= {2}
    node.log = node.log.append([3])
    law.check()


def test_a_mutable_attribute_is_named_before_the_step() -> None:
    node = Voter()
    node.votes = {1}
    with pytest.raises(LawBroken, match=r"Voter\.votes"):
        ValuesLaw(node)


def test_a_mutable_value_bound_by_the_step_is_named() -> None:
    node = Voter()
    law = ValuesLaw(node)
    node.votes = [1]
    with pytest.raises(LawBroken, match=r"Voter\.votes"):
        law.check()


def test_a_log_changed_in_place_is_named_although_it_remembers_its_hash() -> None:
    node = Voter()
    hash(node.log)
    law = ValuesLaw(node)
    node.log._backing[0] = 9
    with pytest.raises(LawBroken, match=r"Voter\.log was changed in place"):
        law.check()


def test_a_value_changed_in_place_and_then_rebound_is_still_caught() -> None:
    node = Voter()
    law = ValuesLaw(node)
    node.log._backing[0] = 9
    node.log = Log([1, 2])
    with pytest.raises(LawBroken, match="changed in place"):
        law.check()


def test_a_message_that_overtakes_the_disk_is_caught() -> None:
    node, witness = Voter(), DiskBeforeWire(StableCodec(Voter))
    with pytest.raises(LawBroken, match=r"Voter\.term"):
        witness.on_release(node)
    witness.on_durable((0,))
    witness.on_release(node)
    node.term = 1
    with pytest.raises(LawBroken, match=r"term is 1, the disk holds 0"):
        witness.on_release(node)
    witness.on_durable((1,))
    witness.on_release(node)


def test_a_clone_shares_values_and_not_its_bindings() -> None:
    node = Voter()
    twin = node.clone()
    twin.term = 5
    assert (node.term, twin.term) == (0, 5)
    assert twin.log is node.log
