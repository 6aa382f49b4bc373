"""From a failing run to the shortest story that still fails: delta debugging of a tape.

Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002.

First whole nodes, clients, links and kinds of input are left out, then ever smaller pieces of the
tape, down to single inputs; then what happened is made simpler (a write is on disk at once, a turn
ends at once), then pairs of inputs that need each other are left out, and at last the waiting in
between.  A shorter tape counts when it breaks the same promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from comitia.sim.replay import Replay
from comitia.sim.tape import Input

ATTEMPTS = 10_000
"""Plays of a tape, at most: a bound that, unlike time, gives the same story on every machine."""

PAIRS = 60
"""All pairs are tried when no more inputs than these are left, before that pairs of timers."""

GAPS_US = (1_000, 10_000, 100_000, 1_000_000)
"""What is tried as the longest time in which nothing happens."""

Tape = list[Input]


def is_given(input: Input, index: int, tape: Tape) -> bool:
    """Is this a node's first start?  That a cluster runs is given, and no step of a story."""
    return input.name == "start" and not any(
        before.name == "start" and before.host == input.host for before in tape[:index]
    )


class Shrinker:
    """Shortens a tape that breaks `promise`."""

    def __init__(self, fresh: Callable[[], Replay], promise: str, attempts: int = ATTEMPTS) -> None:
        """`fresh` makes a world to which nothing has happened yet."""
        self.fresh, self.promise, self.attempts = fresh, promise, attempts

    def fails(self, tape: Tape) -> Tape | None:
        """Return what of `tape` took place before it broke the promise; None when it does not."""
        self.attempts -= 1
        world = self.fresh()
        violation = world.play(tape)
        return world.applied if violation and violation.promise == self.promise else None

    def shrink(self, tape: Tape) -> Tape:
        """Return the shortest tape found; `tape` itself must break the promise."""
        best = self.fails(tape)
        assert best is not None, f"the tape does not break {self.promise}"
        self.take(best, self.groups)
        before = 0
        while before != len(best):
            before = len(best)
            self.take(best, self.pieces)
            self.take(best, self.simpler)
            self.take(best, self.pairs)
        return self.hurry(best)

    def take(self, best: Tape, cuts: Callable[[Tape], Iterator[Tape]]) -> None:
        """Try what `cuts` proposes, and go on from what is left whenever it still fails."""
        for candidate in cuts(best):
            if self.attempts <= 0:
                break
            shorter = self.fails(candidate)
            if shorter is not None and len(shorter) < len(best):
                best[:] = shorter

    @staticmethod
    def groups(best: Tape) -> Iterator[Tape]:
        """All inputs of one kind, of one client, of one node, of one link."""
        yield [input for input in best if input.name != "note"]
        for name in sorted({input.name for input in best} - {"start"}):
            yield [input for input in best if input.name != name]
        for client in sorted({i.arguments[0].client for i in best if i.name == "invoke"}):
            yield [
                input
                for input in best
                if input.name not in ("invoke", "attempt", "end")
                or input.arguments[0].client != client
            ]
        for node in sorted({input.host for input in best}):
            yield [input for input in best if input.host != node]
        for link in sorted({(i.arguments[0], i.host) for i in best if i.name == "receive"}):
            yield [
                input
                for input in best
                if input.name != "receive" or (input.arguments[0], input.host) != link
            ]

    @staticmethod
    def pieces(best: Tape) -> Iterator[Tape]:
        """Everything but one piece: halves first, single inputs last; the end before the start."""
        size = len(best) // 2
        while size:
            end = len(best)
            while end > 0:
                yield best[: max(0, end - size)] + best[end:]
                end = min(end - size, len(best))
            size = min(size // 2, len(best) // 2)

    @staticmethod
    def simpler(best: Tape) -> Iterator[Tape]:
        """Without syncs and ends of turns of their own: what led to them is followed by them."""
        late = ("sync", "turn_over")
        yield [i._replace(instant=True, held=False) for i in best if i.name not in late]
        for index in reversed(range(len(best))):
            if index < len(best) and best[index].name in late:
                host = best[index].host
                yield [
                    i._replace(instant=True, held=False) if i.host == host else i
                    for i in best[:index]
                ] + best[index + 1 :]

    @staticmethod
    def pairs(best: Tape) -> Iterator[Tape]:
        """Everything but two inputs: a crash with its restart, a question with its answer.

        Or a timeout of one node with one of another: they are to be of one term in the end.
        """
        few = len(best) <= PAIRS
        for later in reversed(range(len(best))):
            for earlier in reversed(range(later)):
                if later < len(best) and (few or best[later].name == best[earlier].name == "fire"):
                    yield best[:earlier] + best[earlier + 1 : later] + best[later + 1 :]

    def hurry(self, best: Tape) -> Tape:
        """Return the tape with the least waiting that still fails."""
        for gap in GAPS_US:
            hurried = self.fails(without_waiting(best, gap))
            if hurried is not None and len(hurried) == len(best):
                return hurried
        return best


def without_waiting(tape: Tape, gap_us: int) -> Tape:
    """Return `tape` with at most `gap_us` between two inputs, on every clock."""
    hurried: Tape = []
    saved, last = 0, tape[0].time if tape else 0
    for input in tape:
        saved += max(0, input.time - last - gap_us)
        last = input.time
        hurried.append(input._replace(time=input.time - saved, clock=input.clock - saved))
    return hurried
