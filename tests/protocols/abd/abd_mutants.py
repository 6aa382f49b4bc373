"""ABD with one line broken.  A check that lets them live proves nothing."""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Out, replace
from comitia.protocols.abd.messages import Store, Timestamp, WriteRegister
from comitia.protocols.abd.node import Abd


class DoesNotWriteBack(Abd):
    """A read returns what phase 1 found, although no quorum need hold it."""

    def store(self, key, operation, latest, out: Out) -> None:  # type: ignore[no-untyped-def]
        if any(isinstance(request, WriteRegister) for request in operation.batch):
            super().store(key, operation, latest, out)
        else:
            results = tuple(latest.value for _ in operation.batch)
            asked = replace(operation, storing=True, stored=frozenset(self.system), results=results)
            self.operations = self.operations.set(key, asked)
            self.on_stored(self.id, key, asked, out)


class TimestampsWithoutAWriter(Abd):
    """Timestamps are counters only: two writers tie."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Store):
            tagged = message.tagged
            anonymous = Timestamp(tagged.timestamp.counter, 0)
            message = replace(message, tagged=replace(tagged, timestamp=anonymous))
        super().on_message(src, message, out)


class ForgetsItsCounter(Abd):
    """The counter is not on disk: the next life of the writer may use it again."""

    stable = ("registers",)


class ForgetsItsCopies(Abd):
    """The registers are not on disk."""

    stable = ("counter",)


class NumbersPhasesAfreshInEveryLife(Abd):
    """An answer to a phase of a former life counts in this one."""

    def on_start(self, out: Out) -> None:
        pass


class CountsAMemberTwice(Abd):
    """An answer that arrives twice counts as two."""

    def on_stored(self, src: NodeId, key, operation, out: Out) -> None:  # type: ignore[no-untyped-def]
        if src in operation.stored:
            src = next((node for node in self.system if node not in operation.stored), src)
        super().on_stored(src, key, operation, out)


class TakesAnyCopy(Abd):
    """Phase 1 believes the first replica that answered, not the latest timestamp."""

    def on_held(self, src: NodeId, key, operation, tagged, out: Out) -> None:  # type: ignore[no-untyped-def]
        first = min(operation.held, default=(src, tagged), key=lambda held: held[0])[1]
        super().on_held(src, key, operation, first, out)


MUTANTS = (
    DoesNotWriteBack,
    TimestampsWithoutAWriter,
    ForgetsItsCounter,
    ForgetsItsCopies,
    NumbersPhasesAfreshInEveryLife,
    CountsAMemberTwice,
    TakesAnyCopy,
)
