"""Raft's servers, driven by hand: elections by name, and terms."""

from __future__ import annotations

from typing import Any, ClassVar

from hand_world import HandWorld

from comitia.kernel import NodeId
from comitia.protocols.raft import PROTOCOL, Options, Raft


class World(HandWorld):
    """Servers 1 to `size`, and whoever is started later; nobody leads yet."""

    usual: ClassVar[type[Raft]] = Raft
    """What the servers are: a test of mutants puts one here."""

    def __init__(self, size: int = 3, **options: Any) -> None:
        server, chosen = self.usual, Options(**options)
        super().__init__(PROTOCOL, size, lambda id, voters: server(id, voters, chosen))

    def expire(self, id: NodeId) -> None:
        """`id` hears nobody for an election timeout; what it says then is lost."""
        before = list(self.flying)
        self.fire(id, "quorum" if self.nodes[id].role == "leader" else "election", settle=False)
        self.flying = before

    def stand(self, id: NodeId) -> Raft:
        """Everybody hears nobody for long, and `id` is the first to be heard after that."""
        node: Raft = self.nodes[id]
        for other in sorted(self.nodes):
            while self.nodes[other].role == "leader" and other != id:
                self.expire(other)
            if other != id:
                self.expire(other)
        if node.role != "leader":
            self.fire(id, "election")
        assert node.role == "leader", f"n{id} is {node.role} in term {node.current_term}"
        self.beat(id)
        return node

    def overtake(self, id: NodeId) -> None:
        """`id` is elected while a leader that is cut off does not know."""
        for other in sorted(self.nodes):
            if self.nodes[other].role != "leader":
                self.expire(other)
        self.fire(id, "election")
        assert self.nodes[id].role == "leader"

    def beat(self, id: NodeId) -> None:
        """A round of heartbeats, answered."""
        self.fire(id, "heartbeat")

    def terms(self, id: NodeId) -> list[int]:
        return [entry.term for entry in self.nodes[id].log][1:]
