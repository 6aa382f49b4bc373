"""A small single-decree Paxos (Lamport, Paxos Made Simple, 2001, section 2), and wrong ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar

from comitia.kernel import (
    ZERO,
    Ballot,
    Broken,
    Message,
    Model,
    Network,
    Node,
    NodeId,
    Out,
    Promise,
    Slot,
    Symmetry,
    Timer,
)


class Prepare(Message):
    n: Ballot


class Promised(Message):
    n: Ballot
    vbal: Ballot
    val: bytes


class Accept(Message):
    n: Ballot
    v: bytes


class Accepted(Message):
    n: Ballot


class Acceptor(Node):
    stable: ClassVar = ("max_bal", "max_vbal", "max_val")

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.max_bal, self.max_vbal, self.max_val = ZERO, ZERO, b""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare(n) if n > self.max_bal:
                self.max_bal = n
                out.send(src, Promised(n, self.max_vbal, self.max_val))
            case Accept(n, v) if n >= self.max_bal:
                self.max_bal = self.max_vbal = n
                self.max_val = v
                out.send(src, Accepted(n))


class Forgetful(Acceptor):
    """Its promise does not survive a crash."""

    stable: ClassVar = ("max_vbal", "max_val")


class Proposer(Node):
    stable: ClassVar = ("n",)

    def __init__(self, id: NodeId, acceptors: tuple[NodeId, ...], quorum: int, wish: bytes) -> None:
        super().__init__(id)
        self.acceptors, self.quorum, self.wish = acceptors, quorum, wish
        self.n, self.v, self.done = ZERO, b"", False
        self.promises: frozenset[tuple[NodeId, Ballot, bytes]] = frozenset()
        self.votes: frozenset[NodeId] = frozenset()

    def on_start(self, out: Out) -> None:
        out.set_timer("propose", after=(100, 200))

    def on_timer(self, timer: Timer, out: Out) -> None:
        self.n, self.v = self.n.next(self.id), b""
        self.promises, self.votes = frozenset(), frozenset()
        out.broadcast(self.acceptors, Prepare(self.n))
        out.set_timer("propose", after=(100, 200))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Promised(n, vbal, val) if n == self.n and not self.v:
                self.promises |= {(src, vbal, val)}
                if len({acceptor for acceptor, _, _ in self.promises}) >= self.quorum:
                    self.v = self.choose() or self.wish
                    out.broadcast(self.acceptors, Accept(n, self.v))
            case Accepted(n) if n == self.n and self.v and not self.done:
                self.votes |= {src}
                if len(self.votes) >= self.quorum:
                    self.done = True
                    out.cancel_timer("propose")
                    out.deliver(1, self.v)

    def choose(self) -> bytes:
        """The value of the highest-numbered proposal among the answers."""
        return max((vbal, val) for _, vbal, val in self.promises)[1]


class Greedy(Proposer):
    """Takes the value that most acceptors report, not the one of the highest ballot."""

    def choose(self) -> bytes:
        values = sorted(val for _, _, val in self.promises if val)
        return max(values, key=values.count, default=b"")


class Stubborn(Proposer):
    """Ignores what the acceptors report."""

    def choose(self) -> bytes:
        return b""


class Agreement(Promise):
    """No two different values are decided."""

    def __init__(self) -> None:
        self.decided: frozenset[bytes] = frozenset()

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        self.decided |= {value}
        if len(self.decided) > 1:
            raise Broken(f"n{node} decided {value!r}, another {sorted(self.decided - {value})}")


def synod(
    acceptors: int = 3,
    proposers: int = 2,
    ballots: int = 1,
    quorum: int = 0,
    crashes: int = 0,
    *,
    acceptor: type[Acceptor] = Acceptor,
    proposer: type[Proposer] = Proposer,
    network: Network = Network.SET,
    symmetric: bool = False,
) -> Model:
    ids = tuple(range(1, acceptors + 1))
    need = quorum or acceptors // 2 + 1
    nodes: dict[NodeId, partial[Node]] = {id: partial(acceptor, id) for id in ids}
    for k in range(proposers):
        id = acceptors + 1 + k
        nodes[id] = partial(proposer, id, ids, need, b"xyz"[k : k + 1])
    return Model(
        nodes,
        within=lambda node: not isinstance(node, Proposer) or node.n.round <= ballots,
        network=network,
        crashes=crashes,
        promises=(Agreement,),
        sometimes={"decided": lambda up: any(getattr(n, "done", False) for n in up.values())},
        symmetry=Symmetry(frozenset(ids), {Proposer: _renamed}) if symmetric else None,
    )


def undead() -> Model:
    """Claims that nobody reads who has voted."""
    return replace(synod(), dead={Proposer: lambda proposer: {"votes": frozenset()}})


def _renamed(proposer: Proposer, new: object) -> Mapping[str, object]:
    assert callable(new)
    promises: Iterable[tuple[NodeId, Ballot, bytes]] = proposer.promises
    return {
        "promises": frozenset((new(a), vbal, val) for a, vbal, val in promises),
        "votes": frozenset(map(new, proposer.votes)),
    }
