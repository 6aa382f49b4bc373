"""Linearizability as a property of a model: what clients saw is part of the state.

A history is kept as what it means and not as a list of events: each operation with the set of
operations that had returned before it was called.  Orders of events that nobody can tell apart are
therefore one state.  The verdict on a history is found once, however many states it is part of.

    class RegisterIsLinearizable(Linearizable):
        sequential = Register()

        def operation(self, request):
            match request:
                case Write(_, value):
                    return "write", value
                case Read():
                    return "read", None
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from comitia.history import UNKNOWN, AppendLog, Model, Operation, check
from comitia.kernel import Broken, NodeId, Promise, Propose, Record, Request, Slot
from comitia.kernel import Read as ReadUpTo


class Open(Record):
    """The output of an operation that has not returned."""


class Call(Record):
    """One operation of a history."""

    id: Any
    f: str
    value: Any
    output: Any
    after: frozenset[Any]
    """The ids of the operations that had returned when this one was called."""


class Linearizable(Promise):
    """What clients were answered is what one object, asked in some order, would have answered."""

    sequential: ClassVar[Model]
    """The object that the clients believe to talk to."""

    watch: ClassVar[tuple[str, ...]] = ("id",)  # never to be told of steps

    def __init__(self) -> None:
        self.calls: frozenset[Call] = frozenset()
        self.returned: frozenset[Hashable] = frozenset()

    def operation(self, request: Request) -> tuple[str, Any] | None:
        """Return (function, argument) of `request`, None when it is no business of the object."""
        raise NotImplementedError

    def on_request(self, node: NodeId, request: Request) -> None:
        operation = self.operation(request)
        if operation is not None:
            self.call(request, *operation)

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        if self.operation(request) is not None:
            self.give(request, result)

    def call(self, id: Hashable, f: str, value: Any) -> None:
        """A client calls; what was refused before had no effect and is called anew."""
        others = frozenset(call for call in self.calls if call.id != id)
        self.calls = others | {Call(id, f, value, Open(), self.returned)}

    def give(self, id: Hashable, output: Any) -> None:
        """A call returns; raise Broken when no order of the operations explains all outputs."""
        if id in self.returned or all(call.id != id for call in self.calls):
            return  # an answer given twice, or to nobody
        self.returned |= {id}
        self.calls = frozenset(
            Call(c.id, c.f, c.value, output, c.after) if c.id == id else c for c in self.calls
        )
        verdict = check(self.history(), self.sequential)
        if not verdict:
            raise Broken(str(verdict))

    def history(self) -> list[Operation]:
        """Return the operations, their calls and ends numbered as they followed each other."""
        # Real time makes the sets of those that returned before nested, so their sizes order them.
        moments = sorted({len(call.after): call.after for call in self.calls}.items())
        found = []
        for call in self.calls:
            began = 2 * len(call.after)
            later = [size for size, after in moments if call.id in after]
            last = 2 * len(self.returned) + 1
            done = call.id in self.returned
            end = (2 * later[0] - 1 if later else last) if done else None
            output = call.output if done else UNKNOWN
            found.append(Operation(call.id, call.f, call.value, output, began, end))
        return sorted(found, key=lambda operation: (operation.call, repr(operation)))


class LinearizableLog(Linearizable):
    """A replicated log is a list: `Propose` appends to it, `Read` sees all of it.

    The proposer knows its value to be in the list when the node it asked delivers it.
    """

    sequential = AppendLog()

    def __init__(self) -> None:
        super().__init__()
        self.decided: tuple[bytes, ...] = ()

    def operation(self, request: Request) -> tuple[str, Any] | None:
        match request:
            case Propose(value):
                return "append", value
            case ReadUpTo():
                return "read", None
            case _:
                return None

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if slot == len(self.decided) + 1:
            self.decided += (value,)
        if value:
            self.give(Propose(value), None)

    def on_answer(self, node: NodeId, request: Request, result: object) -> None:
        if isinstance(request, ReadUpTo):
            assert isinstance(result, int)
            self.give(request, tuple(value for value in self.decided[:result] if value))
