"""Clients of a model: which request follows which, and which have been handed over."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.kernel import NodeId, Propose, Request
from comitia.kernel.model import Script


class Scripts:
    """All requests of a model, numbered; sets of them are bit masks."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.requests: list[tuple[NodeId, Request]] = []
        self._follower: dict[int, int] = {}
        self._number: dict[Request, int] = {}
        self._proposed: dict[tuple[NodeId, bytes], int] = {}
        self._first: list[int] = []
        for script in scripts:
            for place, (node, request) in enumerate(script):
                number = len(self.requests)
                assert request not in self._number, f"{request} is listed twice"
                self.requests.append((node, request))
                self._number[request] = number
                if isinstance(request, Propose):
                    self._proposed[node, request.value] = number
                if place:
                    self._follower[number - 1] = number
                else:
                    self._first.append(number)

    def first(self, node: NodeId) -> int:
        """Return the requests that wait for `node` from the start."""
        return sum(1 << number for number in self._first if self.requests[number][0] == node)

    def number(self, request: Request) -> int | None:
        """Return the number of `request`, None when no client asked it."""
        return self._number.get(request)

    def after(self, end: tuple[object, ...]) -> tuple[NodeId, int] | None:
        """Return (node, request) that its client asks next, once `end` was said."""
        match end:
            case ("answer", _, Request() as request, _):
                done = self._number.get(request)
            case ("deliver", int() as node, _, bytes() as value):
                done = self._proposed.get((node, value))
            case _:
                done = None
        number = None if done is None else self._follower.get(done)
        return None if number is None else (self.requests[number][0], number)
