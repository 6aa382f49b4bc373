"""What clients ask of a replicated log, and the machine that serves them.

A workload makes operations, each of which is a value with an identity of its own, and the machine
that every host applies them to.  The machine is exactly-once: an operation that was proposed again,
because its client did not hear, changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from comitia.kernel import Request, Slot
from comitia.sim.dice import Dice


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of one client; `data` is what is proposed, empty when it only reads."""

    client: int
    seq: int
    f: str
    key: str
    value: Any
    data: bytes
    ask: Callable[[int], Request] | None = None
    """ask(token): the request to make, where the protocol has no log.  It is made once: who gets no
    answer does not know whether it had an effect, and no machine is there to tell a repetition."""


class Machine(Protocol):
    """What is replicated, as the simulator's hosts see it."""

    def apply(self, slot: Slot, op: Op) -> tuple[Slot, Any]:
        """Apply `op`; return where its effect is, this slot or an earlier one, and its result."""

    def read(self, op: Op) -> Any:
        """Return what `op` sees now."""

    def save(self) -> Any:
        """Return the whole state as a value that never changes."""

    def load(self, state: Any) -> None:
        """Replace the whole state; None stands for the initial one."""


class Workload(Protocol):
    """What clients do."""

    model: str
    """The name of the sequential model that the history is checked against."""

    alone: bool
    """Every operation stands for itself: no log says what all hosts must have applied."""

    def operation(self, client: int, seq: int, dice: Dice) -> Op:
        """Return the next operation of `client`."""

    def machine(self) -> Machine:
        """Return a machine in its initial state."""


class Registers:
    """A few registers, each written with values that occur once, read, and compared-and-set."""

    model = "register"
    alone = False

    def __init__(self, keys: int = 3, reads: int = 40) -> None:
        """`reads` in 100 operations read."""
        self.keys, self.reads = keys, reads

    def operation(self, client: int, seq: int, dice: Dice) -> Op:
        key = f"r{dice.below(self.keys)}"
        kind = dice.below(100)
        if kind < self.reads:
            return Op(client, seq, "read", key, None, b"")
        value = client * 10_000 + seq
        data = b"%d.%d" % (client, seq)
        return Op(client, seq, "write", key, value, data)

    def machine(self) -> RegisterMachine:
        return RegisterMachine()


class RegisterMachine:
    """Registers, and the last operation of every client with its place and result."""

    def __init__(self) -> None:
        self.registers: dict[str, Any] = {}
        self.sessions: dict[int, tuple[int, Slot, Any]] = {}

    def apply(self, slot: Slot, op: Op) -> tuple[Slot, Any]:
        last = self.sessions.get(op.client)
        if last is not None and op.seq <= last[0]:
            return last[1], last[2]  # proposed again: of an older one nobody waits to hear
        self.registers[op.key] = op.value
        self.sessions[op.client] = (op.seq, slot, None)
        return slot, None

    def read(self, op: Op) -> Any:
        return self.registers.get(op.key)

    def save(self) -> Any:
        return tuple(self.registers.items()), tuple(self.sessions.items())

    def load(self, state: Any) -> None:
        registers, sessions = state or ((), ())
        self.registers, self.sessions = dict(registers), dict(sessions)


class Requests(Registers):
    """The same for a protocol without a log: every operation is a request of its own."""

    alone = True

    def __init__(
        self,
        ask: Callable[[int, str, str, bytes], Request],
        verbs: tuple[str, ...],
        keys: int = 3,
    ) -> None:
        super().__init__(keys, reads=40 if "read" in verbs else 0)
        self.ask, self.deletes = ask, 20 if "delete" in verbs else 0

    def operation(self, client: int, seq: int, dice: Dice) -> Op:
        op = super().operation(client, seq, dice)
        ask, value, verb = self.ask, op.data or None, op.f
        if verb == "write" and self.deletes and dice.below(100) < self.deletes:
            value, verb = None, "delete"

        def request(token: int) -> Request:
            return ask(token, verb, op.key, op.data)

        return replace(op, value=value, ask=request)
