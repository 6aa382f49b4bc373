"""Handshakes as bounded models: each of them breaks something, which is the theorem."""

from __future__ import annotations

from functools import partial

from comitia.kernel import Model
from comitia.kernel.model import Nodes
from comitia.protocols.two_generals.general import ATTACK, General, awaited

GENERALS = (1, 2)
TOGETHER = "both attack"


def handshake(
    messengers: int, first: frozenset[int], second: frozenset[int], breaks: str = ""
) -> Model:
    """`messengers` in all; `first` and `second` say after how many received who attacks."""
    rules = dict(zip(GENERALS, (first, second), strict=True))
    return Model(
        nodes={
            id: partial(General, id, GENERALS, messengers, attacks_after)
            for id, attacks_after in rules.items()
        },
        sometimes={TOGETHER: both_attack},
        breaks=breaks,
    )


def both_attack(nodes: Nodes) -> bool:
    """Did it come to the victory for which all this is done?"""
    return all(general.decision == ATTACK for general in nodes.values())


def cautious(messengers: int = 3) -> Model:
    """Attack when all that one awaits have come: losing the last one leaves its sender alone."""
    first, second = (frozenset((awaited(messengers, is_first),)) for is_first in (True, False))
    return handshake(messengers, first, second, breaks="AttackTogether")


def hopeful(messengers: int = 3) -> Model:
    """The first attacks whatever comes, the second when it was told: losing the first is enough."""
    first = frozenset(range(awaited(messengers, True) + 1))
    second = frozenset(range(1, awaited(messengers, False) + 1))
    return handshake(messengers, first, second, breaks="AttackTogether")


def stubborn(messengers: int = 3) -> Model:
    """Nobody ever attacks: safe, and of no use."""
    return handshake(messengers, frozenset(), frozenset(), breaks=f"sometimes {TOGETHER}")
