"""Mutants: a protocol with one line broken.  A simulator that does not notice proves nothing.

def counts_twice(self, src, message, out): ...      # the broken line

MUTANTS = [
    Mutant("votes are counted by message", Raft, on_request_vote_response=counts_twice),
]

@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_simulator_kills_every_mutant(mutant):
    print(kill(PROTOCOL, mutant, seeds=2000))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from comitia.kernel import Node, NodeId, Protocol
from comitia.sim.run import Failure, Settings, simulate


class Mutant:
    """A class of nodes with some attributes replaced."""

    def __init__(self, says: str, node: type[Node], **broken: Any) -> None:
        """`says` what is broken; `broken` are the attributes of the subclass, by name."""
        assert broken, "a mutant differs in something"
        for name in broken:
            assert hasattr(node, name), f"{node.__name__} has no {name} to break"
        self.says, self.node = says, node
        self.broken: type[Node] = type(f"Mutant{node.__name__}", (node,), broken)

    def __str__(self) -> str:
        return self.says

    def infect(self, protocol: Protocol) -> Protocol:
        """Return `protocol` with every node of the class, or of a subclass, mutated."""
        make, node, broken = protocol.make, self.node, self.broken

        def mutated(id: NodeId, voters: tuple[NodeId, ...], **options: Any) -> Node:
            made = make(id, voters, **options)
            if isinstance(made, node):
                made.__class__ = broken
            return made

        return replace(protocol, make=mutated)


class Survived(AssertionError):
    """No seed killed the mutant: the simulator, or the promises, do not see this mistake."""


def kill(
    protocol: Protocol,
    mutant: Mutant,
    seeds: int,
    settings: Settings | None = None,
    by: Callable[[Failure], bool] = lambda failure: True,
) -> Failure:
    """Return the first failure that the mutant shows; its seed says how many it took.

    Raises Survived after `seeds`.  `by` says which failures count.
    """
    infected = mutant.infect(protocol)
    for seed in range(seeds):
        failure = simulate(infected, seed, settings).failure
        if failure is not None and by(failure):
            return failure
    raise Survived(f"{mutant.says}: survived {seeds} seeds")
