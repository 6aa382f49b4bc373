"""What is asked of coordinated attack; no protocol keeps both while it ever attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from comitia.kernel import Broken, NodeId, Promise
from comitia.protocols.two_generals.general import ATTACK, General


class AttackTogether(Promise):
    """Both attack or none does."""

    watch: ClassVar[tuple[str, ...]] = ("decision",)

    def on_step(self, node: General, nodes: Mapping[NodeId, General]) -> None:
        decisions = {general.decision for general in nodes.values()}
        if len(decisions) == 2 and None not in decisions:
            alone = next(g.id for g in nodes.values() if g.decision == ATTACK)
            raise Broken(f"n{alone} attacks alone")


class NoAttackUnasked(Promise):
    """The second general attacks only if some messenger told it to."""

    watch: ClassVar[tuple[str, ...]] = ("decision",)

    def on_step(self, node: General, nodes: Mapping[NodeId, General]) -> None:
        if not node.first and node.decision == ATTACK and not node.received:
            raise Broken(f"n{node.id} attacks, and nobody told it to")


PROMISES: tuple[Callable[[], Promise], ...] = (AttackTogether, NoAttackUnasked)
