"""Breadth-first search: every reachable state, and the shortest run to what is broken."""

from __future__ import annotations

from collections.abc import Iterator

from comitia.check.fair import fair_escape
from comitia.check.report import Limits, OnProgress, Outcome, Report
from comitia.check.search import LOOK_EVERY, Search
from comitia.check.space import Space, State, Violation

DOUBT = 1 << 12
"""States after which, and after twice as many each time, a search that has to be made again is
given up: most of what is wrong shows itself early."""


class BreadthFirst(Search):
    """`parents` maps every state seen to the one it was first reached from."""

    parents: dict[State, State | None]
    here: State
    """The state being expanded."""
    _doubt = DOUBT
    """At this many states it is asked whether the pass can still be the last."""

    def count(self) -> int:
        return len(self.parents)

    def one_pass(self) -> Report:
        self.parents = {}
        try:
            level = self.enter(self.space.initial(), None)
        except Violation as violation:
            return self.broken([], violation)
        while level and not self.cut:
            self.depth += 1
            if self.limits.depth is not None and self.depth >= self.limits.depth:
                self.cut = f"depth {self.limits.depth}"
                break
            following: list[State] = []
            try:
                for fresh in self.expand_level(level):
                    following += fresh
            except Violation as violation:
                return self.broken(self.path(self.here), violation)
            level = following
            if self.count() >= self._doubt:
                self._doubt = 2 * self.count()
                if self.space.doubtful():
                    return self.end()  # nobody will believe it
        return self.verdict()

    def verdict(self) -> Report:
        """Return the report of a search that has met nothing broken on its way."""
        report = self.end()
        return report if report.outcome != Outcome.HOLDS else self._eventually(report)

    def expand_level(self, level: list[State]) -> Iterator[list[State]]:
        """Yield the new states that the states of `level` lead to, until a limit is reached."""
        for index, state in enumerate(level):
            if index % LOOK_EVERY == 0 and self.look(len(level) - index):
                return
            self.here = state
            yield self.enter(self.space.expand(state), state)

    def enter(self, successors: list[State], parent: State | None) -> list[State]:
        """Return those of `successors` that are new; raise Violation when one is broken."""
        parents, inspect = self.parents, self.space.inspect
        self.generated += len(successors)
        fresh = []
        for state in successors:
            if state not in parents and not self.surpassed(state):
                parents[state] = parent
                fresh.append(state)
                try:
                    inspect(state)
                except Violation as violation:
                    violation.action = successors.index(state)
                    raise
        if self.unseen:
            for state in fresh:
                self.see(state)
        return fresh

    def surpassed(self, state: State) -> bool:
        """Has a state been met that can do all that `state` can, and more?"""
        return not self.parents.keys().isdisjoint(self.space.richer(state))

    def _eventually(self, report: Report) -> Report:
        for name, property in self.space.eventually.items():
            never = fair_escape(self.space, self.parents, property)
            if never is not None:
                path, loop = never
                how = f"goes round from step {len(path) - 1} on" if loop else "ends"
                violation = Violation(f"eventually {name}", f"a fair run {how} without it")
                broken = self.broken(path, violation)
                broken.story = self.space.story(path + loop, violation, len(path) if loop else None)
                return broken
        return report

    def path(self, state: State | None) -> list[State]:
        """Return the shortest run to `state`, the initial state first."""
        back = []
        while state is not None:
            back.append(state)
            state = self.parents[state]
        return back[::-1]


def breadth_first(
    space: Space, limits: Limits | None = None, on_progress: OnProgress | None = None
) -> Report:
    """Explore `space` breadth first; the run in the report is as short as any."""
    return BreadthFirst(space, limits, on_progress).run()
