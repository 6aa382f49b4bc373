"""Breadth-first search: every reachable state, and the shortest run to what is broken."""

from __future__ import annotations

import gc
import time

from comitia.check.report import (
    Limits,
    MiB,
    OnProgress,
    Outcome,
    Progress,
    Report,
    resident_bytes,
)
from comitia.check.space import Space, State, Violation

LOOK_EVERY = 2048
"""States expanded between two looks at the clock, the memory and the progress display."""


class BreadthFirst:
    """One search.  `parents` maps every state seen to the one it was first reached from."""

    def __init__(
        self, space: Space, limits: Limits | None = None, on_progress: OnProgress | None = None
    ) -> None:
        self.space, self.limits, self.on_progress = space, limits or Limits(), on_progress
        self.parents: dict[State, State | None] = {}
        self.generated = self.depth = 0
        self.passes = 1
        self.cut = ""
        self._unseen = dict(space.sometimes)
        self._began = time.monotonic()
        self._memory = resident_bytes()

    def run(self) -> Report:
        """Search until everything was seen, something is broken, or a limit is reached."""
        collecting = gc.isenabled()
        gc.disable()  # nothing here is cyclic, and walking millions of integers is not free
        try:
            while True:
                report = self._run()
                # The story of a broken property is told before the space forgets its states.
                if report.outcome == Outcome.CUT or self.space.confirmed():
                    report.passes = self.passes
                    return report
                self._begin_again()
        except KeyboardInterrupt:
            self.cut = "interrupted"
            return self._report(Outcome.CUT)
        finally:
            if collecting:
                gc.enable()

    def _begin_again(self) -> None:
        self.parents.clear()
        self.generated = self.depth = 0
        self.passes += 1
        self._unseen = dict(self.space.sometimes)

    def _run(self) -> Report:
        try:
            level = self._enter(self.space.initial(), None)
        except Violation as violation:
            return self._broken([], violation)
        while level and not self.cut:
            self.depth += 1
            if self.limits.depth is not None and self.depth >= self.limits.depth:
                self.cut = f"depth {self.limits.depth}"
                break
            following: list[State] = []
            for index, state in enumerate(level):
                if index % LOOK_EVERY == 0 and self._look(len(level) - index + len(following)):
                    break
                try:
                    successors = self.space.expand(state)
                    following += self._enter(successors, state)
                except Violation as violation:
                    return self._broken(self.path(state), violation)
            level = following
        if self.cut:
            return self._report(Outcome.CUT)
        for name in self._unseen:
            reason = "no reachable state has it: the model shows nothing about it"
            return self._report(Outcome.BROKEN, Violation(f"sometimes {name}", reason))
        return self._report(Outcome.HOLDS)

    def _enter(self, successors: list[State], parent: State | None) -> list[State]:
        parents, inspect = self.parents, self.space.inspect
        self.generated += len(successors)
        fresh = []
        for state in successors:
            if state not in parents:
                parents[state] = parent
                fresh.append(state)
                try:
                    inspect(state)
                except Violation as violation:
                    violation.action = successors.index(state)
                    raise
        if self._unseen:
            self._see(fresh)
        return fresh

    def _see(self, fresh: list[State]) -> None:
        holds = self.space.holds
        for name, property in list(self._unseen.items()):
            if any(holds(property, state) for state in fresh):
                del self._unseen[name]

    def _look(self, waiting: int) -> bool:
        """Return whether a limit is reached, which `cut` then names."""
        limits, states = self.limits, len(self.parents)
        seconds = time.monotonic() - self._began
        if self.on_progress is not None:
            self.on_progress(Progress(states, self.generated, self.depth, waiting, seconds))
        if limits.states is not None and states >= limits.states:
            self.cut = f"{limits.states:,} states"
        elif limits.seconds is not None and seconds >= limits.seconds:
            self.cut = f"{limits.seconds:g} s"
        elif limits.memory_mib is not None and resident_bytes() >= limits.memory_mib * MiB:
            self.cut = f"{limits.memory_mib:,} MiB of memory"
        return bool(self.cut)

    def path(self, state: State | None) -> list[State]:
        """Return the shortest run to `state`, the initial state first."""
        back = []
        while state is not None:
            back.append(state)
            state = self.parents[state]
        return back[::-1]

    def _broken(self, path: list[State], violation: Violation) -> Report:
        report = self._report(Outcome.BROKEN, violation)
        report.depth = len(path) + 1
        report.story = self.space.story(path, violation)
        return report

    def _report(self, outcome: Outcome, violation: Violation | None = None) -> Report:
        states = len(self.parents)
        return Report(
            outcome,
            states=states,
            generated=self.generated,
            depth=self.depth,
            seconds=time.monotonic() - self._began,
            bytes_per_state=max(resident_bytes() - self._memory, 0) / max(states, 1),
            property=violation.property if violation else "",
            reason=violation.reason if violation else "",
            cut=self.cut,
        )


def breadth_first(
    space: Space, limits: Limits | None = None, on_progress: OnProgress | None = None
) -> Report:
    """Explore `space` breadth first; the run in the report is as short as any."""
    return BreadthFirst(space, limits, on_progress).run()
