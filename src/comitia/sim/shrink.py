"""From a failing run to the shortest story that still fails: delta debugging of a tape.

Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002.

First whole nodes, clients and kinds of input are left out, then ever smaller pieces of the tape,
down to single inputs.  A shorter tape counts when it breaks the same promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from comitia.sim.replay import Replay
from comitia.sim.tape import Input

ATTEMPTS = 4_000
"""Plays of a tape, at most: a bound that, unlike time, gives the same story on every machine."""


class Shrinker:
    """Shortens a tape that breaks `promise`."""

    def __init__(self, fresh: Callable[[], Replay], promise: str, attempts: int = ATTEMPTS) -> None:
        """`fresh` makes a world to which nothing has happened yet."""
        self.fresh, self.promise, self.attempts = fresh, promise, attempts

    def fails(self, tape: list[Input]) -> list[Input] | None:
        """Return what of `tape` took place before it broke the promise; None when it does not."""
        self.attempts -= 1
        world = self.fresh()
        violation = world.play(tape)
        return world.applied if violation and violation.promise == self.promise else None

    def shrink(self, tape: list[Input]) -> list[Input]:
        """Return the shortest tape found; `tape` itself must break the promise."""
        best = self.fails(tape)
        assert best is not None, f"the tape does not break {self.promise}"
        best = self.take(best, self.groups)
        while self.attempts > 0:
            shorter = self.take(best, self.pieces)
            if len(shorter) == len(best):
                break
            best = shorter
        return best

    def take(
        self, best: list[Input], cuts: Callable[[list[Input]], Iterator[list[Input]]]
    ) -> list[Input]:
        """Try what `cuts` proposes, again from what is left whenever it still fails."""
        for candidate in cuts(best):
            if self.attempts <= 0:
                break
            shorter = self.fails(candidate)
            if shorter is not None and len(shorter) < len(best):
                best[:] = shorter
        return list(best)

    @staticmethod
    def groups(best: list[Input]) -> Iterator[list[Input]]:
        """All inputs of one kind, of one client, of one node."""
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

    @staticmethod
    def pieces(best: list[Input]) -> Iterator[list[Input]]:
        """Everything but one piece: halves first, single inputs last; the end before the start."""
        size = len(best) // 2
        while size:
            end = len(best)
            while end > 0:
                yield best[: max(0, end - size)] + best[end:]
                end = min(end - size, len(best))
            size = min(size // 2, len(best) // 2)
