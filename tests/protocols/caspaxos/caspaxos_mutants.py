"""CASPaxos with one line broken.  A check that lets them live proves nothing."""

from __future__ import annotations

from comitia.kernel import ZERO, Ballot, Message, NodeId, Out, Timer, replace
from comitia.protocols.caspaxos.collector import Collection
from comitia.protocols.caspaxos.messages import Accept, Key, Prepare, Register
from comitia.protocols.caspaxos.node import CasPaxos
from comitia.protocols.caspaxos.operation import ACCEPTING, Operation
from comitia.protocols.caspaxos.proposer import Cached


class ReusesItsBallot(CasPaxos):
    """R-ballot-reuse: an accept that was not acknowledged leaves its ballot in the cache, and the
    next change takes it for another state."""

    def on_timer(self, timer: Timer, out: Out) -> None:
        key = timer.removeprefix("retry ").encode()
        operation = self.operations.get(key)
        if operation and operation.phase == ACCEPTING and operation.tries == 0 and operation.queue:
            accepted, state = operation.base, self.before[1]
            self.cache = self.cache.set(key, Cached(operation.ballot, accepted, state))
            self.begin(key, operation, out)
        else:
            super().on_timer(timer, out)

    def accept(self, key, operation, base, current, out) -> None:  # type: ignore[no-untyped-def]
        self.before = (key, current)
        super().accept(key, operation, base, current, out)


class AnswersReadsBeforeTheyAreAccepted(CasPaxos):
    """A read is answered with what phase 1 found, which a quorum need not hold."""

    def accept(self, key, operation, base, current, out) -> None:  # type: ignore[no-untyped-def]
        super().accept(key, operation, base, current, out)
        asked = self.operations[key]
        if asked.state == current:
            self.finish(key, replace(asked, next=ZERO), out)


class TakesTheLowestBallot(CasPaxos):
    """The state of the lowest ballot reported is taken for the current one."""

    def on_promised(self, src, key, operation, report, out) -> None:  # type: ignore[no-untyped-def]
        promises = operation.promises | {(src, *report)}
        if self.system.is_read_quorum({acceptor for acceptor, _, _ in promises}):
            least = min(promises, key=lambda promise: promise[1])
            operation = replace(operation, promises=frozenset())
            for node, _, _ in sorted(promises):
                super().on_promised(node, key, operation, least[1:], out)
                operation = self.operations[key]
                if operation.phase == ACCEPTING:
                    return
        else:
            super().on_promised(src, key, operation, report, out)


class AcceptsBelowItsPromise(CasPaxos):
    """An acceptor accepts whatever is newer than what it accepted last."""

    def on_accept(self, src: NodeId, message: Accept, out: Out) -> None:
        register = self.registers.get(message.key)
        if register is not None and message.ballot > register.ballot:
            promised = Register(register.ballot, register.ballot, register.state)
            self.registers = self.registers.set(message.key, promised)
        super().on_accept(src, message, out)


class CachesWhatAWriteQuorumDidNotPromise(CasPaxos):
    """One round trip, although nobody was asked to promise the next ballot."""

    def finish(self, key: Key, operation: Operation, out: Out) -> None:
        if operation.next == ZERO:
            self.round += 1
            operation = replace(operation, next=Ballot(self.round, self.id))
        super().finish(key, operation, out)

    def accept(self, key, operation, base, current, out) -> None:  # type: ignore[no-untyped-def]
        self.one_round_trip = False
        super().accept(key, operation, base, current, out)


class CollectsWhatAQuorumAccepted(CasPaxos):
    """A tombstone is erased although an acceptor still holds an older value."""

    def step_a(self, c: Collection, out: Out) -> None:
        everybody = frozenset(self.system)
        super().step_a(replace(c, votes=tuple((k, b, everybody) for k, b, _ in c.votes)), out)


class GoesOnWithPromisesFromBeforeTheDeletion(CasPaxos):
    """A proposer told of a deletion forgets its cache, but not the phase 1 that is under way."""

    def invalidate(self, src, number, tombs, out) -> None:  # type: ignore[no-untyped-def]
        before = self.operations
        super().invalidate(src, number, tombs, out)
        self.operations = before


class ForgetsThePromiseWithTheTombstone(CasPaxos):
    """An acceptor erases a register in which a greater ballot is promised."""

    def erase(self, key: Key, ballot: Ballot) -> bool:
        register = self.registers.get(key)
        if register is not None and register.ballot == ballot:
            self.registers = self.registers.delete(key)
        return True


class HeedsNoAges(CasPaxos):
    """Messages sent before a deletion are accepted after it."""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        if isinstance(message, Prepare | Accept):
            message = replace(message, age=self.ages.get(src, 0))
        super().on_message(src, message, out)


class AppliesAChangeTwice(CasPaxos):
    """A proposer that tries again does not look whether an earlier try took effect."""

    def accept(self, key, operation, base, current, out) -> None:  # type: ignore[no-untyped-def]
        super().accept(key, replace(operation, attempts=()), base, current, out)


class ForgetsItsRound(CasPaxos):
    """The counter of ballots is not on disk."""

    stable = tuple(name for name in CasPaxos.stable if name != "round")


class ForgetsItsRegisters(CasPaxos):
    """What was accepted is not on disk."""

    stable = tuple(name for name in CasPaxos.stable if name != "registers")


MUTANTS = (
    ReusesItsBallot,
    AnswersReadsBeforeTheyAreAccepted,
    TakesTheLowestBallot,
    AcceptsBelowItsPromise,
    CachesWhatAWriteQuorumDidNotPromise,
    ForgetsItsRound,
    ForgetsItsRegisters,
)
