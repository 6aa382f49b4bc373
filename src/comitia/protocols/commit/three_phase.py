"""Three-phase commit (Skeen, "Nonblocking Commit Protocols", 1981).

Nobody waits for a dead manager, provided that who is silent is dead: where messages may merely be
late, one side of a partition commits and the other aborts.
"""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Out, Timer
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    PRECOMMITTED,
    PREPARED,
    Abort,
    Commit,
    PreCommit,
    PreCommitted,
    Prepared,
)
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager


class ThreePhaseResource(ResourceManager):
    """Hears nothing and decides: to abort if prepared, to commit if it knows that all are."""

    def on_timer(self, timer: Timer, out: Out) -> None:
        if self.state == PREPARED:
            self.end(ABORTED, out)
        elif self.state == PRECOMMITTED:
            self.end(COMMITTED, out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case PreCommit() if self.state in (PREPARED, PRECOMMITTED):
                self.state = PRECOMMITTED
                out.send(src, PreCommitted())
                out.set_timer("ask", after=self.ask_ms)
            case Commit() if self.state == PRECOMMITTED:
                self.end(COMMITTED, out)
            case Commit():
                pass  # it has decided by itself, rightly or not
            case Abort() if self.state == PRECOMMITTED:
                pass
            case _:
                super().on_message(src, message, out)


class ThreePhaseManager(TransactionManager):
    """Tells everybody that all are prepared before it tells anybody to commit."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepared() if self.state == PREPARED:
                self.prepared |= {src}
                if self.prepared >= set(self.managers):
                    self.state, self.prepared = PRECOMMITTED, frozenset()
                    out.broadcast(self.managers, PreCommit())
            case PreCommitted() if self.state == PRECOMMITTED:
                self.prepared |= {src}
                if self.prepared >= set(self.managers):
                    self.decide(COMMITTED, out)
            case _:
                super().on_message(src, message, out)
