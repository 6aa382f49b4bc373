"""Breadth first on all cores, state for state the same search.

Each large level is cut into slices; a child is forked for each, which therefore knows everything
that was learnt so far, and only does sums with it.  Where a child would have to learn something new
(a local step, a new part of a state) it leaves the state to the parent, which then knows it for the
next level.  So numbers are given in one process only, and parents, counts and stories are those of
one core.
"""

from __future__ import annotations

import os
import signal
import sys
from array import array
from collections.abc import Iterator
from typing import NoReturn

from comitia.check.breadth import BreadthFirst
from comitia.check.packing import Learning, Unlearnt
from comitia.check.report import Limits, OnProgress, Report
from comitia.check.space import Space, State, Violation

WORTH_A_FORK = 4096
"""States of a level below which one process is faster."""

SLICE = 1 << 17
"""States given to a child at most, which bounds what it has to hand back."""

LEFT = -1
"""Instead of the number of its new successors: a state that a child leaves to the parent."""


class ParallelBreadthFirst(BreadthFirst):
    """Breadth first with some children a level."""

    def __init__(
        self,
        space: Space,
        limits: Limits | None = None,
        on_progress: OnProgress | None = None,
        jobs: int | None = None,
    ) -> None:
        """`jobs`: processes; as many as there are cores by default."""
        super().__init__(space, limits, on_progress)
        self.jobs = jobs or len(os.sched_getaffinity(0))

    def expand_level(self, level: list[State]) -> Iterator[list[State]]:
        if self.jobs == 1 or len(level) < WORTH_A_FORK:
            yield from super().expand_level(level)
            return
        size = min(SLICE, -(-len(level) // self.jobs))
        starts = range(0, len(level), size)
        for first in range(0, len(starts), self.jobs):
            self.space.warm()
            slices = [level[start : start + size] for start in starts[first : first + self.jobs]]
            children = [self._fork(part) for part in slices]
            try:
                for part, (_, pipe) in zip(slices, children, strict=True):
                    yield from self._merge(part, _read(pipe))
                if self.look(max(0, len(level) - starts[first] - size * len(slices))):
                    return
            finally:
                for pid, pipe in children:
                    os.close(pipe)
                    os.kill(pid, signal.SIGKILL)  # one that still works does so in vain
                    os.waitpid(pid, 0)

    def _fork(self, part: list[State]) -> tuple[int, int]:
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            self._be_a_child(part, write)
        os.close(write)
        return pid, read

    def _be_a_child(self, part: list[State], write: int) -> NoReturn:
        try:
            with open(write, "wb") as pipe:
                for block in self._work(part):
                    pipe.write(block)
        finally:
            os._exit(0)  # never back into the parent's code, whatever happened

    def _work(self, part: list[State]) -> Iterator[bytes]:
        """How many successors each state of `part` has, how many new ones, and these."""
        expand, inspect, known = self.space.expand, self.space.inspect, self.parents
        generated, counts = array("q"), array("q")
        fresh: dict[State, None] = {}
        Learning.allowed = False
        for state in part:
            before = len(fresh)
            try:
                successors = expand(state)
                for after in successors:
                    if after not in known and after not in fresh:
                        inspect(after)
                        fresh[after] = None
            except (Unlearnt, Violation):  # the parent does it again, and meets the violation
                while len(fresh) > before:
                    fresh.popitem()
                successors = []
                counts.append(LEFT)
            else:
                counts.append(len(fresh) - before)
            generated.append(len(successors))
        width = self.space.width
        yield generated.tobytes()
        yield counts.tobytes()
        yield b"".join([state.to_bytes(width, "little") for state in fresh])

    def _merge(self, part: list[State], answer: bytes) -> Iterator[list[State]]:
        head, size = array("q"), len(part)
        if len(answer) < 16 * size:
            raise ChildProcessError("a child of the search died; is there memory enough?")
        head.frombytes(answer[: 16 * size])
        parents, width, at = self.parents, self.space.width, 16 * size
        for state, generated, count in zip(part, head[:size], head[size:], strict=True):
            self.generated += generated
            if count == LEFT:
                self.here = state
                yield self.enter(self.space.expand(state), state)
            elif count:
                fresh = []
                for _ in range(count):
                    after = int.from_bytes(answer[at : at + width], "little")
                    at += width
                    if after not in parents and not self.surpassed(after):
                        parents[after] = state
                        fresh.append(after)
                if self.unseen:
                    for after in fresh:
                        self.see(after)
                yield fresh


def _read(pipe: int) -> bytes:
    blocks = []
    while block := os.read(pipe, 1 << 20):
        blocks.append(block)
    return b"".join(blocks)


def on_all_cores(
    space: Space,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    jobs: int | None = None,
) -> Report:
    """Explore `space` breadth first on `jobs` cores, all by default."""
    return ParallelBreadthFirst(space, limits, on_progress, jobs).run()
