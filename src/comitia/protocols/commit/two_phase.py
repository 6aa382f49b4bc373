"""Two-phase commit (Gray, "Notes on Data Base Operating Systems", 1978).

It blocks: a prepared resource manager can only wait while the transaction manager is gone.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, Node, NodeId, Out, Request, Timer
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    PREPARED,
    WORKING,
    Abort,
    Begin,
    Commit,
    Inquire,
    Prepare,
    Prepared,
    Refused,
)


class ResourceManager(Node):
    """Holds a part of the transaction."""

    stable: ClassVar[tuple[str, ...]] = ("state",)
    state: str

    def __init__(
        self,
        id: NodeId,
        manager: NodeId,
        willing: bool = True,
        ask_ms: tuple[int, int] = (500, 1_000),
    ) -> None:
        super().__init__(id)
        self.manager, self.willing, self.ask_ms = manager, willing, ask_ms
        self.state = WORKING

    def on_start(self, out: Out) -> None:
        if self.state == PREPARED:
            out.set_timer("ask", after=self.ask_ms)

    def on_timer(self, timer: Timer, out: Out) -> None:
        # Deciding alone is forbidden: the others may have been told the opposite.
        if self.state == PREPARED:
            out.send(self.manager, Inquire())
            out.set_timer("ask", after=self.ask_ms)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare() if self.state in (WORKING, PREPARED):
                self.state = PREPARED if self.willing else ABORTED
                out.send(src, Prepared() if self.willing else Refused())
                out.set_timer("ask", after=self.ask_ms)
            case Prepare() if self.state == ABORTED:
                out.send(src, Refused())
            case Commit():
                assert self.state in (PREPARED, COMMITTED), "committed without being asked"
                self.end(COMMITTED, out)
            case Abort() if self.state != COMMITTED:
                self.end(ABORTED, out)

    def end(self, state: str, out: Out) -> None:
        """The outcome is known."""
        self.state = state
        out.cancel_timer("ask")


class TransactionManager(Node):
    """Decides, writes it down, and only then tells."""

    stable: ClassVar[tuple[str, ...]] = ("state",)
    state: str

    def __init__(
        self, id: NodeId, managers: tuple[NodeId, ...], patience_ms: tuple[int, int] = (1000, 2000)
    ) -> None:
        super().__init__(id)
        self.managers, self.patience_ms = managers, patience_ms
        self.state = WORKING
        self.prepared: frozenset[NodeId] = frozenset()
        self.asked: Request | None = None

    def on_start(self, out: Out) -> None:
        # Without a decision on disk nobody was told to commit, nor ever will be.
        if self.state == PREPARED:
            self.state = ABORTED

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Begin() if self.state == WORKING:
                self.asked, self.state = request, PREPARED
                out.broadcast(self.managers, Prepare())
                out.set_timer("patience", after=self.patience_ms)
            case Begin():
                out.refuse(request, "the transaction has begun")
            case _:
                super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if self.state == PREPARED:
            self.decide(ABORTED, out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepared() if self.state == PREPARED:
                self.prepared |= {src}
                if self.prepared >= set(self.managers):
                    self.decide(COMMITTED, out)
            case Refused() if self.state == PREPARED:
                self.decide(ABORTED, out)
            case Inquire() | Prepared() if self.state in (COMMITTED, ABORTED):
                out.send(src, Commit() if self.state == COMMITTED else Abort())

    def decide(self, state: str, out: Out) -> None:
        """The decision is on disk before anybody hears of it."""
        self.state = state
        out.cancel_timer("patience")
        out.broadcast(self.managers, Commit() if state == COMMITTED else Abort())
        if self.asked is not None:
            out.answer(self.asked, state)
            self.asked = None
