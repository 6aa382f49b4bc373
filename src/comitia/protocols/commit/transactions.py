"""Many transactions in one process: a party to each of them, made of the classes beside this file.

A member is coordinator of the transactions that it begins, resource manager of its parts of all,
and, for Paxos Commit, acceptor and leader.  Each of these roles in each transaction is an instance
of `TransactionManager`, `ResourceManager`, `Participant`, `Acceptor` or `Leader`; this node keeps
what they keep on disk, and carries their messages in an envelope that names the transaction.

Whoever owns the part is asked whether it can commit, and told the outcome, by `Attend`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from comitia.kernel import (
    ZERO,
    Ballot,
    Message,
    Node,
    NodeId,
    Out,
    Record,
    Request,
    Table,
    Timer,
    replace,
)
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    PREPARED,
    WORKING,
    Abort,
    Attend,
    Begin,
    Commit,
    Finished,
    Inquire,
    Of,
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
from comitia.protocols.commit.paxos_commit import Acceptor, Leader, Participant, Vote
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.quorums import Majority

RESOURCE, MANAGER, ACCEPTOR, LEADER = "resource", "manager", "acceptor", "leader"
REPEAT = "repeat"
KEEP = 10_000
"""Of so many transactions of one coordinator the outcome is remembered.  Who inquires after an
older one waits in vain: it is never told something wrong."""
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
        self._out.set_timer(_timer(self._about, self._role, timer), after)

    def cancel_timer(self, timer: Timer) -> None:
        self._out.cancel_timer(_timer(self._about, self._role, timer))

    def answer(self, request: Request, result: object) -> None:
        assert isinstance(request, Begin)
        self._out.answer(Start(request.token, self._parts), result)


class Transactions(Node):
    """A party to any number of transactions."""

    stable: ClassVar[tuple[str, ...]] = ("begun", "kept")
    begun: int
    kept: Table[Seat, Kept]

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        two_phase: bool = False,
        patience_ms: tuple[int, int] = (1_000, 2_000),
        ask_ms: tuple[int, int] = (500, 1_000),
        repeat_ms: tuple[int, int] = (150, 300),
    ) -> None:
        """`two_phase`: transactions begun here use two-phase commit, otherwise Paxos Commit with
        all `voters` as acceptors.  `patience_ms`: how long votes may take; `ask_ms`: how often who
        is prepared inquires after the outcome; `repeat_ms`: how often a coordinator asks for votes.
        """
        super().__init__(id)
        self.voters, self.two_phase = voters, two_phase
        self.patience_ms, self.ask_ms, self.repeat_ms = patience_ms, ask_ms, repeat_ms
        self.begun = 0  # a number is never given to two transactions
        self.kept = Table()
        self.running: Table[Seat, tuple[tuple[str, Any], ...]] = Table()
        self.parts: Table[int, tuple[tuple[NodeId, bytes], ...]] = Table()
        self.prepares: Table[tuple[NodeId, int], tuple[NodeId, bytes]] = Table()
        """Questions to the owner that are open: who sent the Prepare, and the part."""
        self.ended: Table[tuple[NodeId, int], str] = Table()
        """Parts whose end the owner has not finished with: what it has to do."""
        self.newest: Table[NodeId, int] = Table()
        """The last transaction that was heard of, by coordinator."""
        self.told: frozenset[Task] = frozenset()
        """Tasks that the owner is at."""
        self.attending: Attend | None = None

    def on_start(self, out: Out) -> None:
        for seat, kept in list(self.kept.items()):
            if seat[2] == RESOURCE and kept.state == WORKING:
                # The owner was asked and its vote was sent to nobody.  It may have prepared, and
                # nobody will tell it the outcome: this part aborts, as it is free to.
                self.kept = self.kept.set(seat, replace(kept, state=ABORTED))
            self.step(kept.about, seat[2], lambda node, within: node.on_start(within), out)
        for (coordinator, number, role), kept in self.kept.items():
            self.newest = self.newest.set(coordinator, number)  # in their order
            if role == RESOURCE and kept.state in ENDS and not kept.finished:
                self.ended = self.ended.set((coordinator, number), ENDS[kept.state])

    # What is asked here.

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Start(token, parts):
                self.begun += 1
                managers = tuple(sorted(dict(parts)))
                acceptors = () if self.two_phase else self.voters
                about = Transaction(self.id, self.begun, managers, acceptors)
                self.parts = self.parts.set(self.begun, parts)
                role = MANAGER if self.two_phase else LEADER
                self.open(about, role, out)
                self.step(about, role, lambda n, within: n.on_request(Begin(token), within), out)
                out.set_timer(_timer(about, role, REPEAT), after=self.repeat_ms)
            case Attend():
                self.attending = request
                self.offer(out)
            case Willing(coordinator=coordinator, number=number, willing=willing):
                self.answered(coordinator, number, willing, out)
            case Finished(coordinator=coordinator, number=number):
                seat = (coordinator, number, RESOURCE)
                if (kept := self.kept.get(seat)) is not None:
                    self.kept = self.kept.set(seat, replace(kept, finished=True))
                    self.ended = self.ended.delete(seat[:2])
                    self.told -= {task for task in self.told if task.transaction == seat[:2]}
                    self.offer(out)
            case _:
                super().on_request(request, out)

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
            out.set_timer(_timer(kept.about, RESOURCE, "ask"), after=self.ask_ms)
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
        if not isinstance(message, Of):
            return
        about, inner = message.about, message.message
        match inner:
            case Prepare() if self.id in about.managers:
                kept = self.kept.get(about.seat(RESOURCE))
                if kept is None and not self.is_long_over(about):
                    self.open(about, RESOURCE, out)
                    asked = (src, message.part)
                    self.prepares = self.prepares.set((about.coordinator, about.number), asked)
                elif kept is not None and kept.state != WORKING:
                    self.hear(src, about, RESOURCE, inner, out)
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
                    if about.seat(role) not in self.kept and not self.is_long_over(about):
                        self.open(about, role, out)
                if about.seat(ACCEPTOR) in self.kept:
                    self.hear(src, about, ACCEPTOR, inner, out)
        self.offer(out)

    def hear(self, src: NodeId, about: Transaction, role: str, message: Message, out: Out) -> None:
        self.step(about, role, lambda node, within: node.on_message(src, message, within), out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        coordinator, number, role, name = timer.split(" ")
        seat = int(coordinator), int(number)
        kept = self.kept.get((*seat, role))
        if kept is None:
            return
        if name == REPEAT:
            if not self.over((*seat, role)):
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

    # The instances.

    def open(self, about: Transaction, role: str, out: Out) -> None:
        """A role begins; what is remembered of transactions long over makes room."""
        before = self.newest.get(about.coordinator, 0)
        if about.number > before:
            self.newest = self.newest.set(about.coordinator, about.number)
            for number in range(max(before - KEEP, 0) + 1, min(before, about.number - KEEP) + 1):
                self.forget(about.coordinator, number)
        self.kept = self.kept.set(about.seat(role), _keep(about, self.make(about, role), False))
        self.step(about, role, lambda node, within: node.on_start(within), out)

    def forget(self, coordinator: NodeId, number: int) -> None:
        """Remember nothing of this transaction, unless a role here still has something to do."""
        seats = [(coordinator, number, role) for role in (RESOURCE, MANAGER, LEADER, ACCEPTOR)]
        if all(self.over(seat) for seat in seats[:3]):
            for seat in seats:
                self.kept = self.kept.delete(seat)
                self.running = self.running.delete(seat)
            if coordinator == self.id:
                self.parts = self.parts.delete(number)

    def is_long_over(self, about: Transaction) -> bool:
        """May this have been forgotten here?  Then no role of it may begin again: an acceptor that
        knows of no vote lets a leader abort what the others have committed.
        """
        return about.number <= self.newest.get(about.coordinator, 0) - KEEP

    def over(self, seat: Seat) -> bool:
        """Has this role nothing more to do?"""
        kept = self.kept.get(seat)
        return kept is None or (
            kept.finished if seat[2] == RESOURCE else kept.state in (COMMITTED, ABORTED)
        )

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
            _restore(kept, node)
        mine = about.coordinator == self.id
        act(node, Within(out, about, role, self.parts.get(about.number, ()) if mine else ()))
        self.running = self.running.set(seat, tuple(sorted(vars(node).items())))
        if (now := _keep(about, node, kept.finished)) != kept:
            self.kept = self.kept.set(seat, now)
            if role == RESOURCE and now.state in ENDS and not now.finished:
                self.ended = self.ended.set(seat[:2], ENDS[now.state])


def _keep(about: Transaction, node: Node, finished: bool) -> Kept:
    match node:
        case Acceptor():
            return Kept(about, "", node.bal, tuple(vote for _, vote in node.votes.items()))
        case Leader():
            # The outcome, too: a process that starts again need not learn it once more.
            return Kept(about, node.outcome, node.bal)
        case ResourceManager() | TransactionManager():
            return Kept(about, node.state, finished=finished)
    raise AssertionError(f"no role: {node!r}")


def _restore(kept: Kept, node: Node) -> None:
    match node:
        case Acceptor():
            node.bal = kept.bal
            node.votes = Table({vote[0]: vote for vote in kept.votes})
        case Leader():
            node.bal, node.outcome = kept.bal, kept.state
        case ResourceManager() | TransactionManager():
            node.state = kept.state


def _timer(about: Transaction, role: str, timer: Timer) -> Timer:
    return f"{about.coordinator} {about.number} {role} {timer}"
