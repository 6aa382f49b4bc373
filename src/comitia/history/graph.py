"""Directed graphs of events with labelled edges: strong components and short circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Edge = tuple[int, int, Any]
"""(from, to, why)."""


class Graph:
    """Nodes are numbers; between two nodes the first reason given is kept."""

    def __init__(self) -> None:
        self.edges: dict[int, dict[int, Any]] = {}

    def add(self, source: int, target: int, why: Any) -> None:
        """Add an edge, unless there is one or it leads to where it comes from."""
        if source != target:
            self.edges.setdefault(source, {}).setdefault(target, why)

    def components(self, keep: Callable[[Any], bool]) -> list[list[int]]:
        """Return the strong components of more than one node, by kept edges (Tarjan, 1972)."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        on_stack: set[int] = set()
        stack: list[int] = []
        found: list[list[int]] = []
        for root in self.edges:
            if root in index:
                continue
            work = [(root, self._targets(root, keep))]
            index[root] = low[root] = len(index)
            stack.append(root)
            on_stack.add(root)
            while work:
                node, targets = work[-1]
                for target in targets:
                    if target not in index:
                        index[target] = low[target] = len(index)
                        stack.append(target)
                        on_stack.add(target)
                        work.append((target, self._targets(target, keep)))
                        break
                    if target in on_stack:
                        low[node] = min(low[node], index[target])
                else:
                    work.pop()
                    if work:
                        parent = work[-1][0]
                        low[parent] = min(low[parent], low[node])
                    if low[node] == index[node]:
                        component = _pop_to(node, stack, on_stack)
                        if len(component) > 1:
                            found.append(component)
        return found

    def _targets(self, node: int, keep: Callable[[Any], bool]) -> Any:
        return iter([t for t, why in self.edges.get(node, {}).items() if keep(why)])

    def path(
        self, source: int, target: int, inside: Iterable[int], keep: Callable[[Any], bool]
    ) -> list[Edge] | None:
        """Return a shortest path along kept edges within some nodes, or None."""
        allowed = set(inside)
        came: dict[int, Edge] = {}
        todo = deque([source])
        while todo:
            node = todo.popleft()
            for to, why in self.edges.get(node, {}).items():
                if to in allowed and to not in came and keep(why):
                    came[to] = node, to, why
                    if to == target:
                        return _back(came, source, target)
                    todo.append(to)
        return None

    def circle(self, component: list[int], keep: Callable[[Any], bool]) -> list[Edge]:
        """Return a short circle through a strong component."""
        best: list[Edge] | None = None
        for node in component[:50]:
            found = self.path(node, node, component, keep)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        assert best is not None, "a strong component has a circle"
        return best


def _pop_to(node: int, stack: list[int], on_stack: set[int]) -> list[int]:
    component = []
    while True:
        member = stack.pop()
        on_stack.discard(member)
        component.append(member)
        if member == node:
            return component


def _back(came: dict[int, Edge], source: int, target: int) -> list[Edge]:
    path = [came[target]]
    while path[-1][0] != source:
        path.append(came[path[-1][0]])
    return path[::-1]
