"""What a search found, how far it went, and what it was allowed to use."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MiB = 1 << 20


class Outcome(StrEnum):
    """How a search ended."""

    HOLDS = "holds"
    """Every reachable state was seen and everything that was asked holds."""
    BROKEN = "broken"
    """A property fails; the report has the run."""
    CUT = "cut"
    """A limit was reached, or a person interrupted; nothing broken was met until then."""


@dataclass(frozen=True)
class Limits:
    """What a search may use.  None: as much as there is."""

    states: int | None = None
    depth: int | None = None
    seconds: float | None = None
    memory_mib: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a search has come."""

    states: int
    generated: int
    depth: int
    waiting: int
    """States seen but not yet expanded."""
    seconds: float


@dataclass
class Report:
    """The end of a search."""

    outcome: Outcome
    states: int = 0
    """Distinct states seen."""
    generated: int = 0
    """States generated: the initial ones and one for every step taken, repetitions included."""
    depth: int = 0
    """States on the longest of the shortest runs to a state (as TLC counts: initial = 1)."""
    passes: int = 1
    """How often the search was made, until all that it had assumed was true."""
    seconds: float = 0.0
    """All passes together."""
    bytes_per_state: float = 0.0
    """Growth of the resident memory of this search, divided by its states."""
    property: str = ""
    """The property that fails, when one does."""
    reason: str = ""
    story: Any = None
    """The run that breaks it: a `comitia.check.story.Story`, or labels and states of a `System`."""
    cut: str = ""
    """Which limit ended the search, when one did."""
    cautions: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{self.states:,} states, {self.generated:,} generated, depth {self.depth}"
        match self.outcome:
            case Outcome.HOLDS:
                return f"{text}: everything holds"
            case Outcome.CUT:
                return f"{text}: nothing broken until {self.cut}"
            case _:
                return f"{text}: {self.property} is broken: {self.reason}"


OnProgress = Callable[[Progress], None]


def resident_bytes() -> int:
    """Return the resident memory of this process; its maximum so far where only that is known."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
