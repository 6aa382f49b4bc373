"""What CASPaxos promises (section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from comitia.kernel import ZERO, Ballot, Broken, NodeId, Promise, Request, Table
from comitia.protocols.caspaxos.messages import Change, Key, State
from comitia.protocols.caspaxos.operation import ACCEPTING


class Chain(Promise):
    """Acknowledged states of a key form a chain of descendants.

    Once a client has its confirmation all later states descend from that one.  It does *not* hold
    that each acknowledged state is f(the acknowledged one before): states of unknown outcome may
    lie between them.
    """

    watch: ClassVar = ("operations",)

    def __init__(self) -> None:
        self.parents: Table[tuple[Key, Ballot], Ballot] = Table()
        self.carried: Table[tuple[NodeId, int], Ballot] = Table()  # by (node, token) of a change
        self.last: Table[Key, Ballot] = Table()  # the latest state acknowledged
        self.tombs: Table[Key, Ballot] = Table()  # the latest empty state proposed

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        for key, operation in getattr(node, "operations", Table()).items():
            if operation.phase != ACCEPTING:
                continue
            ballot = operation.ballot
            if (key, ballot) not in self.parents:
                # A register that was erased begins anew, and descends from its tombstone.
                base = operation.base
                if base == ZERO:
                    base = self.tombs.get(key, ZERO)
                self.parents = self.parents.set((key, ballot), base)
            if operation.state.value is None and ballot > self.tombs.get(key, ZERO):
                self.tombs = self.tombs.set(key, ballot)
            for request in operation.batch:
                if isinstance(request, Change):
                    self.carried = self.carried.set((node.id, request.token), ballot)

    def on_restart(self, node: Any) -> None:
        # Ballots that had not reached the disk were seen by nobody, and will be used again.
        for key, ballot in self.parents:
            if ballot.proposer == node.id and ballot.round > getattr(node, "round", 0):
                self.parents = self.parents.delete((key, ballot))

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        if not isinstance(request, Change):
            return
        key, ballot = request.key, self.carried.get((node, request.token), ZERO)
        if ballot == ZERO:
            raise Broken(f"n{node} acknowledges {request}, which was sent to no acceptor")
        last = self.last.get(key, ZERO)
        if not (self.descends(key, ballot, last) or self.descends(key, last, ballot)):
            raise Broken(
                f"n{node} acknowledges the state of {key!r} in ballot {ballot}, which neither "
                f"descends from the one acknowledged in {last} nor precedes it"
            )
        if ballot > last:
            self.last = self.last.set(key, ballot)

    def descends(self, key: Key, ballot: Ballot, ancestor: Ballot) -> bool:
        """Is the state of `ballot` the one of `ancestor`, or made from it?"""
        while ballot > ancestor:
            ballot = self.parents[key, ballot]
        return ballot == ancestor


class OneStateABallot(Promise):
    """Whatever two acceptors accepted in one ballot is the same state."""

    watch: ClassVar = ("registers",)

    def __init__(self) -> None:
        self.states: Table[tuple[Key, Ballot], State] = Table()

    def on_step(self, node: Any, nodes: Mapping[NodeId, Any]) -> None:
        for key, register in getattr(node, "registers", Table()).items():
            if register.ballot == ZERO:
                continue
            known = self.states.get((key, register.ballot))
            if known is None:
                self.states = self.states.set((key, register.ballot), register.state)
            elif known != register.state:
                raise Broken(
                    f"{key!r} in ballot {register.ballot}: {register.state} at n{node.id}, "
                    f"{known} elsewhere"
                )
