"""What Synod and Fast Paxos promise (Paxos Made Simple, section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from comitia.kernel import ZERO, Broken, NodeId, Promise, Request, Slot
from comitia.protocols.paxos.messages import NO_ROUND, Decide, Value
from comitia.protocols.paxos.picking import Vote, chosen, fast_majority
from comitia.quorums import QuorumSystem


class Agreement(Promise):
    """Only a single value is chosen: whoever learns one, before or after a crash, learns it."""

    def __init__(self) -> None:
        self.learnt: tuple[NodeId, Value] | None = None

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if self.learnt is None:
            self.learnt = (node, value)
        first, chosen = self.learnt
        if value != chosen:
            raise Broken(f"n{first} learnt {chosen!r}, n{node} learnt {value!r}")


class Nontriviality(Promise):
    """Only a value that has been proposed may be chosen."""

    def __init__(self) -> None:
        self.proposed: frozenset[Value] = frozenset()

    def on_request(self, node: NodeId, request: Request) -> None:
        if isinstance(request, Decide) and request.value is not None:
            self.proposed |= {request.value}

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if value not in self.proposed:
            raise Broken(f"n{node} learnt {value!r}, which nobody proposed")


class Chosen(Promise):
    """Only a single value is chosen, whether or not anybody learns it.

    Stricter than `Agreement` and told earlier: a value is chosen when a write quorum has accepted
    it in one ballot.
    """

    watch: ClassVar = ("max_vbal",)

    def __init__(self, system: QuorumSystem) -> None:
        self.system = system
        self.votes: frozenset[tuple[Any, Value, NodeId]] = frozenset()
        self.chosen: Value | None = None

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if getattr(node, "max_vbal", ZERO) == ZERO:
            return
        n, v = node.max_vbal, node.max_val
        self.votes |= {(n, v, node.id)}
        voters = {acceptor for ballot, value, acceptor in self.votes if (ballot, value) == (n, v)}
        if self.system.is_write_quorum(voters):
            if self.chosen is not None and self.chosen != v:
                raise Broken(f"{self.chosen!r} was chosen, and now {v!r} is, in ballot {n}")
            self.chosen = v


class FastChosen(Promise):
    """Only a single value is chosen by votes of Fast Paxos, whether or not anybody learns it."""

    watch: ClassVar = ("vrnd",)

    def __init__(self, system: QuorumSystem, fast: QuorumSystem | None) -> None:
        """`fast`: the quorums of fast rounds; the fewest votes that are safe unless given."""
        self.system = system
        self.fast = fast_majority(system) if fast is None else fast
        self.votes: frozenset[Vote] = frozenset()
        self.chosen: Value | None = None

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        if node.vrnd == NO_ROUND:
            return
        self.votes |= {(node.id, node.vrnd, node.vval)}
        cast = [vote for vote in self.votes if vote[1] == node.vrnd]
        v = chosen(cast, self.fast if node.vrnd.fast else self.system)
        if v is not None:
            if self.chosen is not None and self.chosen != v:
                raise Broken(f"{self.chosen!r} was chosen, and now {v!r} is, in {node.vrnd}")
            self.chosen = v
