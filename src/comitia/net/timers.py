"""A node's timers in an event loop: re-arming one, which happens every turn, costs a dict entry."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable


class Timers:
    """Named timers; `on_due` hears when one may fire and asks `take` whether it still does."""

    def __init__(self, on_due: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_due = on_due
        self._due: dict[str, float] = {}
        # By name: when the loop will wake it, and the loop's handle.  The handle itself may not
        # know: uvloop gives a plain one, without `when`, for a moment less than 1 ms away.
        self._handles: dict[str, tuple[float, asyncio.Handle]] = {}
        self._uniform = random.Random().uniform

    def set(self, name: str, after_ms: tuple[int, int]) -> None:
        """(Re)arm `name` to fire at a random moment within `after_ms`."""
        due = self._loop.time() + self._uniform(*after_ms) / 1000
        self._due[name] = due
        known = self._handles.get(name)
        # A handle that wakes too early finds the later moment and sleeps on; one that would wake
        # too late is replaced.
        if known is None or known[0] > due:
            if known is not None:
                known[1].cancel()
            self._handles[name] = due, self._loop.call_at(due, self._wake, name)

    def cancel(self, name: str) -> None:
        """Disarm `name`, if it is armed."""
        self._due.pop(name, None)

    def _wake(self, name: str) -> None:
        del self._handles[name]
        due = self._due.get(name)
        if due is None:
            return
        if due > self._loop.time():
            self._handles[name] = due, self._loop.call_at(due, self._wake, name)
        else:
            self._on_due(name)

    def take(self, name: str) -> bool:
        """Say whether `name` is due now; if so, it is armed no more."""
        due = self._due.get(name)
        if due is None or due > self._loop.time():
            return False
        del self._due[name]
        return True

    def close(self) -> None:
        """Disarm everything."""
        self._due.clear()
        for _, handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
