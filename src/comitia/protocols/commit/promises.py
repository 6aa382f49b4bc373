"""What atomic commitment promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comitia.kernel import Broken, NodeId, Promise
from comitia.protocols.commit.messages import ABORTED, COMMITTED


class Consistency(Promise):
    """No resource manager commits while another aborts."""

    def __init__(self) -> None:
        self.committed = self.aborted = 0

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if not hasattr(node, "willing"):
            return
        if node.state == COMMITTED:
            self.committed = self.committed or node.id
        elif node.state == ABORTED:
            self.aborted = self.aborted or node.id
        if self.committed and self.aborted:
            raise Broken(f"n{self.committed} has committed, n{self.aborted} has aborted")
