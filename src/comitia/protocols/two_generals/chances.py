"""How unlikely a lone attack can be made, when each messenger is caught with the same chance."""

from __future__ import annotations

from fractions import Fraction


def chance_of_lone_attack(handshake: int, loss: Fraction) -> Fraction:
    """For generals who attack when all they await have come.

    A messenger leaves only when the one before came, so one at most is caught; only when it is the
    last have its sender and receiver seen different things that matter: all came, and not all.
    """
    assert handshake >= 1
    assert 0 <= loss <= 1
    return (1 - loss) ** (handshake - 1) * loss


def chance_of_lone_attack_with_copies(copies: int, loss: Fraction) -> Fraction:
    """For a first general who sends `copies` at once and attacks; all must be caught."""
    assert copies >= 1
    assert 0 <= loss <= 1
    return loss**copies
