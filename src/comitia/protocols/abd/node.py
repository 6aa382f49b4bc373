"""A member: replica, reader and writer of registers, one for each key.

Requests for one key that wait at one member share the next two phases, in order: the reads among
them see what was written before them, and the last write is the one that is stored.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import (
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
from comitia.protocols.abd.messages import (
    Held,
    Key,
    Query,
    ReadRegister,
    Store,
    Stored,
    Tagged,
    Timestamp,
    Value,
    WriteRegister,
)
from comitia.quorums import Majority, QuorumSystem

NOTHING = Tagged()
QUEUE_LIMIT = 1_000
LIFE_SHIFT = 40


class Operation(Record):
    """Two phases under way for one key, and what waits behind them."""

    number: int = 0
    storing: bool = False
    batch: tuple[Request, ...] = ()
    queue: tuple[Request, ...] = ()
    held: frozenset[tuple[NodeId, Tagged]] = frozenset()
    tagged: Tagged = NOTHING
    stored: frozenset[NodeId] = frozenset()
    results: tuple[Value, ...] = ()


class Abd(Node):
    """Atomic registers without consensus: nobody waits for anybody but a quorum."""

    # A counter used is never used again, also by the next life of this writer: or two values
    # could carry one timestamp, and replicas would disagree for ever.
    stable: ClassVar[tuple[str, ...]] = ("registers", "counter", "life")
    registers: Table[Key, Tagged]
    counter: int
    life: int

    def __init__(
        self,
        id: NodeId,
        voters: tuple[NodeId, ...],
        system: QuorumSystem | None = None,
        retry_ms: tuple[int, int] = (200, 400),
    ) -> None:
        """`system`: phase 1 waits for read quorums, phase 2 for write quorums; majorities unless
        given.  `retry_ms`: when to ask again who has not answered.
        """
        super().__init__(id)
        self.system: QuorumSystem = Majority(voters) if system is None else system
        self.retry_ms = retry_ms
        self.registers = Table()
        self.counter = 0  # the highest that this writer has used
        # How often this member has started.  Phases are numbered within a life: an answer to a
        # phase of an earlier life, about another key or another time, must not count in this one.
        self.life = 0
        self.number = 0
        self.operations: Table[Key, Operation] = Table()
        self.keys: Table[int, Key] = Table()  # by the number of a phase under way
        self.fresh: tuple[Key, ...] = ()

    def on_start(self, out: Out) -> None:
        self.life += 1
        self.number = self.life << LIFE_SHIFT

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case ReadRegister(key=key) | WriteRegister(key=key):
                operation = self.operations.get(key)
                if operation is None:
                    self.fresh = (*self.fresh, key)
                    operation = Operation()
                elif len(operation.queue) >= QUEUE_LIMIT:
                    out.refuse(request, "too many requests for this key are waiting")
                    return
                operation = replace(operation, queue=(*operation.queue, request))
                self.operations = self.operations.set(key, operation)
            case _:
                super().on_request(request, out)

    def on_turn(self, out: Out) -> None:
        fresh, self.fresh = self.fresh, ()
        for key in fresh:
            self.begin(key, self.operations[key].queue, out)

    def begin(self, key: Key, batch: tuple[Request, ...], out: Out) -> None:
        """Phase 1: ask everybody for the latest timestamp and its value."""
        self.number += 1
        self.operations = self.operations.set(key, Operation(self.number, batch=batch))
        self.keys = self.keys.set(self.number, key)
        out.broadcast(self.system, Query(self.number, key))
        out.set_timer(_timer(key), after=self.retry_ms)

    def on_timer(self, timer: Timer, out: Out) -> None:
        """Ask again who has not answered; replicas do not mind being asked twice."""
        key = _key(timer)
        operation = self.operations.get(key)
        if operation is None:
            return
        heard = operation.stored if operation.storing else {node for node, _ in operation.held}
        silent = [node for node in self.system if node not in heard]
        if operation.storing:
            out.broadcast(silent, Store(operation.number, key, operation.tagged))
        else:
            out.broadcast(silent, Query(operation.number, key))
        out.set_timer(timer, after=self.retry_ms)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Query(number, key):
                out.send(src, Held(number, self.registers.get(key, NOTHING)))
            case Store(number, key, tagged):
                if tagged.timestamp > self.registers.get(key, NOTHING).timestamp:
                    self.registers = self.registers.set(key, tagged)
                out.send(src, Stored(number))
            case Held(number, tagged) if (asked := self.keys.get(number)) is not None:
                self.on_held(src, asked, self.operations[asked], tagged, out)
            case Stored(number) if (asked := self.keys.get(number)) is not None:
                self.on_stored(src, asked, self.operations[asked], out)

    def on_held(
        self, src: NodeId, key: Key, operation: Operation, tagged: Tagged, out: Out
    ) -> None:
        """Count an answer of phase 1."""
        if operation.storing:
            return
        operation = replace(operation, held=operation.held | {(src, tagged)})
        self.operations = self.operations.set(key, operation)
        if self.system.is_read_quorum({node for node, _ in operation.held}):
            latest = max((held for _, held in operation.held), key=lambda held: held.timestamp)
            self.store(key, operation, latest, out)

    def store(self, key: Key, operation: Operation, latest: Tagged, out: Out) -> None:
        """Phase 2: have a write quorum hold what is written, or what is read.

        A read writes back: until a quorum holds the value it returns, a later read could miss it
        and return an older one.
        """
        value: Value = latest.value
        results: list[Value] = []
        for request in operation.batch:
            if isinstance(request, WriteRegister):
                value = request.value
                results.append(None)
            else:
                results.append(value)
        if any(isinstance(request, WriteRegister) for request in operation.batch):
            self.counter = max(self.counter, latest.timestamp.counter) + 1
            latest = Tagged(Timestamp(self.counter, self.id), value)
        operation = replace(
            operation, storing=True, held=frozenset(), tagged=latest, results=tuple(results)
        )
        self.operations = self.operations.set(key, operation)
        out.broadcast(self.system, Store(operation.number, key, latest))
        out.set_timer(_timer(key), after=self.retry_ms)

    def on_stored(self, src: NodeId, key: Key, operation: Operation, out: Out) -> None:
        """Count an answer of phase 2."""
        if not operation.storing:
            return
        operation = replace(operation, stored=operation.stored | {src})
        self.operations = self.operations.set(key, operation)
        if not self.system.is_write_quorum(operation.stored):
            return
        self.keys = self.keys.delete(operation.number)
        if operation.queue:
            self.begin(key, operation.queue, out)
        else:
            self.operations = self.operations.delete(key)
            out.cancel_timer(_timer(key))
        for request, result in zip(operation.batch, operation.results, strict=True):
            out.answer(request, result)


def _timer(key: Key) -> Timer:
    return "again " + key.decode("latin-1")


def _key(timer: Timer) -> Key:
    return timer.removeprefix("again ").encode("latin-1")
