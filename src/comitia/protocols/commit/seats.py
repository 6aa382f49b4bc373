"""The seats of a party to many transactions: one role in one transaction, and what it keeps.

A seat is held by an instance of `TransactionManager`, `ResourceManager`, `Participant`, `Acceptor`
or `Leader`, which is made anew for each step, with the attributes that it had after the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comitia.kernel import ZERO, Ballot, Message, Node, NodeId, Out, Record, Request, Table, Timer
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    Begin,
    Of,
    Prepare,
    Start,
    Transaction,
)
from comitia.protocols.commit.paxos_commit import Acceptor, Leader, Participant, Vote
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.quorums import Majority

RESOURCE, MANAGER, ACCEPTOR, LEADER = "resource", "manager", "acceptor", "leader"
ENDS = {COMMITTED: "commit", ABORTED: "abort"}

Seat = tuple[NodeId, int, str]
"""(coordinator, number, role)."""


class Kept(Record):
    """What one role in one transaction has on disk."""

    about: Transaction
    state: str = ""
    bal: Ballot = ZERO
    votes: tuple[Vote, ...] = ()
    finished: bool = False
    """The owner of the part knows the outcome."""


class Within(Out):
    """What an instance says, put into the envelope of its transaction."""

    __slots__ = ("_about", "_out", "_parts", "_role")

    def __init__(
        self, out: Out, about: Transaction, role: str, parts: tuple[tuple[NodeId, bytes], ...]
    ) -> None:
        self._out, self._about, self._role, self._parts = out, about, role, parts

    def send(self, to: NodeId, message: Message) -> None:
        part = dict(self._parts).get(to, b"") if isinstance(message, Prepare) else b""
        self._out.send(to, Of(self._about, message, part))  # type: ignore[arg-type]

    def set_timer(self, timer: Timer, after: tuple[int, int]) -> None:
        self._out.set_timer(timer_of(self._about, self._role, timer), after)

    def cancel_timer(self, timer: Timer) -> None:
        self._out.cancel_timer(timer_of(self._about, self._role, timer))

    def answer(self, request: Request, result: object) -> None:
        assert isinstance(request, Begin)
        self._out.answer(Start(request.token, self._parts), result)


def kept_of(about: Transaction, node: Node, finished: bool) -> Kept:
    """Return what has to be kept of the instance `node`."""
    match node:
        case Acceptor():
            return Kept(about, "", node.bal, tuple(vote for _, vote in node.votes.items()))
        case Leader():
            # The outcome, too: a process that starts again need not learn it once more.
            return Kept(about, node.outcome, node.bal)
        case ResourceManager() | TransactionManager():
            return Kept(about, node.state, finished=finished)
    raise AssertionError(f"no role: {node!r}")


def restore(kept: Kept, node: Node) -> None:
    """Give a fresh instance what was kept."""
    match node:
        case Acceptor():
            node.bal = kept.bal
            node.votes = Table({vote[0]: vote for vote in kept.votes})
        case Leader():
            node.bal, node.outcome = kept.bal, kept.state
        case ResourceManager() | TransactionManager():
            node.state = kept.state


def timer_of(about: Transaction, role: str, timer: Timer) -> Timer:
    """Return the name under which this party has the timer of an instance."""
    return f"{about.coordinator} {about.number} {role} {timer}"


class Seats(Node):
    """Has instances take steps."""

    kept: Table[Seat, Kept]

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        patience_ms: tuple[int, int],
        ask_ms: tuple[int, int],
    ) -> None:
        super().__init__(id)
        self.voters, self.patience_ms, self.ask_ms = voters, patience_ms, ask_ms
        self.kept = Table()
        self.running: Table[Seat, tuple[tuple[str, Any], ...]] = Table()
        self.parts: Table[int, tuple[tuple[NodeId, bytes], ...]] = Table()
        """Of the transactions that were begun here in this life."""

    def open(self, about: Transaction, role: str, out: Out) -> None:
        """A role begins."""
        self.kept = self.kept.set(about.seat(role), kept_of(about, self.make(about, role), False))
        self.step(about, role, lambda node, within: node.on_start(within), out)

    def drop(self, seat: Seat) -> None:
        self.kept, self.running = self.kept.delete(seat), self.running.delete(seat)

    def hear(self, src: NodeId, about: Transaction, role: str, message: Message, out: Out) -> None:
        self.step(about, role, lambda node, within: node.on_message(src, message, within), out)

    def make(self, about: Transaction, role: str) -> Node:
        """Return the instance for `role` as it is before its first start."""
        if role == MANAGER:
            return TransactionManager(self.id, about.managers, self.patience_ms)
        if role == RESOURCE and not about.acceptors:
            return ResourceManager(self.id, about.coordinator, ask_ms=self.ask_ms)
        if role == ACCEPTOR:
            return Acceptor(self.id, about.acceptors)
        system = Majority(about.acceptors)
        if role == RESOURCE:
            return Participant(self.id, about.coordinator, system)
        return Leader(self.id, about.managers, system, self.patience_ms)

    def step(
        self, about: Transaction, role: str, act: Callable[[Node, Out], None], out: Out
    ) -> None:
        """Have the instance of `role` take a step, and keep what it is afterwards."""
        seat = about.seat(role)
        kept = self.kept[seat]
        node = self.make(about, role)
        memory = self.running.get(seat)
        if memory is not None:
            node.__dict__.update(memory)
        else:
            restore(kept, node)
        mine = about.coordinator == self.id
        act(node, Within(out, about, role, self.parts.get(about.number, ()) if mine else ()))
        self.running = self.running.set(seat, tuple(sorted(vars(node).items())))
        if (now := kept_of(about, node, kept.finished)) != kept:
            self.kept = self.kept.set(seat, now)
            if now.state in ENDS and now.state != kept.state:
                self.on_end(now, role, out)

    def on_end(self, kept: Kept, role: str, out: Out) -> None:
        """A role of a transaction here has come to know its outcome."""
        raise NotImplementedError
