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

Only where order means nothing: on a FIFO link an ignored message must still be taken away.
"""

from __future__ import annotations

from collections.abc import Callable

from comitia.check.inbox import Box


class Stale:
    """What one node will never heed again, by its local states and numbers of envelopes."""

    def __init__(self, heeds: Callable[[int, int], bool]) -> None:
        """`heeds(local, envelope)`: would the delivery be a transition?"""
        self._heeds = heeds
        self._after: dict[int, set[int]] = {}
        self._before: dict[int, set[int]] = {}
        # The envelopes that are heeded in a local state or in one known to follow it.
        self._live: dict[int, set[int]] = {}
        # The envelopes dropped, in this pass, in a local state or in one before it.
        self._dropped: dict[int, set[int]] = {}
        self.wrong = 0
        """Drops of this pass that turned out wrong."""

    def trim(self, local: int, box: Box) -> Box:
        """Return `box` without what is stale to a node in `local`."""
        live = self._live.setdefault(local, set())
        for envelope in box:
            if envelope not in live:
                if self._heeds(local, envelope):
                    self._revive(local, envelope)
                elif envelope not in self._dropped.setdefault(local, set()):
                    self._drop(local, envelope)
        return box if live.issuperset(box) else tuple(e for e in box if e in live)

    def leads(self, local: int, after: int) -> None:
        """The search found that `after` can follow `local`."""
        following = self._after.setdefault(local, set())
        if after in following or after == local:
            return
        following.add(after)
        self._before.setdefault(after, set()).add(local)
        for envelope in sorted(self._live.get(after, ())):
            self._revive(local, envelope)
        for envelope in sorted(self._dropped.get(local, ())):
            self._drop(after, envelope)

    def _revive(self, local: int, envelope: int) -> None:
        waiting = [local]
        while waiting:
            local = waiting.pop()
            live = self._live.setdefault(local, set())
            if envelope not in live:
                live.add(envelope)
                self.wrong += envelope in self._dropped.get(local, ())
                waiting += self._before.get(local, ())

    def _drop(self, local: int, envelope: int) -> None:
        waiting = [local]
        while waiting:
            local = waiting.pop()
            dropped = self._dropped.setdefault(local, set())
            if envelope not in dropped:
                dropped.add(envelope)
                if envelope in self._live.get(local, ()) or self._heeds(local, envelope):
                    self.wrong += 1
                    self._revive(local, envelope)
                waiting += self._after.get(local, ())

    def next_pass(self) -> None:
        """Keep what was learnt, forget what was dropped."""
        self._dropped.clear()
        self.wrong = 0
