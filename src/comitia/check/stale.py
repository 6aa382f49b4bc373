"""Messages that nobody will heed again, taken out of the state.

A late message that its receiver ignores now and in every state it can still get into changes
nothing, yet every copy of it doubles the states.  Which messages are like that is not known before
the search is over.  So it is assumed: a message ignored now is dropped.  Every drop is held against
all local states that the search finds to follow: if one of them would heed the message, the
assumption was wrong, what follows what is remembered, and the search is made again.

Sound: in a pass without a wrong assumption, each state stands for itself with any of the dropped
messages added, whose delivery is no transition in any state that was reached; so both have the same
runs, but for these non-transitions.  A wrong pass only loses behaviours, as if the message were
late for ever, so what it finds broken is broken indeed, though perhaps not by the shortest run.

With symmetry a run may go on in another node's place, so whatever is assumed of one node, and
whatever is found to follow, is so of every node that could stand in its place.

Only where order means nothing: on a FIFO link an ignored message must still be taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from comitia.check.inbox import Box

Numbers = tuple[int, ...]
Mirror = Callable[[int, Numbers, Numbers], Iterable[tuple[int, Numbers, Numbers]]]
Local = tuple[int, int]
"""(index of the node, number of its local state)."""


class Stale:
    """What nodes will never heed again."""

    def __init__(self, heeds: Callable[[int, int, int], bool]) -> None:
        """`heeds(index, local, envelope)`: would the delivery be a transition?"""
        self._heeds = heeds
        self.mirror: Mirror | None = None
        """With symmetry: what others would be in these local states, with these envelopes."""
        self._after: dict[Local, set[Local]] = {}
        self._before: dict[Local, set[Local]] = {}
        # The envelopes that are heeded in a local state or in one known to follow it.
        self._live: dict[Local, set[int]] = {}
        # The envelopes dropped, in this pass, in a local state or in one before it.
        self._dropped: dict[Local, set[int]] = {}
        self.wrong = 0
        """Assumptions of this pass that did not hold."""

    def trim(self, index: int, local: int, box: Box) -> Box:
        """Return `box` without what is stale to node `index` in `local`."""
        live = self._live.setdefault((index, local), set())
        for envelope in box:
            if envelope in live or envelope in self._dropped.get((index, local), ()):
                continue
            judge = self._revive if self._heeds(index, local, envelope) else self._drop
            judge((index, local), envelope)
            if self.mirror is not None:
                for other, (image,), (twin,) in self.mirror(index, (local,), (envelope,)):
                    judge((other, image), twin)
        return box if live.issuperset(box) else tuple(e for e in box if e in live)

    def leads(self, index: int, local: int, after: int) -> None:
        """The search found that `after` can follow `local`."""
        if local == after or (index, after) in self._after.setdefault((index, local), set()):
            return
        self._link((index, local), (index, after))
        if self.mirror is not None:
            for other, (first, second), _ in self.mirror(index, (local, after), ()):
                self._link((other, first), (other, second))

    def _link(self, local: Local, after: Local) -> None:
        self._after.setdefault(local, set()).add(after)
        self._before.setdefault(after, set()).add(local)
        for envelope in sorted(self._live.get(after, ())):
            self._revive(local, envelope)
        for envelope in sorted(self._dropped.get(local, ())):
            self._drop(after, envelope)

    def _revive(self, local: Local, envelope: int) -> None:
        waiting = [local]
        while waiting:
            local = waiting.pop()
            live = self._live.setdefault(local, set())
            if envelope not in live:
                live.add(envelope)
                self.wrong += envelope in self._dropped.get(local, ())
                waiting += self._before.get(local, ())

    def _drop(self, local: Local, envelope: int) -> None:
        waiting = [local]
        while waiting:
            local = waiting.pop()
            dropped = self._dropped.setdefault(local, set())
            if envelope not in dropped:
                dropped.add(envelope)
                if envelope in self._live.get(local, ()) or self._heeds(*local, envelope):
                    self.wrong += 1
                    self._revive(local, envelope)
                waiting += self._after.get(local, ())

    def next_pass(self) -> bool:
        """Forget what was dropped, keep what was learnt; return whether any drop was wrong."""
        wrong, self.wrong = self.wrong, 0
        self._dropped.clear()
        return wrong > 0
