"""The contract: one deterministic process, and the whole vocabulary it may use.

A node owns no clock, no socket, no disk and no dice.  It is told what happened and says, through
`Out`, what it wants.  Two laws make one class run in the simulator, in the model checker, on the
network and in a page:

1. **Values.**  Every attribute of a node holds an immutable, hashable value; a step only rebinds
   attributes.  So cloning a node is copying its attributes, and its state can be compared, hashed,
   shown and diffed.
2. **Disk before wire.**  The attributes named in `Node.stable` survive a crash.  Whoever runs the
   node makes them durable after each turn and releases nothing the turn said before they are.  So
   a crash in the middle of a step cannot be told from a crash before it, and no `persist()` exists
   to be forgotten.

`comitia.kernel.laws` checks both, in every test run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from comitia.kernel.message import Message
from comitia.kernel.request import Request

NodeId = int
"""Members of a cluster are numbered from 1; people read them as n1, n2, n3."""

Timer = str
"""A node names its timers; it has at most one of each name."""

Slot = int
"""A position in a replicated log, from 1; protocols that decide once use slot 1."""

Micros = int
"""Microseconds on the node's own clock, which drifts and jumps as clocks do."""


class Out:
    """What one step says.  Each runtime brings its own; this is the whole vocabulary."""

    __slots__ = ()

    @property
    def now(self) -> Micros:
        """This node's clock: one value a step.  Only leases may read it."""
        raise NotImplementedError

    def send(self, to: NodeId, message: Message) -> None:
        """Send `message` once every stable attribute is on disk.

        To itself, too: a node that counts its own vote sends the vote to itself, so that the vote
        counts only when it is durable.  Messages may be lost, repeated and reordered.
        """
        raise NotImplementedError

    def send_early(self, to: NodeId, message: Message) -> None:
        """Send `message` without waiting for this node's disk.

        Safe only where the message promises nothing about what this node has stored; every use
        says why.  By default as `send`, which is always a legal implementation.
        """
        self.send(to, message)

    def broadcast(self, to: Iterable[NodeId], message: Message) -> None:
        """`send` to each of `to`, in order."""
        for node in to:
            self.send(node, message)

    def send_snapshot(self, to: NodeId, message: Message) -> None:
        """Send `message` together with the newest snapshot this node was told of (`Compact`).

        The receiver is handed `message` only when the whole snapshot has arrived and is durable.
        Repeating the call while the snapshot is under way resumes it; it never starts a second.
        """
        raise NotImplementedError

    def install(self, slot: Slot) -> None:
        """Take over the snapshot, up to `slot`, that came with the message now being handled."""
        raise NotImplementedError

    def set_timer(self, timer: Timer, after: tuple[int, int]) -> None:
        """(Re)arm `timer` to fire at a moment of the runtime's choosing within `after`, in ms."""
        raise NotImplementedError

    def cancel_timer(self, timer: Timer) -> None:
        """Disarm `timer`, if it is armed."""
        raise NotImplementedError

    def deliver(self, slot: Slot, value: bytes) -> None:
        """`value` is decided at `slot`: the host applies it and answers whoever asked.

        Every slot is delivered, in order, each once a lifetime of the node; after a restart, from
        the slot that follows the node's snapshot.  What the protocol itself put into a slot (a
        no-op, a change of membership) is delivered as `b""`, which nobody may propose.
        """
        raise NotImplementedError

    def answer(self, request: Request, result: object) -> None:
        """`request` is done, with `result` as its type says; it is linearizable at this moment."""
        raise NotImplementedError

    def refuse(self, request: Request, reason: str) -> None:
        """`request` had no effect and never will, because of `reason`."""
        raise NotImplementedError


class Node:
    """One deterministic process.  See the module's text for the two laws it obeys."""

    stable: ClassVar[tuple[str, ...]] = ()
    """The attributes that survive a crash; each is annotated with its type in the class body."""

    apart: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of stable attributes that an implementation writes one after the other, the rest last.

    Empty, as the second law has it.  A class that models an implementation which splits what its
    paper takes atomically names the groups; the simulator then crashes between the writes.
    """

    id: NodeId

    def __init__(self, id: NodeId) -> None:
        self.id = id

    def on_start(self, out: Out) -> None:
        """First start, or restart with the stable attributes restored."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        """`message` arrived from `src`, whom the runtime has authenticated."""

    def on_timer(self, timer: Timer, out: Out) -> None:
        """`timer`, set by this node, fired."""

    def on_request(self, request: Request, out: Out) -> None:
        """A client, an operator or the host asks for something; see `comitia.kernel.request`."""
        out.refuse(request, f"{type(self).__name__} does not serve {type(request).__name__}")

    def on_turn(self, out: Out) -> None:
        """No more input is at hand: what was batched goes out now."""

    def clone(self) -> Self:
        """Return a copy that shares every value; sound because of the first law."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin
