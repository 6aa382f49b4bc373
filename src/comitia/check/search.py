"""What every search has in common: limits, progress, the passes, and the report."""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod

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


class Search(ABC):
    """One search of a space."""

    def __init__(
        self, space: Space, limits: Limits | None = None, on_progress: OnProgress | None = None
    ) -> None:
        self.space, self.limits, self.on_progress = space, limits or Limits(), on_progress
        self.generated = self.depth = 0
        self.passes = 1
        self.cut = ""
        self.unseen = dict(space.sometimes)
        self._began = time.monotonic()
        self._memory = resident_bytes()

    def run(self) -> Report:
        """Search until everything was seen, something is broken, or a limit is reached."""
        collecting = gc.isenabled()
        gc.disable()  # nothing here is cyclic, and walking millions of integers is not free
        try:
            while True:
                report = self.one_pass()
                # A story is told before the space forgets its states.
                if report.outcome == Outcome.CUT or self.space.confirmed():
                    return report
                self.generated = self.depth = 0
                self.passes += 1
                self.unseen = dict(self.space.sometimes)
        except KeyboardInterrupt:
            self.cut = "interrupted"
            return self.report(Outcome.CUT)
        finally:
            if collecting:
                gc.enable()

    @abstractmethod
    def one_pass(self) -> Report:
        """Search once, from the beginning."""

    @abstractmethod
    def count(self) -> int:
        """Return how many distinct states this pass has seen."""

    def see(self, state: State) -> None:
        """Strike off what `state` has of the properties that some state must have."""
        holds = self.space.holds
        for name, property in list(self.unseen.items()):
            if holds(property, state):
                del self.unseen[name]

    def look(self, waiting: int) -> bool:
        """Show progress; return whether a limit is reached, which `cut` then names."""
        limits, states = self.limits, self.count()
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

    def end(self) -> Report:
        """Return the report of a search that has met nothing broken on its way."""
        if self.cut:
            return self.report(Outcome.CUT)
        for name in self.unseen:
            reason = "no reachable state has it, so the model shows nothing about it"
            return self.report(Outcome.BROKEN, Violation(f"sometimes {name}", reason))
        return self.report(Outcome.HOLDS)

    def broken(self, path: list[State], violation: Violation) -> Report:
        """Return the report that `violation` follows the run through `path`."""
        report = self.report(Outcome.BROKEN, violation)
        report.depth = len(path) + (violation.action is not None)
        report.story = self.space.story(path, violation)
        return report

    def report(self, outcome: Outcome, violation: Violation | None = None) -> Report:
        """Return the report of this pass."""
        states = self.count()
        return Report(
            outcome,
            states=states,
            generated=self.generated,
            depth=self.depth,
            passes=self.passes,
            seconds=time.monotonic() - self._began,
            bytes_per_state=max(resident_bytes() - self._memory, 0) / max(states, 1),
            property=violation.property if violation else "",
            reason=violation.reason if violation else "",
            cut=self.cut,
            cautions=self.space.cautions(),
        )
