"""What was decided and what clients were told: the promises of every replicated log.

These hold for any protocol whose nodes deliver a log of values, so they are checked here once, as
the values are delivered, in constant time each:

- **Agreement**: no two nodes deliver different values at one slot, in any lifetime.
- **TotalOrder**: no node skips a slot that another delivered.
- **Validity**: a delivered value was asked for (or is empty, which protocols use as no-op).
- **Refusal**: a value is decided no more often than nodes took it: what a node has refused, as
  certainly not decided, is not.
- **Linearizability**: an operation that began after another ended takes effect after it.  The log
  is the witness: an operation's place in it is known, so comparing places is enough.  The history
  is kept as well, and a checker that knows nothing of logs judges it.
"""

from __future__ import annotations

from typing import Any

from comitia.history import Register, check, operations
from comitia.history.operation import Event
from comitia.kernel import NodeId, Slot
from comitia.sim.workload import Op


class Violation(Exception):
    """A promise does not hold."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise, self.text = promise, text


class Ledger:
    """What the cluster as a whole has done."""

    def __init__(self) -> None:
        self.values: dict[Slot, bytes] = {}
        self.before: dict[Slot, Slot] = {}
        self.asked: dict[bytes, Op] = {}
        self.copies: dict[bytes, int] = {}
        """How often a value was handed to a node, to be put into its log, less how often it was
        refused or decided since.
        """
        self.open: dict[int, tuple[Op, Slot]] = {}
        """By client: its operation, and the place that must come before its effect."""
        self.frontier: Slot = 0
        """The last place that a client knows of."""
        self.history: list[Event] = []
        self.done = 0

    def invoke(self, op: Op, time: int) -> None:
        """A client begins `op`."""
        assert op.client not in self.open, "a client does one thing at a time"
        self.open[op.client] = op, self.frontier
        if op.data:
            self.asked[op.data] = op
        self.history.append(Event("invoke", op.client, op.f, op.value, op.key, time * 1000))

    def handed(self, value: bytes) -> None:
        """A node is asked to decide `value`."""
        self.copies[value] = self.copies.get(value, 0) + 1

    def spent(self, node: NodeId, value: bytes, what: str) -> None:
        """One of the copies of `value` that nodes were handed was decided or refused."""
        self.copies[value] = left = self.copies[value] - 1
        if left < 0:
            raise Violation(
                "Refusal", f"n{node} {what} {value!r}: more decisions and refusals than requests"
            )

    def decided(self, node: NodeId, slot: Slot, previous: Slot, value: bytes) -> Op | None:
        """`node` delivers `value` at `slot`, after `previous`; return the operation it is."""
        known = self.values.get(slot)
        if known is None:
            self.values[slot] = value
            self.before[slot] = previous
            if value and value not in self.asked:
                raise Violation("Validity", f"n{node} delivers {value!r}, for which nobody asked")
            if value in self.copies:
                self.spent(node, value, "delivers")
        elif known != value:
            raise Violation(
                "Agreement", f"n{node} delivers {value!r} at slot {slot}, others {known!r}"
            )
        elif self.before[slot] != previous:
            raise Violation(
                "TotalOrder",
                f"n{node} delivers slot {slot} after {previous}, others after {self.before[slot]}",
            )
        return self.asked[value] if value else None

    def complete(self, node: NodeId, op: Op, place: Slot, result: Any, time: int) -> bool:
        """`node` answers `op`, whose effect is at `place`; False when its client is past it."""
        waiting = self.open.get(op.client)
        if waiting is None or waiting[0] is not op:
            return False
        after = waiting[1]
        if op.ask is not None:
            pass  # no log is there to be the witness: the history is judged at the end of the run
        elif place < after or (op.data and place == after):
            raise Violation(
                "Linearizability",
                f"{op.f} {op.key} of client {op.client}, answered by n{node}, is at slot {place}, "
                f"but clients knew of slot {after} before it was asked",
            )
        del self.open[op.client]
        if place > self.frontier:
            self.frontier = place
        self.done += 1
        self.history.append(Event("ok", op.client, op.f, result, op.key, time * 1000))
        return True

    def end(self, op: Op, happened: str, time: int) -> None:
        """The client of `op` learnt that it failed (`fail`) or gave up (`info`)."""
        del self.open[op.client]
        self.history.append(Event(happened, op.client, op.f, None, op.key, time * 1000))

    def judge(self) -> None:
        """Let a checker that knows nothing of logs judge what clients saw.  Raises Violation."""
        verdict = check(operations(self.history), Register(), expired=_Patience())
        if verdict.ok is False:
            raise Violation("Linearizability", str(verdict))


class _Patience:
    """Ends a search that takes too long; counted, not timed, so that a seed is a seed."""

    def __init__(self, questions: int = 20) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0
