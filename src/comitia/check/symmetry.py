"""Symmetry: states that differ only by who is who are one.

Of all states that a change of places among interchangeable nodes makes of one another, the search
keeps the smallest.  That nodes are interchangeable is the model's claim (`Model.symmetry`), and so
is where their ids are mentioned; `refute` holds both against the first states of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any

from comitia.check.cast import Cast, Memo
from comitia.check.packing import BITS, MASK
from comitia.check.place import DOWN, Local, Seat
from comitia.check.recorder import Envelope
from comitia.check.space import State, Violation, WrongModel
from comitia.kernel import Node, NodeId, Promise, Symmetry, replace

if TYPE_CHECKING:
    from comitia.check.world import World


class NotSymmetric(WrongModel):
    """A model claims a symmetry that it does not have."""


class Places:
    """The changes of places that a symmetry allows."""

    def __init__(self, cast: Cast, symmetry: Symmetry) -> None:
        self._cast, self._renames = cast, symmetry.renames
        ids = sorted(symmetry.nodes)
        assert len(ids) <= 5, "too many changes of places to try them all"
        self.changes: list[dict[NodeId, NodeId]] = [
            dict(zip(ids, order, strict=True)) for order in permutations(ids) if list(order) != ids
        ]
        index = {id: k for k, id in enumerate(cast.ids)}
        self._targets = [[index[new.get(id, id)] for id in cast.ids] for new in self.changes]
        self._locals = [
            [Memo(partial(self._local, change, k)) for k in index.values()]
            for change in range(len(self.changes))
        ]
        self._envelopes = [Memo(partial(self._envelope, new)) for new in self.changes]
        self._record_shift = BITS * len(index)
        self._rest_shift = self._record_shift + BITS
        self.forget_seats()

    def forget_seats(self) -> None:
        """The numbers of seats mean nothing any more."""
        self._plans = []
        for change, targets in enumerate(self._targets):
            moves = [
                (BITS * old, BITS * new, Memo(partial(self._seat, change, old)))
                for old, new in enumerate(targets)
            ]
            self._plans.append((moves, Memo(partial(self._record, self.changes[change]))))

    def mirror(
        self, index: int, locals: tuple[int, ...], envelopes: tuple[int, ...]
    ) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        """Yield what each change of places makes of node `index` in `locals`, and of `envelopes`,
        as (index, locals, envelopes).
        """
        for change, targets in enumerate(self._targets):
            rename = self._locals[change][index]
            images = tuple(rename[local] for local in locals)
            yield targets[index], images, tuple(self._envelopes[change][e] for e in envelopes)

    def representative(self, state: State) -> State:
        """Return the smallest of all states that a change of places makes of `state`."""
        return min((state, *self.images(state)))

    def images(self, state: State) -> list[State]:
        """Return what each change of places makes of `state`."""
        record, rest = state >> self._record_shift & MASK, state >> self._rest_shift
        rest <<= self._rest_shift
        found = []
        for moves, records in self._plans:
            image = rest | records[record] << self._record_shift
            for old, new, seats in moves:
                image |= seats[state >> old & MASK] << new
            found.append(image)
        return found

    def _changed(self, new: Mapping[NodeId, NodeId], value: Any) -> Mapping[str, Any]:
        for kind in type(value).__mro__:
            if kind in self._renames:
                return self._renames[kind](value, lambda id: new.get(id, id))
        return {}

    def _local(self, change: int, index: int, local: int) -> int:
        place = self._cast.places[index]
        target = self._cast.places[self._targets[change][index]]
        face, timers, applied, snapshot = place.locals.values[local]
        if face != DOWN:
            face = target.face(self._node(self.changes[change], place.nodes[face]))
        return target.locals.number(Local(face, timers, applied, snapshot))

    def _seat(self, change: int, index: int, seat: int) -> int:
        cast, new = self._cast, self.changes[change]
        local, box, waiting, offered = cast.places[index].seats.values[seat]
        local = self._locals[change][index][local]
        box = cast.inbox.put((), [self._envelopes[change][envelope] for envelope in box])
        waiting, offered = self._requests(new, waiting), self._requests(new, offered)
        return cast.sit(self._targets[change][index], Seat(local, box, waiting, offered))

    def _node(self, new: Mapping[NodeId, NodeId], node: Node) -> Node:
        twin = node.clone()
        for name, value in self._changed(new, node).items():
            setattr(twin, name, value)
        twin.id = new.get(node.id, node.id)
        return twin

    def _envelope(self, new: Mapping[NodeId, NodeId], number: int) -> int:
        src, message, snapshot = self._cast.envelopes.values[number]
        if changed := self._changed(new, message):
            message = replace(message, **changed)
        return self._cast.envelopes.number(Envelope(new.get(src, src), message, snapshot))

    def _requests(self, new: Mapping[NodeId, NodeId], mask: int) -> int:
        renamed, scripts = 0, self._cast.scripts
        for number, (node, request) in enumerate(scripts.requests):
            if mask >> number & 1:
                if changed := self._changed(new, request):
                    request = replace(request, **changed)
                other = scripts.number(request)
                if other is None or scripts.requests[other][0] != new.get(node, node):
                    raise NotSymmetric(f"n{new.get(node, node)} is not asked {request}")
                renamed |= 1 << other
        return renamed

    def _record(self, new: Mapping[NodeId, NodeId], record: int) -> int:
        twins: list[Promise] = []
        for promise in self._cast.observers.promises(record):
            twin = promise.clone()
            for name, value in self._changed(new, promise).items():
                setattr(twin, name, value)
            twins.append(twin)
        return self._cast.observers.record(twins)


def refute(world: World, places: Places, states: int = 300) -> None:
    """Raise NotSymmetric when a change of places is not one for the first `states` of `world`.

    `world` must not use the symmetry, nor drop stale messages.  A state and its image must have
    successors that are images of each other.
    """
    seen = set(world.initial())
    waiting = sorted(seen)
    for state in waiting:
        try:
            successors = world.expand(state)
        except Violation:
            return  # the search itself will come to it, and tell the story
        images = [places.images(after) for after in successors]
        for number, (new, image) in enumerate(
            zip(places.changes, places.images(state), strict=True)
        ):
            if sorted(world.expand(image)) != sorted(each[number] for each in images):
                moved = ", ".join(f"n{a} as n{b}" for a, b in new.items() if a != b)
                raise NotSymmetric(f"the model behaves differently with {moved}")
        fresh = [after for after in successors if after not in seen]
        if len(seen) < states:
            seen.update(fresh)
            waiting += dict.fromkeys(fresh)
