"""Every order of events, exhaustively.

    from comitia.check import breadth_first, space_of

    report = breadth_first(space_of(model, PROTOCOL.promises))
    assert report.outcome == "holds", report.story

Explores a `comitia.kernel.Model`, whose nodes are the very classes that the network runs, or a
`System`, any transition system written as plain Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from comitia.check.breadth import BreadthFirst, breadth_first
from comitia.check.parallel import ParallelBreadthFirst, on_all_cores
from comitia.check.report import Limits, OnProgress, Outcome, Progress, Report
from comitia.check.sleep import SleepSets, with_sleep_sets
from comitia.check.space import Space, Violation, WrongModel
from comitia.check.story import Beat, Story
from comitia.check.system import System, SystemSpace
from comitia.check.walk import DepthFirst, RandomWalks, depth_first, random_walks
from comitia.check.world import World
from comitia.kernel import Model, Promise

__all__ = [
    "Beat",
    "BreadthFirst",
    "DepthFirst",
    "Limits",
    "OnProgress",
    "Outcome",
    "ParallelBreadthFirst",
    "Progress",
    "RandomWalks",
    "Report",
    "SleepSets",
    "Space",
    "Story",
    "System",
    "SystemSpace",
    "Violation",
    "World",
    "WrongModel",
    "breadth_first",
    "depth_first",
    "on_all_cores",
    "random_walks",
    "space_of",
    "with_sleep_sets",
]


def space_of(what: Model | System, promises: Sequence[Callable[[], Promise]] = ()) -> Space:
    """Return what a search explores; `promises` are those of the protocol that `what` models."""
    if isinstance(what, System):
        return SystemSpace(what)
    return World(what, promises)
