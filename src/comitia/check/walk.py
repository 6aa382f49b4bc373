"""Spaces too large to be seen whole: depth first, and at random."""

from __future__ import annotations

from random import Random

from comitia.check.report import Limits, OnProgress, Outcome, Report
from comitia.check.search import LOOK_EVERY, Search
from comitia.check.space import Space, State, Violation


class DepthFirst(Search):
    """Goes deep at once; finds a run, not the shortest, and remembers only the states seen."""

    def count(self) -> int:
        return len(self._seen)

    def one_pass(self) -> Report:
        self._seen: set[State] = set()
        # What is still to be tried after each state of the current run, the last first.
        path: list[State] = []
        waiting: list[list[State]] = []
        steps = 0
        try:
            waiting.append(self._fresh(self.space.initial()))
            while waiting:
                if steps % LOOK_EVERY == 0 and self.look(sum(map(len, waiting))):
                    break
                steps += 1
                if not waiting[-1]:
                    waiting.pop()
                    if path:
                        path.pop()
                    continue
                state = waiting[-1].pop()
                if state in self._seen:
                    continue
                self._seen.add(state)
                if self.unseen:
                    self.see(state)
                path.append(state)
                self.depth = max(self.depth, len(path))
                deep = self.limits.depth is not None and len(path) >= self.limits.depth
                waiting.append([] if deep else self._fresh(self.space.expand(state)))
        except Violation as violation:
            return self.broken(path, violation)
        if self.limits.depth is not None and self.depth >= self.limits.depth:
            self.cut = self.cut or f"depth {self.limits.depth}"
        return self.end()

    def _fresh(self, successors: list[State]) -> list[State]:
        self.generated += len(successors)
        fresh = [state for state in successors if state not in self._seen]
        for state in fresh:
            try:
                self.space.inspect(state)
            except Violation as violation:
                violation.action = successors.index(state)
                raise
        return fresh[::-1]


class RandomWalks(Search):
    """Run after run from the start, each choosing by chance what happens next."""

    def __init__(
        self,
        space: Space,
        limits: Limits,
        seed: int,
        on_progress: OnProgress | None = None,
    ) -> None:
        """`limits.depth`: the length of a walk; without it a walk ends where nothing can happen.

        Some limit must be there, or the walks never end: of states, which counts repetitions,
        or of seconds.
        """
        super().__init__(space, limits, on_progress)
        assert limits.states is not None or limits.seconds is not None, "walks need a limit"
        self._random = Random(seed)

    def count(self) -> int:
        return self.generated

    def one_pass(self) -> Report:
        path: list[State] = []
        steps, choose = 0, self._random.randrange
        try:
            while not (steps % 256 == 0 and self.look(0)):
                steps += 1
                if self.limits.depth is not None and len(path) >= self.limits.depth:
                    path = []
                options = self.space.expand(path[-1]) if path else self.space.initial()
                if not options:
                    path = []
                    continue
                choice = choose(len(options))
                self.generated += 1
                try:
                    self.space.inspect(options[choice])
                except Violation as violation:
                    violation.action = choice
                    raise
                path.append(options[choice])
                self.depth = max(self.depth, len(path))
                if self.unseen:
                    self.see(path[-1])
        except Violation as violation:
            return self.broken(path, violation)
        return self.report(Outcome.CUT)


def depth_first(
    space: Space, limits: Limits | None = None, on_progress: OnProgress | None = None
) -> Report:
    """Explore `space` depth first."""
    return DepthFirst(space, limits, on_progress).run()


def random_walks(
    space: Space, limits: Limits, seed: int = 1, on_progress: OnProgress | None = None
) -> Report:
    """Walk through `space` at random until a limit is reached or something is broken."""
    return RandomWalks(space, limits, seed, on_progress).run()
