"""Small worlds of ABD."""

from __future__ import annotations

from functools import partial

from comitia.kernel import Model
from comitia.kernel.model import Nodes
from comitia.protocols.abd.messages import ReadRegister, WriteRegister
from comitia.protocols.abd.node import Abd
from comitia.quorums import Majority, QuorumSystem

KEY = b"k"


def racing(system: QuorumSystem, node: type[Abd] = Abd, crashes: int = 0) -> Model:
    """Two members write, each its own value; nobody asks again."""
    voters = tuple(system)
    first, second = voters[0], voters[-1]

    def idle(nodes: Nodes) -> bool:
        return all(not member.operations for member in nodes.values())

    return Model(
        nodes={id: partial(node, id, voters, system) for id in voters},
        clients=(
            ((first, WriteRegister(1, KEY, b"a")), (first, ReadRegister(2, KEY))),
            ((second, WriteRegister(3, KEY, b"b")),),
        ),
        crashes=crashes,
        sometimes={"everybody is answered": idle},
    )


def writers(members: int = 2) -> Model:
    """Two writers and a read, over majorities."""
    return racing(Majority(range(1, members + 1)))
