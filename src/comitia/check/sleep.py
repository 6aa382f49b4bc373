"""Partial order: of two steps that do not touch each other, both orders lead to the same state.

Sleep sets (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996,
chapter 5) leave out the second way round.  An action that was tried before in a state *sleeps* in
what its independent brothers lead to, until something that depends on it has happened.  Every state
is still seen, at its depth; what is saved is the steps between them.

Two steps are independent when different nodes make them, at most one of them lets a promise know
anything (so what `watch` leaves out must not matter to a promise, which is its meaning), at most
one spends a crash, and neither sends the very message that the other takes: a copy of a message
still in flight merges with it.  Then each leaves the other possible, with the same outcome.

A state that is met again may sleep less than before; then what sleeps no more is tried.

Keeping the sets costs more than a step does where local steps are remembered: measured, a third of
the steps in twice the time.  It pays where steps are dear; `breadth_first` is the default.
"""

from __future__ import annotations

from typing import NamedTuple

from comitia.check.breadth import BreadthFirst
from comitia.check.cast import Move
from comitia.check.packing import Numbers
from comitia.check.report import Limits, OnProgress, Report
from comitia.check.search import LOOK_EVERY
from comitia.check.space import State, Violation
from comitia.check.world import World

Asleep = frozenset[int]


class Action(NamedTuple):
    """What decides whether two steps are independent."""

    node: int
    event: object
    loud: bool
    dear: bool
    """Does it spend a crash?"""
    takes: int
    """The envelope that it takes away, -1 for none."""
    sends: frozenset[tuple[int, int]]
    """(node, envelope)."""


class SleepSets(BreadthFirst):
    """Breadth first, without the other order of independent steps."""

    space: World

    def __init__(
        self, world: World, limits: Limits | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Raises ValueError for a world that uses symmetry: who sleeps would change places."""
        if world.symmetric:
            raise ValueError("sleep sets and symmetry do not go together; make it symmetric=False")
        super().__init__(world, limits, on_progress)
        self._actions: Numbers[Action] = Numbers()
        self._apart: dict[tuple[int, int], bool] = {}

    def one_pass(self) -> Report:
        self._asleep: dict[State, Asleep] = {}
        # What is to be tried in the states of the next level; None: all that is awake.
        self._next: dict[State, Asleep | None] = {}
        self.parents = {}
        try:
            for state in self.enter(self.space.initial(), None):
                self._asleep[state], self._next[state] = frozenset(), None
            levels = 0
            while self._next and not self.cut:
                levels += 1
                if None in self._next.values():  # not only states that are tried again
                    self.depth = levels
                if self.limits.depth is not None and levels >= self.limits.depth:
                    self.cut = f"depth {self.limits.depth}"
                    break
                level, self._next = self._next, {}
                for index, (state, awake) in enumerate(level.items()):
                    if index % LOOK_EVERY == 0 and self.look(len(level) - index):
                        break
                    self.here = state
                    self._try(state, awake)
        except Violation as violation:
            return self.broken(self.path(self.here) if self.parents else [], violation)
        return self.verdict()

    def _try(self, state: State, awake: Asleep | None) -> None:
        asleep = self._asleep[state]
        for number, (index, move, after) in enumerate(self.space.steps(state)):
            action = self._action(index, move)
            if action in asleep or (awake is not None and action not in awake):
                continue
            if after is None:
                self.space.expand(state)  # raises what is broken
                raise AssertionError(f"step {number} breaks nothing after all")
            self.generated += 1
            self._meet(after, state, frozenset(b for b in asleep if self._independent(action, b)))
            asleep |= {action}

    def _meet(self, state: State, parent: State, asleep: Asleep) -> None:
        known = self._asleep.get(state)
        if known is None:
            self.parents[state] = parent
            self._asleep[state], self._next[state] = asleep, None
            if self.unseen:
                self.see(state)
        elif woken := known - asleep:
            self._asleep[state] = known & asleep
            before = self._next.get(state, frozenset())
            # One that waits to be tried as a whole will find its smaller sleep set.
            self._next[state] = None if before is None else before | woken

    def _action(self, index: int, move: Move) -> int:
        kind, what, _ = move.event
        inner = what if kind == "crash" and what is not None else move.event
        takes = inner.what if inner.kind in ("deliver", "lose") else -1
        sends = frozenset(
            (other, envelope)
            for other, bundle in move.sends
            for envelope in self.space.brings(bundle)
        )
        loud, dear = move.loud is not None, kind in ("crash", "stop")
        return self._actions.number(Action(index, move.event, loud, dear, takes, sends))

    def _independent(self, one: int, other: int) -> bool:
        key = (one, other)
        found = self._apart.get(key)
        if found is None:
            a, b = self._actions.values[one], self._actions.values[other]
            found = self._apart[key] = not (
                a.node == b.node
                or (a.loud and b.loud)
                or (a.dear and b.dear)
                or (b.node, b.takes) in a.sends
                or (a.node, a.takes) in b.sends
            )
        return found


def with_sleep_sets(
    world: World, limits: Limits | None = None, on_progress: OnProgress | None = None
) -> Report:
    """Explore `world` breadth first, with fewer steps between the same states."""
    return SleepSets(world, limits, on_progress).run()
