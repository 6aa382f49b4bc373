"""Timers of a node in an event loop, also one that knows no time below a millisecond."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from comitia.net.timers import Timers


def with_timers(use: Callable[[Timers, list[str]], None], like_uvloop: bool) -> list[str]:
    """Return the timers that fired within 60 ms of what `use` does."""
    fired: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def soon(when: float, callback: Callable[..., object], *args: Any, **more: Any) -> Any:
            # uvloop rounds to milliseconds, and takes 0 of them for "now".
            if when - loop.time() < 0.0005:
                return loop.call_soon(callback, *args, **more)
            return call_at(when, callback, *args, **more)

        if like_uvloop:
            loop.call_at = soon  # type: ignore[assignment, method-assign]
        timers = Timers(lambda name: fired.append(name) if timers.take(name) else None)
        use(timers, fired)
        await asyncio.sleep(0.06)
        timers.close()

    asyncio.run(main())
    return fired


def test_a_timer_may_be_set_again_although_it_is_due_within_the_millisecond() -> None:
    def twice(timers: Timers, fired: list[str]) -> None:
        timers.set("t", (0, 0))
        timers.set("t", (0, 0))
        timers.set("t", (1, 5))

    assert with_timers(twice, like_uvloop=True) == ["t"]
    assert with_timers(twice, like_uvloop=False) == ["t"]


def test_the_last_setting_of_a_timer_counts_whether_earlier_or_later() -> None:
    def move(timers: Timers, fired: list[str]) -> None:
        timers.set("later", (1, 1))
        timers.set("later", (100_000, 100_000))
        timers.set("earlier", (100_000, 100_000))
        timers.set("earlier", (1, 1))
        timers.set("cancelled", (1, 1))
        timers.cancel("cancelled")

    assert with_timers(move, like_uvloop=False) == ["earlier"]
