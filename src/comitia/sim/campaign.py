"""Many seeds on all cores of this machine."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from comitia.kernel import Protocol
from comitia.sim.run import Failure, Outcome, Settings, simulate

CHUNK = 20
"""Seeds in one task of a worker: a fraction of a second, so that Ctrl-C is quick."""


@dataclass
class Tally:
    """What a campaign has seen so far; of failures, the first of each promise is kept."""

    next_seed: int = 0
    """Every seed of the campaign below this one has been run."""
    seeds: int = 0
    steps: int = 0
    events: int = 0
    served: int = 0
    virtual_ms: int = 0
    failed: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    """How many seeds broke each promise."""
    first: dict[str, Failure] = field(default_factory=dict)
    """By promise: the failure with the smallest seed."""
    ahead: set[int] = field(default_factory=set)
    """Seeds that were run before one below them."""

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.steps += outcome.steps
        self.events += outcome.events
        self.served += outcome.served
        self.virtual_ms += outcome.virtual_ms
        self.ahead.add(outcome.seed)
        while self.next_seed in self.ahead:
            self.ahead.remove(self.next_seed)
            self.next_seed += 1
        if (failure := outcome.failure) is not None:
            self.failed += 1
            self.broken[failure.promise] += 1
            known = self.first.get(failure.promise, failure)
            self.first[failure.promise] = min(known, failure, key=lambda found: found.seed)


_worker: tuple[Protocol, Settings]


def _begin(load: Callable[[], Protocol], settings: Settings) -> None:
    """A worker starts.  Ctrl-C is the parent's affair: it collects what is done and stops us."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = load(), settings
    _rarely_collect()


def _rarely_collect() -> None:
    """What is loaded stays; a seed makes some thousand objects that refer to each other."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _chunk(seeds: range) -> list[Outcome]:
    protocol, settings = _worker
    return [simulate(protocol, seed, settings) for seed in seeds]


def campaign(
    load: Callable[[], Protocol], settings: Settings, seeds: range, jobs: int
) -> Iterator[Outcome]:
    """Run `seeds`, yielding outcomes as they come; in order within a chunk.

    `load` returns the protocol; it is called in every worker process, so it must be importable.
    """
    chunks = (seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK))
    if jobs == 1:
        protocol = load()
        for chunk in chunks:
            for seed in chunk:
                yield simulate(protocol, seed, settings)
        return
    with multiprocessing.Pool(jobs, _begin, (load, settings)) as pool:
        # A bounded window of tasks: a campaign of millions does not queue them all.
        while window := list(islice(chunks, jobs * 50)):
            for outcomes in pool.imap_unordered(_chunk, window):
                yield from outcomes
