"""OM(m) as bounded models: every order of messages, every lie of one traitor.

Nobody is silent, so a round ends when all that is due has come and no clock is needed; what silence
does is in `adversary.py`, as is SM(m), which cannot do without clocks.
"""

from __future__ import annotations

from functools import partial
from itertools import permutations

from comitia.kernel import Message, Model, Node, NodeId, Out, Request
from comitia.kernel.model import Nodes, Script
from comitia.protocols.byzantine.general import General
from comitia.protocols.byzantine.messages import ATTACK, RETREAT, Oral
from comitia.protocols.byzantine.oral import OralGeneral


class Say(Request):
    """Asks a traitor to say `message` to `to`."""

    to: NodeId
    message: Oral


class Traitor(Node):
    """Says whatever it is asked to, once along each path to each general."""

    said: frozenset[tuple[NodeId, tuple[NodeId, ...]]]

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.said = frozenset()

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        """What it hears does not bind it."""

    def on_request(self, request: Request, out: Out) -> None:
        assert isinstance(request, Say)
        place = (request.to, request.message.path)
        if place in self.said:
            out.refuse(request, "said something else already")
            return
        self.said |= {place}
        out.send(request.to, request.message)
        out.answer(request, None)


def oral(generals: int = 4, m: int = 1, traitor: int = 4, command: str = ATTACK) -> Model:
    """OM(m) with one traitor, who may be the commander (1)."""
    ids = tuple(range(1, generals + 1))
    nodes = {id: partial(_general, id, ids, m, command) for id in ids if id != traitor}
    return Model(
        nodes={**nodes, traitor: partial(Traitor, traitor)},
        clients=tuple(_lies(ids, m, traitor)),
        sometimes={"all decide": all_decide},
    )


def three_generals() -> Model:
    """Three generals cannot cope with one traitor (section 2): the second lieutenant lies."""
    model = oral(generals=3, traitor=3)
    return Model(model.nodes, model.clients, sometimes=model.sometimes, breaks="IC2")


def all_decide(nodes: Nodes) -> bool:
    """Has every loyal general an order to obey?"""
    return all(node.order is not None for node in nodes.values() if isinstance(node, General))


def _general(id: NodeId, ids: tuple[NodeId, ...], m: int, command: str) -> Node:
    return OralGeneral(id, ids, m, command, round_ms=None)


def _lies(ids: tuple[NodeId, ...], m: int, traitor: NodeId) -> list[Script]:
    """One client for each thing that the traitor may say."""
    commander, *lieutenants = ids
    paths: list[tuple[NodeId, ...]] = [(commander,)] if traitor == commander else []
    if traitor != commander:
        others = [j for j in lieutenants if j != traitor]
        for between in range(m):
            paths += [(commander, *way, traitor) for way in permutations(others, between)]
    return [
        ((traitor, Say(to, Oral(value, path))),)
        for path in paths
        for to in lieutenants
        if to not in path
        for value in (ATTACK, RETREAT)
    ]
