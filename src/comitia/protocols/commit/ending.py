"""When a transaction may be forgotten: the presumed abort of Mohan, Lindsay and Obermarck.

Its coordinator forgets an abort at once, and a commit when every manager has acknowledged that its
owner knows it.  Others ask it now and then which of its transactions are over (`Past`), and whoever
asks after one that is over has not heard of an abort.  So what is remembered is bounded by what is
under way, however long a process is away: what it had prepared is kept until it comes back, and
without its vote nothing new can commit that it has a part in.
"""

from __future__ import annotations

from comitia.kernel import NodeId, Out, Table
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    Abort,
    Commit,
    Of,
    Over,
    Past,
    Transaction,
)
from comitia.protocols.commit.seats import ACCEPTOR, ENDS, LEADER, MANAGER, RESOURCE, Kept, Seats

TIDY = "tidy"
MOST_OPEN = 10_000
"""Of so many transactions that one process began the end may be owed to somebody; it begins no
more until some are over."""
REMINDED = 100
"""Of so many commits at a time the managers that owe an acknowledgement are told again."""


class Ending(Seats):
    """Knows what is over."""

    begun: int
    past: Table[NodeId, Past]
    """What other coordinators have said to be over, by coordinator."""

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        patience_ms: tuple[int, int],
        ask_ms: tuple[int, int],
        tidy_ms: tuple[int, int],
    ) -> None:
        super().__init__(id, voters, patience_ms, ask_ms)
        self.tidy_ms = tidy_ms
        self.begun = 0  # a number is never given to two transactions
        self.past = Table()
        self.mine: Table[int, str] = Table()
        """The transactions begun here that are not over: the role that knows the outcome."""
        self.acknowledged: Table[int, frozenset[NodeId]] = Table()
        """Of those that are committed: who has said so."""
        self.prepares: Table[tuple[NodeId, int], tuple[NodeId, bytes]] = Table()
        """Questions to the owner that are open: who sent the Prepare, and the part."""
        self.ended: Table[tuple[NodeId, int], str] = Table()
        """Parts whose end the owner has not finished with: what it has to do."""
        self.reminding = 0  # the last that was begun when the timer fired before
        self.reminded = 0  # the last of which somebody was reminded
        self.tidying = False  # the timer is armed

    def on_end(self, kept: Kept, role: str, out: Out) -> None:
        about = kept.about
        if role == RESOURCE and not kept.finished:
            self.ended = self.ended.set(about.name, ENDS[kept.state])
        if role in (MANAGER, LEADER) and about.coordinator == self.id:
            if kept.state == ABORTED:
                self.close(about.number, out)
            else:
                self.tidy_later(out)  # for the acknowledgements

    def is_over(self, coordinator: NodeId, number: int) -> bool:
        """Has this ended for all, whether or not it was heard of here?  Then no role of it may
        begin again: an acceptor that knows of no vote lets a leader abort what others committed.
        """
        if coordinator == self.id:
            return number <= self.begun and number not in self.mine
        return self.past_of(coordinator).holds(number)

    def past_of(self, coordinator: NodeId) -> Past:
        """Return what is known to be over."""
        if coordinator == self.id:
            return Past(self.id, self.begun, tuple(self.mine))
        return self.past.get(coordinator) or Past(coordinator, 0, ())

    def learn_past(self, src: NodeId, past: Past, out: Out) -> None:
        """Forget what another coordinator says is over; or tell what `src` does not know."""
        coordinator = past.coordinator
        known = self.past_of(coordinator)
        if known.is_later_than(past):
            out.send(src, Over(known))
        if coordinator == self.id or not past.is_later_than(known):
            return
        self.past = self.past.set(coordinator, past)
        numbers = {number for of, number, _ in self.kept if of == coordinator}
        for number in sorted(numbers):
            if past.holds(number):
                self.forget(coordinator, number, out)

    def forget(self, coordinator: NodeId, number: int, out: Out) -> None:
        """This is over.  Only a part is kept whose owner has not finished: see `finish`."""
        for role in (MANAGER, LEADER, ACCEPTOR):
            self.drop((coordinator, number, role))
        seat = coordinator, number, RESOURCE
        kept = self.kept.get(seat)
        if kept is not None and kept.finished:
            self.drop(seat)
        elif kept is not None and kept.state not in ENDS:
            # A commit would wait for its acknowledgement.
            self.prepares = self.prepares.delete((coordinator, number))
            self.hear(coordinator, kept.about, RESOURCE, Abort(), out)

    def on_acknowledged(self, src: NodeId, about: Transaction, out: Out) -> None:
        """`src` knows the commit for good, and when all do it may be forgotten."""
        number = about.number
        role = self.mine.get(number) if about.coordinator == self.id else None
        if role is None or self.kept[self.id, number, role].state != COMMITTED:
            return  # not known here yet: it will be asked again
        heard = self.acknowledged.get(number, frozenset()) | {src}
        self.acknowledged = self.acknowledged.set(number, heard)
        if self.is_acknowledged(about, heard):
            self.close(number, out)

    def is_acknowledged(self, about: Transaction, by: frozenset[NodeId]) -> bool:
        return by >= set(about.managers)

    def close(self, number: int, out: Out) -> None:
        """What was begun here under `number` is over."""
        self.mine = self.mine.delete(number)
        self.acknowledged = self.acknowledged.delete(number)
        self.parts = self.parts.delete(number)
        self.forget(self.id, number, out)

    def tidy_later(self, out: Out) -> None:
        if not self.tidying:
            self.tidying = True
            out.set_timer(TIDY, after=self.tidy_ms)

    def tidy(self, out: Out) -> None:
        """Remind who owes an acknowledgement for long, and ask others what of theirs is over."""
        self.tidying = False
        owed = [n for n, role in self.mine.items() if self.state_of(n, role) == COMMITTED]
        for number in self.owed_longest(owed):
            self.remind(number, out)
        self.reminding = self.begun
        others = sorted({coordinator for coordinator, _, _ in self.kept} - {self.id})
        for coordinator in others:
            out.send(coordinator, Over(self.past_of(coordinator)))
        if owed or others:
            self.tidy_later(out)

    def owed_longest(self, owed: list[int]) -> list[int]:
        """Return of which commits to remind now: in turn, for one may be owed for days."""
        known = [number for number in owed if number <= self.reminding]
        found = [number for number in known if number > self.reminded] or known
        self.reminded = found[:REMINDED][-1] if found else 0
        return found[:REMINDED]

    def state_of(self, number: int, role: str) -> str:
        return self.kept[self.id, number, role].state

    def remind(self, number: int, out: Out) -> None:
        about = self.kept[self.id, number, self.mine[number]].about
        for manager in self.owing(about):
            out.send(manager, Of(about, Commit()))

    def owing(self, about: Transaction) -> tuple[NodeId, ...]:
        """Return who has not acknowledged the commit of what was begun here."""
        heard = self.acknowledged.get(about.number, frozenset())
        return tuple(manager for manager in about.managers if manager not in heard)

    @property
    def owes_too_much(self) -> bool:
        return len(self.mine) >= MOST_OPEN

    def owed(self) -> str:
        """Say why nothing more is begun."""
        number, role = next(iter(self.mine.items()))
        kept = self.kept[self.id, number, role]
        names = ", ".join(f"n{id}" for id in self.owing(kept.about))
        whom = f"{names} to commit its part" if kept.state == COMMITTED else "votes"
        return (
            f"{len(self.mine)} transactions begun here are not over; the oldest, "
            f"{self.id}.{number}, waits for {whom}"
        )
