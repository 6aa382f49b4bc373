"""What happens eventually: fair runs that never do what every run must do.

On a finite graph a run that never reaches a state with the property either stops in a state without
steps, or is caught for ever in a strongly connected set of states.  It is fair (weakly: no action
stays possible for ever without being taken) iff each action is impossible in some state of the set
or taken by some step inside it; a run that goes round all of the set is then a witness.  So it is
enough to look at maximal sets, among the states that are reached without meeting the property.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from comitia.check.space import Space, State

Edges = list[tuple[object, State | None]]


def fair_escape(
    space: Space, states: Collection[State], property: Any
) -> tuple[list[State], list[State]] | None:
    """Return (path, loop) of a fair run without `property`, None when there is none.

    An empty loop: the run ends.  `states` are all that can be reached; those that a limit of the
    model cuts short are no end, since the run might go on outside.
    """
    parents: dict[State, State | None] = {}
    level: list[State] = []
    for state in space.initial():
        if state not in parents and not space.holds(property, state):
            parents[state] = None
            level.append(state)
    for state in level:  # grows while it is read: breadth first
        edges = space.edges(state)
        if all(action is None for action, _ in edges):  # nothing that is owed: the run may end
            return _path(parents, state), []
        for _, after in edges:
            if after is not None and after not in parents and not space.holds(property, after):
                assert after in states
                parents[after] = state
                level.append(after)
    for component in components(space, level, parents):
        if _is_fair(space, component):
            return _path(parents, component[0]), _round(space, component)
    return None


def _path(parents: dict[State, State | None], state: State | None) -> list[State]:
    back = []
    while state is not None:
        back.append(state)
        state = parents[state]
    return back[::-1]


def _is_fair(space: Space, component: list[State]) -> bool:
    inside = set(component)
    taken: set[object] = set()
    always: set[object] | None = None
    within = False
    for state in component:
        edges = space.edges(state)
        possible = {action for action, _ in edges if action is not None}
        always = possible if always is None else always & possible
        for action, after in edges:
            if after in inside:
                within = True
                taken.add(action)
    assert always is not None
    return within and always <= taken


def components(space: Space, roots: list[State], among: Collection[State]) -> Iterator[list[State]]:
    """Yield the strongly connected sets of states `among` those given (Tarjan, 1972)."""
    index: dict[State, int] = {}
    low: dict[State, int] = {}
    stack: list[State] = []
    on_stack: set[State] = set()
    for root in roots:
        if root in index:
            continue
        work = [(root, _successors(space, root, among))]
        while work:
            state, successors = work[-1]
            if state not in index:
                index[state] = low[state] = len(index)
                stack.append(state)
                on_stack.add(state)
            for after in successors:
                if after not in index:
                    work.append((after, _successors(space, after, among)))
                    break
                if after in on_stack:
                    low[state] = min(low[state], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == index[state]:
                    at = _find(stack, state)
                    component, stack[at:] = stack[at:], []
                    on_stack.difference_update(component)
                    yield component


def _find(stack: list[State], state: State) -> int:
    """The position of `state`, which is more likely near the end."""
    at = len(stack) - 1
    while stack[at] != state:
        at -= 1
    return at


def _successors(space: Space, state: State, among: Collection[State]) -> Iterator[State]:
    return iter([after for _, after in space.edges(state) if after is not None and after in among])


def _round(space: Space, component: list[State]) -> list[State]:
    """A walk from the first state of `component` through all of them and back to it."""
    inside, missing = set(component), set(component[1:])
    walk, here = [], component[0]
    while missing:
        steps = _shortest(space, here, inside, missing)
        walk += steps
        missing.difference_update(steps)
        here = steps[-1]
    return walk + _shortest(space, here, inside, {component[0]})


def _shortest(space: Space, start: State, inside: set[State], goals: set[State]) -> list[State]:
    """The shortest walk of at least one step from `start` to one of `goals`, without `start`."""
    parents: dict[State, State | None] = {}
    level = [start]
    for state in level:  # grows while it is read: breadth first
        for after in _successors(space, state, inside):
            if after not in parents:
                # The start may be a goal, too: it is no ancestor, or the walk would be empty.
                parents[after] = None if state == start else state
                if after in goals:
                    return _path(parents, after)
                level.append(after)
    raise AssertionError("a strongly connected set is connected")
