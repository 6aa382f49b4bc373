"""Many transactions in one process: a party to each of them, made of the classes beside this file.

A member is coordinator of the transactions that it begins, resource manager of its parts of all,
and, for Paxos Commit, acceptor and leader.  Each of these roles in each transaction is a seat, see
`seats.py`; this node keeps what seats keep on disk, and carries their messages in an envelope that
names the transaction.  Whoever owns the part is asked whether it can commit, and told the outcome,
by `Attend`.  `ending.py` says when a transaction may be forgotten.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Message, Node, NodeId, Out, Request, Timer, replace
from comitia.protocols.commit.ending import TIDY, Ending
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    PREPARED,
    WORKING,
    Abort,
    Acknowledged,
    Attend,
    Begin,
    Commit,
    Finished,
    Inquire,
    Of,
    Over,
    Phase1a,
    Phase1b,
    Phase2a,
    Phase2b,
    Prepare,
    Prepared,
    Refused,
    Start,
    Task,
    Transaction,
    Willing,
)
from comitia.protocols.commit.seats import (
    ACCEPTOR,
    ENDS,
    LEADER,
    MANAGER,
    RESOURCE,
    Seat,
    Within,
    timer_of,
)
from comitia.protocols.commit.two_phase import ResourceManager

REPEAT = "repeat"


class Transactions(Ending):
    """A party to any number of transactions."""

    stable: ClassVar[tuple[str, ...]] = ("begun", "kept", "past")

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        two_phase: bool = False,
        patience_ms: tuple[int, int] = (1_000, 2_000),
        ask_ms: tuple[int, int] = (500, 1_000),
        repeat_ms: tuple[int, int] = (150, 300),
        tidy_ms: tuple[int, int] = (500, 1_000),
    ) -> None:
        """`two_phase`: transactions begun here use two-phase commit, otherwise Paxos Commit with
        all `voters` as acceptors.  `patience_ms`: how long votes may take; `ask_ms`: how often who
        is prepared inquires after the outcome; `repeat_ms`: how often a coordinator asks for votes;
        `tidy_ms`: how often it asks for acknowledgements, and others what is over.
        """
        super().__init__(id, voters, patience_ms, ask_ms, tidy_ms)
        self.two_phase, self.repeat_ms = two_phase, repeat_ms
        self.told: frozenset[Task] = frozenset()
        """Tasks that the owner is at."""
        self.attending: Attend | None = None

    def on_start(self, out: Out) -> None:
        """Only seats that have something to do take a step; the others wait to be asked."""
        for coordinator, number, role in self.kept:
            if coordinator == self.id and role in (MANAGER, LEADER):
                self.mine = self.mine.set(number, role)
        for seat in self.kept:
            coordinator, number, role = seat
            kept = self.kept.get(seat)
            if kept is None:
                continue  # its transaction is over since a moment ago
            if role == RESOURCE and kept.state == WORKING:
                # The owner was asked and its vote was sent to nobody.  It may have prepared, and
                # nobody will tell it the outcome: this part aborts, as it is free to.
                kept = replace(kept, state=ABORTED)
                self.kept = self.kept.set(seat, kept)
            if role == RESOURCE and kept.state in ENDS and not kept.finished:
                self.ended = self.ended.set((coordinator, number), ENDS[kept.state])
            if role != ACCEPTOR and kept.state not in ENDS:
                self.step(kept.about, role, lambda node, within: node.on_start(within), out)
        self.tidy_later(out)

    # What is asked here.

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Start() if self.owes_too_much:
                out.refuse(request, self.owed())
            case Start(token, parts):
                self.begin(token, parts, out)
            case Attend():
                self.attending = request
                self.offer(out)
            case Willing(coordinator=coordinator, number=number, willing=willing):
                self.answered(coordinator, number, willing, out)
            case Finished(coordinator=coordinator, number=number):
                self.finish((coordinator, number, RESOURCE), out)
                self.offer(out)
            case _:
                super().on_request(request, out)

    def begin(self, token: int, parts: tuple[tuple[NodeId, bytes], ...], out: Out) -> None:
        self.begun += 1
        managers = tuple(sorted(dict(parts)))
        acceptors = () if self.two_phase else self.voters
        about = Transaction(self.id, self.begun, managers, acceptors)
        role = MANAGER if self.two_phase else LEADER
        self.parts = self.parts.set(self.begun, parts)
        self.mine = self.mine.set(self.begun, role)
        self.open(about, role, out)
        self.step(about, role, lambda node, within: node.on_request(Begin(token), within), out)
        out.set_timer(timer_of(about, role, REPEAT), after=self.repeat_ms)

    def finish(self, seat: Seat, out: Out) -> None:
        """The owner knows the outcome; what is over need not be kept for it any more."""
        if (kept := self.kept.get(seat)) is None:
            return
        coordinator, number, _ = seat
        self.kept = self.kept.set(seat, replace(kept, finished=True))
        self.ended = self.ended.delete((coordinator, number))
        self.told -= {task for task in self.told if task.transaction == (coordinator, number)}
        if kept.state == COMMITTED:
            out.send(coordinator, Of(kept.about, Acknowledged()))
        if self.is_over(coordinator, number):
            self.forget(coordinator, number, out)

    def answered(self, coordinator: NodeId, number: int, willing: bool, out: Out) -> None:
        """The owner has answered: now the Prepare takes its course."""
        waiting = self.prepares.get((coordinator, number))
        kept = self.kept.get((coordinator, number, RESOURCE))
        if waiting is None or kept is None:
            return  # an answer to a question of a former life, when this part was aborted
        src, part = waiting
        self.prepares = self.prepares.delete((coordinator, number))
        self.told -= {Task(coordinator, number, "prepare", part)}

        def vote(node: Node, within: Out) -> None:
            assert isinstance(node, ResourceManager)
            node.willing = willing
            node.on_message(src, Prepare(), within)

        self.step(kept.about, RESOURCE, vote, out)
        if kept.about.acceptors:
            out.set_timer(timer_of(kept.about, RESOURCE, "ask"), after=self.ask_ms)
        self.offer(out)

    def tasks(self) -> list[Task]:
        """Return what the owner of the parts here has to do and has not finished."""
        found = [Task(c, n, "prepare", part) for (c, n), (_, part) in self.prepares.items()]
        return found + [Task(c, n, do) for (c, n), do in self.ended.items()]

    def offer(self, out: Out) -> None:
        """Give the owner, if it attends, something to do."""
        if self.attending is None:
            return
        for task in self.tasks():
            if task not in self.told:
                self.told |= {task}
                request, self.attending = self.attending, None
                out.answer(request, task)
                return

    # What is heard.

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Over):
            self.learn_past(src, message.past, out)
        elif isinstance(message, Of) and self.is_over(*message.about.name):
            late = Prepared | Refused | Inquire | Phase1a | Phase2a
            if isinstance(message.message, late) and src != self.id:
                out.send(src, Over(self.past_of(message.about.coordinator)))
        elif isinstance(message, Of):
            self.on_inner(src, message, out)
        self.offer(out)

    def on_inner(self, src: NodeId, message: Of, out: Out) -> None:
        """A message of a transaction that is not over, for one of its roles here."""
        about, inner = message.about, message.message
        if about.coordinator != self.id:
            self.tidy_later(out)  # what is kept of it now will be over one day
        match inner:
            case Prepare() if self.id in about.managers:
                kept = self.kept.get(about.seat(RESOURCE))
                if kept is None:
                    self.open(about, RESOURCE, out)
                    asked = (src, message.part)
                    self.prepares = self.prepares.set((about.coordinator, about.number), asked)
                elif kept.state != WORKING:
                    self.hear(src, about, RESOURCE, inner, out)
            case Commit() if (kept := self.kept.get(about.seat(RESOURCE))) and kept.finished:
                out.send(about.coordinator, Of(about, Acknowledged()))  # once more
            case Acknowledged():
                self.on_acknowledged(src, about, out)
            case Commit() | Abort() if about.seat(RESOURCE) in self.kept:
                self.prepares = self.prepares.delete((about.coordinator, about.number))
                self.hear(src, about, RESOURCE, inner, out)
            case Prepared() | Refused() | Inquire() if about.seat(MANAGER) in self.kept:
                self.hear(src, about, MANAGER, inner, out)
            case Inquire() | Phase1b() | Phase2b() if about.seat(LEADER) in self.kept:
                self.hear(src, about, LEADER, inner, out)
            case Phase1a() | Phase2a() if self.id in about.acceptors:
                # Every acceptor's process is ready to lead, should the others fall silent.
                for role in (LEADER, ACCEPTOR):
                    if about.seat(role) not in self.kept:
                        self.open(about, role, out)
                self.hear(src, about, ACCEPTOR, inner, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if timer == TIDY:
            self.tidy(out)
            return
        coordinator, number, role, name = timer.split(" ")
        seat = int(coordinator), int(number)
        kept = self.kept.get((*seat, role))
        if kept is None:
            return
        if name == REPEAT:
            if kept.state not in ENDS:
                within = Within(out, kept.about, role, self.parts[seat[1]])
                within.broadcast(kept.about.managers, Prepare())
                out.set_timer(timer, after=self.repeat_ms)
        elif role == RESOURCE and kept.about.acceptors:
            if kept.state == PREPARED:
                # Any leader may know; the one that this part heard of first may be dead.
                out.broadcast(kept.about.acceptors, Of(kept.about, Inquire()))
                out.set_timer(timer, after=self.ask_ms)
        else:
            self.step(kept.about, role, lambda node, within: node.on_timer(name, within), out)
            self.offer(out)
