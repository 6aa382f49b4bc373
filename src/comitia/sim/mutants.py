"""Mutants: a protocol with one line broken.  A simulator that does not notice proves nothing.

MUTANTS = [
    edited("acknowledgements of any term count", Raft.answering, "term != self", "term > self"),
    replaced("the vote is forgotten in a crash", stable=("current_term", "log")),
]

@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_every_mutant_is_killed(mutant):
    print(kill(PROTOCOL, mutant, seeds=2000))
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from comitia.kernel import Node, NodeId, Protocol
from comitia.sim.run import Failure, Settings, simulate


@dataclass(frozen=True)
class Mutant:
    """Some attributes of a class of nodes, broken."""

    says: str
    """What is broken, as a sentence."""
    attributes: dict[str, Any]
    """What a subclass overrides."""

    def __str__(self) -> str:
        return self.says

    def infect(self, protocol: Protocol) -> Protocol:
        """Return `protocol` with every node mutated that has all these attributes."""
        make, broken = protocol.make, self.attributes
        classes: dict[type[Node], type[Node]] = {}

        def mutated(id: NodeId, voters: tuple[NodeId, ...], **options: Any) -> Node:
            node = make(id, voters, **options)
            sane = type(node)
            if all(hasattr(sane, name) for name in broken):
                if sane not in classes:
                    classes[sane] = type(sane.__name__, (sane,), broken)
                node.__class__ = classes[sane]
            return node

        return replace(protocol, make=mutated)


def replaced(says: str, **attributes: Any) -> Mutant:
    """Return the mutant whose class has other attributes: methods, or what is stable."""
    return Mutant(says, attributes)


def edited(says: str, method: FunctionType, old: str, new: str) -> Mutant:
    """Return the mutant that has `new` in the source of `method`, once, where `old` was."""
    source = textwrap.dedent(inspect.getsource(method))
    assert source.count(old) == 1, f"{method.__qualname__} has {old!r} {source.count(old)} times"
    scope: dict[str, Any] = {}
    # Annotations stay text, as in the module that the method is from.
    flags = __future__.annotations.compiler_flag
    code = compile(source.replace(old, new), f"<mutant: {says}>", "exec", flags)
    exec(code, method.__globals__, scope)
    return Mutant(says, scope)


class Survived(AssertionError):
    """No seed killed the mutant: the simulator, or the promises, do not see this mistake."""


def kill(
    protocol: Protocol, mutant: Mutant, seeds: int, settings: Settings | None = None
) -> Failure:
    """Return the first failure that the mutant shows; its seed says how many runs it took.

    Raises Survived after `seeds`, AssertionError when the protocol fails at that seed without it.
    """
    infected = mutant.infect(protocol)
    for seed in range(seeds):
        failure = simulate(infected, seed, settings).failure
        if failure is not None:
            own = simulate(protocol, seed, settings).failure
            assert own is None, f"not the mutant's doing: {own}"
            return failure
    raise Survived(f"{mutant.says}: survived {seeds} seeds")
