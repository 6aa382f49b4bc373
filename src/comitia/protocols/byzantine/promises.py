"""Interactive consistency (section 1): what loyal generals owe each other.

A traitor is any node that is no `General`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from comitia.kernel import Broken, NodeId, Promise
from comitia.protocols.byzantine.general import General


class IC1(Promise):
    """All loyal lieutenants obey the same order."""

    watch: ClassVar[tuple[str, ...]] = ("order",)

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        obeyed = {
            id: general.order
            for id, general in nodes.items()
            if isinstance(general, General) and id != general.commander and general.order
        }
        if len(set(obeyed.values())) > 1:
            told = ", ".join(f"n{id} {order}" for id, order in sorted(obeyed.items()))
            raise Broken(f"loyal lieutenants obey different orders: {told}")


class IC2(Promise):
    """If the commander is loyal, every loyal lieutenant obeys the order he sends."""

    watch: ClassVar[tuple[str, ...]] = ("order",)

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if not isinstance(node, General) or node.order is None:
            return
        commander = nodes.get(node.commander)
        if isinstance(commander, General) and node.order != commander.command:
            raise Broken(
                f"n{node.id} obeys {node.order}, its loyal commander ordered {commander.command}"
            )


PROMISES: tuple[Callable[[], Promise], ...] = (IC1, IC2)
