"""A member of a replicated log: what hosts, front doors and operators rely on, for every protocol.

A replica serves `Propose` (on its leader), `Read` (on any member), `Compact`, `Reconfigure` and
`Transfer`, delivers decided values in order of their slots, and sends and installs snapshots.

Its class is put together from the sections of a paper, and each section says itself what it
handles:

    class Election(State):
        @fired("election")
        def on_election_timeout(self, out: Out) -> None: ...

        @received(RequestVote)
        def on_request_vote(self, src: NodeId, message: RequestVote, out: Out) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, TypeVar

from immutables import Map

from comitia.kernel.message import Message
from comitia.kernel.node import Node, NodeId, Out, Slot, Timer
from comitia.kernel.promise import Broken, Promise
from comitia.kernel.request import Compact, Propose, Read, Reconfigure, Request, Transfer

MAX_READS: Final = 1024
"""Reads that wait on one member; a host asks once for all clients of a turn."""

N = TypeVar("N")
M = TypeVar("M", bound=Message)


def received(
    kind: type[M],
) -> Callable[[Callable[[N, NodeId, M, Out], None]], Callable[[N, NodeId, M, Out], None]]:
    """Declare the method of a replica that handles messages of type `kind`."""

    def declare(
        handler: Callable[[N, NodeId, M, Out], None],
    ) -> Callable[[N, NodeId, M, Out], None]:
        vars(handler)["handles"] = kind
        return handler

    return declare


def fired(timer: Timer) -> Callable[[Callable[[N, Out], None]], Callable[[N, Out], None]]:
    """Declare the method of a replica that handles `timer`."""

    def declare(handler: Callable[[N, Out], None]) -> Callable[[N, Out], None]:
        vars(handler)["handles"] = timer
        return handler

    return declare


class Replica(Node):
    """A node of a leader-based replicated log."""

    handlers: ClassVar[Mapping[type[Message] | Timer, str]] = {}
    """The names of the methods that are declared to handle what is received and what has fired.

    Names, so that a subclass that overrides a method need not declare it again.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        handlers: dict[type[Message] | Timer, str] = {}
        for section in reversed(cls.__mro__):
            for name, value in vars(section).items():
                handled: type[Message] | Timer | None = getattr(value, "handles", None)
                if handled is not None and handlers.setdefault(handled, name) != name:
                    raise TypeError(f"both {handlers[handled]} and {name} handle {handled}")
        cls.handlers = handlers

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.questions: tuple[tuple[int, Read], ...] = ()
        """Reads that this member is to ask the leader about, each with its number, ascending."""
        self.sequence = 0
        """The last of these numbers.  One question stands for all reads before it."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        getattr(self, self.handlers[type(message)])(src, message, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        getattr(self, self.handlers[timer])(out)

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Propose():
                self.on_propose(request, out)
            case Read():
                self.on_read(request, out)
            case Compact():
                self.on_compact(request, out)
            case Reconfigure():
                self.on_reconfigure(request, out)
            case Transfer():
                self.on_transfer(request, out)
            case _:
                super().on_request(request, out)

    # Reads that wait for a leader's answer.

    def put_question(self, request: Read) -> None:
        """`request` is to be asked of the leader."""
        self.sequence += 1
        self.questions = (*self.questions, (self.sequence, request))

    def take_questions(self, until: int | None = None) -> tuple[Read, ...]:
        """Return the reads up to number `until`, or all; they do not wait any more."""
        taken = tuple(read for number, read in self.questions if until is None or number <= until)
        self.questions = self.questions[len(taken) :]
        return taken

    def answer_questions(self, until: int, slot: Slot, out: Out) -> None:
        """What the leader says to question `until` holds for all before: it led later than they
        were asked.
        """
        for read in self.take_questions(until):
            out.answer(read, slot)

    def refuse_questions(self, reason: str, out: Out) -> None:
        for read in self.take_questions():
            out.refuse(read, reason)

    # What every log serves: `comitia.kernel.request` says what each means.

    def on_propose(self, request: Propose, out: Out) -> None:
        raise NotImplementedError

    def on_read(self, request: Read, out: Out) -> None:
        raise NotImplementedError

    def on_compact(self, request: Compact, out: Out) -> None:
        raise NotImplementedError

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        raise NotImplementedError

    def on_transfer(self, request: Transfer, out: Out) -> None:
        raise NotImplementedError

    @property
    def leader(self) -> NodeId | None:
        """Whom to propose to, as far as this node knows; its own id when it is the leader."""
        raise NotImplementedError

    @property
    def snapshot_slot(self) -> Slot:
        """The slot of the snapshot that this node's log starts from; 0 when it starts empty."""
        raise NotImplementedError


class DeliveriesAgree(Promise):
    """No two replicas ever deliver different values at one slot; each delivers all, in order.

    The promise that all replicated logs share, whatever its name is in their papers.  A subclass
    watches the attribute that `snapshot_slot` comes from.
    """

    def __init__(self) -> None:
        self.values: Map[Slot, bytes] = Map()
        self.delivered: Map[NodeId, Slot] = Map()
        self.installed: Map[NodeId, tuple[Slot, ...]] = Map()
        """Snapshots that a replica took over ahead of what it has delivered.  What it says waits
        for its disk, so a second one may come before the first delivery after the first."""

    def on_step(self, node: Replica, nodes: Mapping[NodeId, Replica]) -> None:
        slot, installed = node.snapshot_slot, self.installed.get(node.id, ())
        if slot > self.delivered.get(node.id, 0) and slot not in installed:
            self.installed = self.installed.set(node.id, (*installed, slot))

    def on_restart(self, node: Node) -> None:
        assert isinstance(node, Replica)
        self.delivered = self.delivered.set(node.id, node.snapshot_slot)
        self.installed = self.installed.set(node.id, ())

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        delivered, installed = self.delivered.get(node, 0), self.installed.get(node, ())
        if slot != delivered + 1 and slot - 1 not in installed:
            raise Broken(f"n{node} delivered {slot} after {delivered}, its snapshots: {installed}")
        self.delivered = self.delivered.set(node, slot)
        if installed:
            self.installed = self.installed.set(node, tuple(i for i in installed if i > slot))
        known = self.values.get(slot)
        if known is None:
            self.values = self.values.set(slot, value)
        elif known != value:
            raise Broken(f"n{node} delivered {value!r} at {slot}, another {known!r}")


class ReadsAreCurrent(Promise):
    """Nobody answers a read out of the past: not under a lease that another leader has outlived,
    not by a round that ended before the read began.

    The slot of the answer covers everything that anybody had delivered when the read was asked.
    """

    watch: ClassVar[tuple[str, ...]] = ("id",)  # never rebound: not to be told of steps

    def __init__(self) -> None:
        self.delivered: Slot = 0
        self.asked: Map[tuple[NodeId, int], Slot] = Map()

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if slot > self.delivered:
            self.delivered = slot

    def on_request(self, node: NodeId, request: Request) -> None:
        if isinstance(request, Read):
            self.asked = self.asked.set((node, request.token), self.delivered)

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        if isinstance(request, Read) and (node, request.token) in self.asked:
            due = self.asked[node, request.token]
            self.asked = self.asked.delete((node, request.token))
            if not isinstance(result, int) or result < due:
                raise Broken(f"n{node} serves a read at {result}; {due} was known before it began")
