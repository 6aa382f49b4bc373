"""What the checkers answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from comitia.history.operation import Operation

Expired = Callable[[], bool]
"""Asked now and then by a long search; True makes it give up with the answer `unknown`."""


def never() -> bool:
    """Let a search run to its end."""
    return False


class GaveUp(Exception):
    """The search ran out of time: nothing is known."""


FEW = 6
"""So many operations of a contradiction are told in words; a picture shows all."""


@dataclass(frozen=True)
class Contradiction:
    """Operations that cannot all be true, whatever the others did."""

    key: Any
    operations: tuple[Operation, ...]
    """The smallest set found; without any one of them the rest can be explained."""
    why: str
    context: tuple[Operation, ...] = ()
    """Operations of the same key that overlap the window, for the picture."""

    @property
    def window(self) -> tuple[int, int]:
        """From the first call to the last return among `operations`."""
        ends = [o.end for o in self.operations if o.end is not None]
        calls = [o.call for o in self.operations]
        return min(calls), max(ends, default=max(calls))


def given(found: Contradiction) -> Callable[[], Contradiction]:
    """Return what explains a part whose contradiction is known already."""
    return lambda: found


@dataclass(frozen=True)
class Part:
    """The answer for one independent object."""

    key: Any
    ok: bool | None
    """None: unknown, the search ran out of time."""
    engine: str
    operations: int
    order: tuple[Operation, ...] = ()
    """When ok: every operation that took effect, in an order that explains all outputs."""
    explain: Callable[[], Contradiction] | None = field(default=None, repr=False, compare=False)
    """When not: finds the smallest contradiction, which can take longer than the answer."""

    @cached_property
    def contradiction(self) -> Contradiction | None:
        """The smallest contradiction, when there is one."""
        return None if self.explain is None else self.explain()


@dataclass(frozen=True)
class Verdict:
    """The answer for a history."""

    model: str
    parts: tuple[Part, ...]
    history: tuple[Operation, ...] = field(repr=False)
    claim: str = "linearizable"

    @property
    def ok(self) -> bool | None:
        """True, False, or None where nobody knows: the search ran out of time."""
        answers = [part.ok for part in self.parts]
        return False if False in answers else None if None in answers else True

    @property
    def broken(self) -> Part | None:
        """The first part that is not."""
        return next((part for part in self.parts if part.ok is False), None)

    @property
    def engines(self) -> tuple[str, ...]:
        """The algorithms that gave the answers, in alphabetical order."""
        return tuple(sorted({part.engine for part in self.parts}))

    def __bool__(self) -> bool:
        """True only when the history is known to have the property."""
        return self.ok is True

    def _repr_html_(self) -> str:
        """Show the picture in a notebook."""
        from html import escape

        from comitia.history.picture import page

        return f'<iframe srcdoc="{escape(page(self))}" style="width:100%;height:480px"></iframe>'

    def __str__(self) -> str:
        count = len(self.history)
        if self.ok:
            return f"{self.claim}: {count} operations, {len(self.parts)} objects"
        if self.ok is None:
            unknown = [str(part.key) for part in self.parts if part.ok is None]
            return f"unknown: out of time on {', '.join(unknown[:5])} ({count} operations)"
        assert self.broken is not None
        found = self.broken.contradiction
        where = "" if self.broken.key is None else f"key {self.broken.key}, "
        if found is None:
            return f"not {self.claim}: {where}{count} operations"
        return (
            f"not {self.claim}: {where}{len(found.operations)} of {count} operations"
            f"{_when(found)}\n{found.why}{_unnamed(found)}"
        )


def _when(found: Contradiction) -> str:
    began = [o.call_ns for o in found.operations if o.call_ns is not None]
    ended = [o.end_ns for o in found.operations if o.end_ns is not None]
    if not began or not ended:
        return ""
    return f", {min(began) / 1e9:.3f}-{max(ended) / 1e9:.3f} s"


def _unnamed(found: Contradiction) -> str:
    """Return a line for each of the first operations that `why` does not name.

    Of transactions `why` tells every step.
    """
    unnamed = [o for o in found.operations if str(o) not in found.why and o.f != "txn"]
    lines = [f"\n  {o} [{o.process}]" for o in unnamed[:FEW]]
    return "".join(lines) + ("\n  ..." if len(unnamed) > FEW else "")
