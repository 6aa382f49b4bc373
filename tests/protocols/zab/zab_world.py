"""ZAB's servers, driven by hand: messages that are caught on their way, crashes between writes."""

from __future__ import annotations

from typing import Any, ClassVar

from hand_world import Flying, HandWorld

from comitia.kernel import Message, NodeId
from comitia.kernel.stable import StableCodec
from comitia.protocols.zab import PROTOCOL, Options, ZabServer
from comitia.protocols.zab.messages import counter_of, epoch_of


class World(HandWorld):
    """Servers 1 to `size`, and whoever is started later; nobody leads yet."""

    usual: ClassVar[type[ZabServer]] = ZabServer
    """What the servers are: a test of mutants puts one here."""

    def __init__(self, size: int = 3, **options: Any) -> None:
        server, chosen = self.usual, Options(**options)
        self.catching: list[tuple[type[Message], NodeId]] = []
        self.caught: list[Flying] = []
        super().__init__(PROTOCOL, size, lambda id, voters: server(id, voters, chosen))

    def catch(self, kind: type[Message], to: NodeId) -> None:
        """From now on what is of this type and goes to `to` is kept from it, in `caught`."""
        self.catching.append((kind, to))

    def catch_nothing(self) -> None:
        self.catching, self.caught = [], []

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        if any(isinstance(message, kind) and to == whom for kind, whom in self.catching):
            self.caught.append((src, to, message))
        else:
            super().fly(src, to, message)

    def lead(self, id: NodeId) -> ZabServer:
        """Let time pass until `id` leads by itself, and whoever is up follows."""
        node: ZabServer = self.nodes[id]
        self.elapse(lambda: node.leader == id and not self.flying)
        return node

    def crash_between(self, flying: Flying) -> None:
        """Its receiver handles the message and dies between the writes that it does apart; before
        all of them, if it does them at once.
        """
        id = flying[1]
        node = self.nodes[id]
        names = StableCodec(type(node)).names
        halfway = dict(zip(names, self.disk[id], strict=True))
        self.deliver(flying)
        for group in node.apart:
            halfway.update((name, getattr(node, name)) for name in group)
        self.disk[id] = tuple(halfway[name] for name in names)
        self.flying = [f for f in self.flying if f[0] != id]
        self.crash(id)

    def zxids(self, id: NodeId) -> list[tuple[int, int]]:
        """The history of `id`, as epochs and counters."""
        zxids = [txn.zxid for txn in self.nodes[id].history][1:]
        return [(epoch_of(zxid), counter_of(zxid)) for zxid in zxids]
