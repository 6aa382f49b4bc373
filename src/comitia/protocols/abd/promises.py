"""What ABD promises, besides linearizability, of which histories are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from comitia.kernel import Broken, NodeId, Promise, Table
from comitia.protocols.abd.messages import Key, Timestamp, Value


class OneValueATimestamp(Promise):
    """Copies with one timestamp hold one value, on whatever replicas and in whatever lifetimes."""

    watch: ClassVar = ("registers",)

    def __init__(self) -> None:
        self.values: Table[tuple[Key, Timestamp], Value] = Table()

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        for key, tagged in node.registers.items():
            at = (key, tagged.timestamp)
            if at not in self.values:
                self.values = self.values.set(at, tagged.value)
            elif self.values[at] != tagged.value:
                raise Broken(
                    f"{key!r} at {tagged.timestamp} is {tagged.value!r} at n{node.id}, "
                    f"{self.values[at]!r} elsewhere"
                )
