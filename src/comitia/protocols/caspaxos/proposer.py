"""The proposer: changes of registers in two round trips, or in one (section 2.2).

All changes of one key that arrive while a round for it is under way form the next batch, which is
applied in order and accepted as one state.
"""

from __future__ import annotations

from typing import ClassVar

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
from comitia.protocols.caspaxos.messages import (
    Accept,
    Accepted,
    Age,
    Change,
    Configuration,
    Conflict,
    Key,
    Prepare,
    Promised,
    State,
    Transition,
)
from comitia.protocols.caspaxos.operation import (
    ACCEPTING,
    PREPARING,
    WAITING,
    Claim,
    Operation,
)
from comitia.quorums import QuorumSystem

CONFIGURATION_KEY = b""
"""The register in which the members agree on the next configuration."""
LEAP = 16
"""Rounds that a proposer skips before a further try of the same changes, times the tries so far."""
BACKOFF_DOUBLINGS = 6


class Cached(Record):
    """A state written last by this proposer, and the ballot that a read quorum has promised it."""

    ballot: Ballot
    accepted: Ballot
    state: State


class Proposer(Node):
    """Applies changes; any number of proposers may work on one key."""

    stable: ClassVar[tuple[str, ...]] = ("round", "age", "configuration")
    round: int
    age: Age
    configuration: Configuration | None

    def __init__(
        self,
        id: NodeId,
        system: QuorumSystem,
        transition: Transition,
        retry_ms: tuple[int, int] = (500, 1_000),
        backoff_ms: tuple[int, int] = (1, 20),
        one_round_trip: bool = True,
        cache_limit: int = 10_000,
        queue_limit: int = 1_000,
        leap: int = LEAP,
    ) -> None:
        super().__init__(id)
        self.initial, self.transition = system, transition
        self.retry_ms, self.backoff_ms = retry_ms, backoff_ms
        self.one_round_trip, self.cache_limit, self.queue_limit = (
            one_round_trip,
            cache_limit,
            queue_limit,
        )
        self.leap = leap
        self.round = 0  # the counter of ballots; never used twice, also after a restart
        self.age = 0  # grows with every deletion that this proposer is told of
        self.configuration = None
        self.cache: Table[Key, Cached] = Table()
        self.operations: Table[Key, Operation] = Table()
        self.fresh: tuple[Key, ...] = ()  # keys whose first request arrived in this turn

    @property
    def system(self) -> QuorumSystem:
        """The quorums in force."""
        return self.initial if self.configuration is None else self.configuration

    @property
    def proposes(self) -> bool:
        """May this proposer begin anything?  See the membership."""
        return True

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Change(key=key) if key == CONFIGURATION_KEY:
                out.refuse(request, "the empty key is reserved for the membership")
            case Change(key=key):
                operation = self.operations.get(key)
                if operation is not None and len(operation.queue) >= self.queue_limit:
                    out.refuse(request, "too many changes of this key are waiting")
                else:
                    self.enqueue(key, request)
            case _:
                super().on_request(request, out)

    def enqueue(self, key: Key, request: Request) -> None:
        """`request` takes part in the next batch of `key`."""
        operation = self.operations.get(key)
        if operation is None:
            operation = Operation()
            self.fresh = (*self.fresh, key)
        self.operations = self.operations.set(
            key, replace(operation, queue=(*operation.queue, request))
        )

    def on_turn(self, out: Out) -> None:
        fresh, self.fresh = self.fresh, ()
        for key in fresh:
            operation = self.operations.get(key)
            if operation is not None:
                self.begin(key, operation, out)

    def begin(self, key: Key, operation: Operation, out: Out) -> None:
        """Start a round for what has queued up; without phase 1 where its answer is known."""
        operation = Operation(batch=operation.queue)
        cached = self.cache.get(key)
        # The ballot leaves the cache before it is used.  If the accept is not acknowledged by a
        # quorum, some acceptors may hold its state: the same ballot must never carry another one.
        self.cache = self.cache.delete(key)
        if cached is None:
            self.prepare(key, operation, out)
        else:
            operation = replace(operation, ballot=cached.ballot)
            self.accept(key, operation, cached.accepted, cached.state, out)

    def prepare(self, key: Key, operation: Operation, out: Out) -> None:
        """Phase 1, in a ballot never used before.

        Who goes on in one round trip has the next ballot promised before anybody hears of this
        one: just above it, a rival would come too late every time.  So each further try leaps.
        """
        self.round += 1 + self.leap * operation.tries
        ballot = Ballot(self.round, self.id)
        operation = replace(
            operation,
            phase=PREPARING,
            ballot=ballot,
            promises=frozenset(),
            refusals=frozenset(),
            tries=operation.tries + 1,
        )
        self.operations = self.operations.set(key, operation)
        out.broadcast(self.system, Prepare(key, ballot, self.age))
        out.set_timer(_timer(key), after=self.retry_ms)

    def on_timer(self, timer: Timer, out: Out) -> None:
        key = _key(timer)
        operation = self.operations.get(key)
        if operation is not None:
            self.prepare(key, operation, out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Promised(key, ballot, accepted, state):
                operation = self.operations.get(key)
                if operation and operation.phase == PREPARING and operation.ballot == ballot:
                    self.on_promised(src, key, operation, (accepted, state), out)
            case Accepted(key, ballot):
                operation = self.operations.get(key)
                if operation and operation.phase == ACCEPTING and operation.ballot == ballot:
                    self.on_accepted(src, key, operation, out)
            case Conflict(key, ballot, seen):
                self.round = max(self.round, seen.round)  # fast-forward (section 2.1)
                operation = self.operations.get(key)
                if operation and operation.phase != WAITING and operation.ballot == ballot:
                    self.on_conflict(src, key, operation, out)

    def on_promised(
        self,
        src: NodeId,
        key: Key,
        operation: Operation,
        report: tuple[Ballot, State],
        out: Out,
    ) -> None:
        """Count a promise; a read quorum of them tells the current state."""
        promises = operation.promises | {(src, *report)}
        operation = replace(operation, promises=promises)
        self.operations = self.operations.set(key, operation)
        if self.system.is_read_quorum({acceptor for acceptor, _, _ in promises}):
            # The state of the highest ballot, however few hold it: it may have been acknowledged.
            _, accepted, state = max(promises, key=lambda promise: promise[1])
            self.accept(key, operation, accepted, state, out)

    def accept(
        self, key: Key, operation: Operation, base: Ballot, current: State, out: Out
    ) -> None:
        """Phase 2: apply the batch to the current state and have the result accepted.

        A state that is only read is accepted again, too: until a quorum holds it, a later read
        might not see it.
        """
        ballot, state, attempts = operation.ballot, current, operation.attempts
        replies = dict(attempts).get(current.mark(self.id))
        if replies is None:  # no earlier try of this batch took effect
            value, replies = self.apply(operation.batch, current.value)
            if value != current.value:
                state = current.changed(value, self.id, ballot)
                attempts = (*attempts, (ballot, replies))
        following = ZERO
        if self.one_round_trip and state.value is not None and not operation.collecting:
            self.round += 1
            following = Ballot(self.round, self.id)
        operation = replace(
            operation,
            phase=ACCEPTING,
            promises=frozenset(),
            refusals=frozenset(),
            votes=frozenset(),
            base=base,
            state=state,
            next=following,
            attempts=attempts,
            replies=replies,
        )
        self.operations = self.operations.set(key, operation)
        out.broadcast(self.system, Accept(key, ballot, state, following, self.age))
        out.set_timer(_timer(key), after=self.retry_ms)

    def apply(
        self, batch: tuple[Request, ...], value: bytes | None
    ) -> tuple[bytes | None, tuple[object, ...]]:
        """Apply the changes of `batch`, in order; return the new value and a reply for each."""
        replies: list[object] = []
        for request in batch:
            reply: object = None
            match request:
                case Change(command=command):
                    value, reply = self.transition(value, command)
                case Claim(configuration):
                    value, reply = self.claim(value, configuration)
            replies.append(reply)
        return value, tuple(replies)

    def claim(self, value: bytes | None, wanted: Configuration) -> tuple[bytes | None, object]:
        """The change function of the configuration's register."""
        raise NotImplementedError

    def on_accepted(self, src: NodeId, key: Key, operation: Operation, out: Out) -> None:
        """Count a confirmation; a write quorum of them makes the change."""
        operation = replace(operation, votes=operation.votes | {src})
        self.operations = self.operations.set(key, operation)
        if self.system.is_write_quorum(operation.votes):
            self.finish(key, operation, out)

    def finish(self, key: Key, operation: Operation, out: Out) -> None:
        """The batch is done: answer, remember what is promised, go on with what has queued up."""
        # The next phase 1 is over only if a read quorum is among those who promised `next`.
        if operation.next != ZERO and self.system.is_read_quorum(operation.votes):
            if len(self.cache) >= self.cache_limit:
                self.cache = Table()
            cached = Cached(operation.next, operation.ballot, operation.state)
            self.cache = self.cache.set(key, cached)
        if operation.queue:
            self.begin(key, operation, out)
        else:
            self.operations = self.operations.delete(key)
            out.cancel_timer(_timer(key))
        for request, reply in zip(operation.batch, operation.replies, strict=True):
            if isinstance(request, Change):
                out.answer(request, reply)
            else:
                self.on_own(key, request, operation, out)
        if operation.state.value is None and operation.base != ZERO:
            self.on_tombstone(key)

    def on_own(self, key: Key, request: Request, operation: Operation, out: Out) -> None:
        """This node's own `request` is done; see the collector and the membership."""

    def on_tombstone(self, key: Key) -> None:
        """An empty state was written under `key`; see the collector."""

    def on_conflict(self, src: NodeId, key: Key, operation: Operation, out: Out) -> None:
        """Count a refusal, and try again a little later, unless a quorum answers before that.

        One refusal already means that somebody else is ahead.  Who has not answered yet may be
        dead: with one of three members gone, two proposers that refused each other would both
        wait for it until `retry_ms` were over, and nobody would be served meanwhile.
        """
        operation = replace(operation, refusals=operation.refusals | {src})
        left = set(self.system) - operation.refusals
        if operation.phase == PREPARING:
            hope = self.system.is_read_quorum(left)
        else:
            hope = self.system.is_write_quorum(left)
        if not hope:
            operation = replace(operation, phase=WAITING)
        low, high = self.backoff_ms
        longer = 1 << min(max(operation.tries - 1, 0), BACKOFF_DOUBLINGS)
        out.set_timer(_timer(key), after=(low, high * longer))
        self.operations = self.operations.set(key, operation)

    def restart_rounds(self, out: Out) -> None:
        """Forget every answer counted so far: what was under way begins again with phase 1."""
        self.cache = Table()
        for key, operation in self.operations.items():
            if not self.proposes:  # what was under way here ends with an unknown outcome
                self.operations = self.operations.delete(key)
                out.cancel_timer(_timer(key))
            elif operation.phase != WAITING:
                self.prepare(key, operation, out)


def _timer(key: Key) -> Timer:
    return "retry " + key.decode("latin-1")


def _key(timer: Timer) -> Key:
    return timer.removeprefix("retry ").encode("latin-1")
