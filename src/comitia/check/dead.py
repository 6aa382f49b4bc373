"""Dead values: what no step will read again, taken out of the state.

What is left over of a role that a node has given up, or a counter that nothing in a model
compares, makes many local states of one.  A model may name such attributes (`Model.dead`) and is
not believed: when a step leads to a node with something dead in it, the search goes on with its
twin, which holds the values that stand for all, and every step that it makes of the twin it makes
of the node as well.  Both must say the same and lead to the same twin.

Sound: by induction over the steps, all nodes that one twin stands for can do the same and say the
same for ever.  Promises see the twin, so they may not look at what is dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from comitia.check.space import WrongModel

if TYPE_CHECKING:
    from comitia.check.place import Event, Place, Step


class NotDead(WrongModel):
    """A model takes an attribute for dead that a step still reads."""


class Twins:
    """Which local states stand for which others, and what is still to be compared."""

    def __init__(self, crashes: int) -> None:
        """`crashes`: how many a run may have; what is dead may count them for ever."""
        self._most, self._crashes = crashes, 0
        # For each twin: whom it stands for, and after how few crashes since they were one.
        self._stands_for: dict[int, dict[int, int]] = {}
        self._made: dict[int, list[Event]] = {}
        self._waiting: list[tuple[int, int, Event]] = []

    def met(self, local: int, twin: int) -> None:
        """From now on `twin` stands for `local`."""
        known = self._stands_for.setdefault(twin, {})
        if self._crashes < known.get(local, self._most + 1):
            known[local] = self._crashes
            self._waiting += [(local, twin, event) for event in self._made.get(twin, ())]

    def made(self, twin: int, event: Event) -> None:
        """The search has told `event` to `twin`."""
        self._made.setdefault(twin, []).append(event)
        self._waiting += [(local, twin, event) for local in self._stands_for.get(twin, ())]

    def unproven(self) -> Iterator[tuple[int, int, Event]]:
        """Yield (local, twin, event) that are to be compared; comparing may find more of them."""
        while self._waiting:
            local, twin, event = self._waiting.pop()
            self._crashes = self._stands_for[twin][local] + (event.kind == "crash")
            if self._crashes <= self._most:
                yield local, twin, event
        self._crashes = 0

    def compare(self, place: Place, twin: int, event: Event, known: Step, step: Step) -> None:
        """Raise NotDead when the twin's step is another than that of whom it stands for."""
        if step == known or (step.error and known.error):
            return
        dead = sorted(_differences(place, twin, self._stands_for[twin]))
        raise NotDead(f"n{place.id} still reads one of {', '.join(dead)} on {event.kind}")


def _differences(place: Place, twin: int, others: dict[int, int]) -> set[str]:
    """The attributes in which the nodes that a twin stands for differ from it."""
    faces = [place.locals.values[local].face for local in (twin, *others)]
    first, *rest = (vars(place.nodes[face]) for face in faces)
    names: set[str] = {k for other in rest for k in first if first[k] != other[k]}
    return names
