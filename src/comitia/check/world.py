"""A bounded model of a protocol, ready for a search: every order of events.

A state packs one number for the seat of each node (`comitia.check.place`), one for the memories of
the promises (`comitia.check.observers`) and the crashes still allowed.  What a node can do depends
on its seat alone, so its moves are found once a seat; a step of the search is then a few additions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comitia.check.cast import CRASH, STOP, Cast, Move
from comitia.check.packing import MASK
from comitia.check.place import DOWN, Event, Seat, Step
from comitia.check.prologue import NoSuchStep, Told, play
from comitia.check.space import State, Violation
from comitia.check.story import Story, tell
from comitia.check.symmetry import Places, refute
from comitia.kernel import Fate, Model, Node, NodeId, Promise


class World(Cast):
    """The space of a `Model`."""

    def __init__(
        self,
        model: Model,
        promises: Sequence[Callable[[], Promise]] = (),
        *,
        drop_stale: bool = True,
        symmetric: bool = True,
        subsume: bool = True,
    ) -> None:
        """`promises`: those of the protocol, which hold in all its models.  `drop_stale`: leave
        messages that nobody will heed again out of the state, see `comitia.check.stale`.
        `symmetric`: use the symmetry of the model, if it has one and is not asked what happens
        eventually, since fairness must tell nodes apart.  `subsume`: leave out states that differ
        from one already met only by fewer crashes or stops left; not when asked what happens
        eventually, either.

        Raises NotSymmetric when the model does not have the symmetry that it claims.
        """
        super().__init__(model, promises, drop_stale)
        self.sometimes, self.eventually = model.sometimes, model.eventually
        self.width = (self._budget_shift + 16) // 8
        self._spare = _spare(model, self._budget_shift) if subsume and not model.eventually else {}
        self._places: Places | None = None
        if symmetric and model.symmetry is not None and not model.eventually:
            plain = World(model, promises, drop_stale=False, symmetric=False)
            refute(plain, Places(plain, model.symmetry))
            self._places = Places(self, model.symmetry)
            if self.stale is not None:
                self.stale.mirror = self._places.mirror

    def doubtful(self) -> bool:
        return self.stale is not None and self.stale.wrong > 0

    def confirmed(self) -> bool:
        wrong = self.stale is not None and self.stale.next_pass()
        self.forget_seats()
        if self._places is not None:
            self._places.forget_seats()
        return not wrong

    @property
    def symmetric(self) -> bool:
        """Does it use the symmetry of its model?"""
        return self._places is not None

    def representative(self, state: State) -> State:
        """Return the state that stands for all that differ from `state` by symmetry."""
        return state if self._places is None else self._places.representative(state)

    # ---- states ----

    def seats(self, state: State) -> list[int]:
        """Return the seat of every node, in order of ids."""
        return [state >> shift & MASK for shift in self._shifts]

    def nodes(self, state: State) -> dict[NodeId, Node]:
        """Return the nodes that are up in `state`; nobody may step them."""
        return self._up(
            tuple(memo[seat] for memo, seat in zip(self._faces, self.seats(state), strict=True))
        )

    def _up(self, faces: tuple[int, ...]) -> dict[NodeId, Node]:
        return {
            place.id: place.nodes[face]
            for place, face in zip(self.places, faces, strict=True)
            if face != DOWN
        }

    def initial(self) -> list[State]:
        return [self.representative(self.start())]

    def start(self) -> State:
        """Return the state that the search begins with, itself."""
        played = self.opening()
        return played[-1][1] if played else self._first()

    def opening(self) -> list[tuple[Told, State]]:
        """Return the steps of the model's prologue, each with the state that it leads to.

        Raises NoSuchStep when a line of it is no step.
        """
        lines = self.model.prologue
        if not lines:
            return []
        fates = [line[1] for line in lines]
        spent = fates.count(Fate.CRASH) * CRASH + fates.count(Fate.STOP) * STOP
        try:
            return list(play(self, self._first() + (spent << self._budget_shift), lines))
        except NoSuchStep:
            # A message that was taken for stale may be what the line is about: now it is known.
            if self.stale is None or not self.stale.next_pass():
                raise
        self.forget_seats()
        return self.opening()

    def _first(self) -> State:
        state = self.observers.first << self._record_shift
        state |= (self.model.crashes * CRASH + self.model.stops * STOP) << self._budget_shift
        starts = [(place, place.start()) for place in self.places]
        for index, (place, step) in enumerate(starts):
            self._must_be_sound(step, place.id)
            waiting = self.scripts.first(place.id)
            seat = self.sit(index, Seat(step.local, (), waiting, waiting))
            state |= seat << self._shifts[index]
        for index, (_, step) in enumerate(starts):
            for other, bundle in self._sends(index, step, True):
                state += self._puts[other][state >> self._shifts[other] & MASK][bundle]
        faces = tuple(memo[seat] for memo, seat in zip(self._faces, self.seats(state), strict=True))
        for index, (place, step) in enumerate(starts):
            loud = self.observers.loud(step.ends, None, place.nodes[faces[index]])
            if loud is not None:
                state = self._observe(state, index, loud, faces)
        return state

    def _must_be_sound(self, step: Step, node: NodeId) -> None:
        if step.error:
            raise Violation(f"n{node} works", step.error, 0)
        assert step.within, f"node {node} starts outside the bound of the model"

    def expand(self, state: State) -> list[State]:
        successors: list[State] = []
        seats = [state >> shift & MASK for shift in self._shifts]
        puts, budget = self._puts, state >> self._budget_shift
        for index, seat in enumerate(seats):
            moves = self._moves[index][seat]
            if budget:
                moves += self._affordable(index, seat, budget)
            for delta, sends, loud, face, error, _ in moves:
                after = state + delta
                for other, bundle in sends:
                    after += puts[other][seats[other]][bundle]
                if error:
                    raise Violation(f"n{self.ids[index]} works", error, len(successors))
                if loud is not None:
                    faces = [memo[seat] for memo, seat in zip(self._faces, seats, strict=True)]
                    faces[index] = face
                    try:
                        after = self._observe(after, index, loud, tuple(faces))
                    except Violation as violation:
                        violation.action = len(successors)
                        raise
                successors.append(after)
        return (
            successors
            if self._places is None
            else list(map(self._places.representative, successors))
        )

    def steps(self, state: State) -> list[tuple[int, Move, State | None]]:
        """Return (index of the node, move, successor) in the order of `expand`, of which this is
        the patient twin: a successor of None stands for a step that breaks a promise.
        """
        found: list[tuple[int, Move, State | None]] = []
        seats, budget = self.seats(state), state >> self._budget_shift
        for index, seat in enumerate(seats):
            for move in self._moves[index][seat] + self._affordable(index, seat, budget):
                after = state + move.delta
                for other, bundle in move.sends:
                    after += self._puts[other][seats[other]][bundle]
                found.append((index, move, None if move.error else self._seen(after, index, move)))
        return found

    def _seen(self, after: State, index: int, move: Move) -> State | None:
        if move.loud is None:
            return after
        faces = [memo[seat] for memo, seat in zip(self._faces, self.seats(after), strict=True)]
        try:
            return self._observe(after, index, move.loud, tuple(faces))
        except Violation:
            return None

    def cautions(self) -> list[str]:
        return [
            f"n{place.id} reads its clock, which stands still in a model: leases are not checked"
            for place in self.places
            if place.read_clock
        ]

    def story(self, path: list[State], violation: Violation, again: int | None = None) -> Story:
        return tell(self, path, violation, again)

    def _affordable(self, index: int, seat: int, budget: int) -> tuple[Move, ...]:
        if not budget:
            return ()  # not even looked at: what a crash leads to must not count as possible
        crashes, stops = self._deaths[index][seat]
        return (crashes if budget % STOP else ()) + (stops if budget >= STOP else ())

    def _observe(self, state: State, index: int, loud: int, faces: tuple[int, ...]) -> State:
        record = state >> self._record_shift & MASK
        after = self.observers.observe(record, loud, self.ids[index], faces, self._up)
        return state + ((after - record) << self._record_shift)

    def inspect(self, state: State) -> None:
        """Promises are judged on the way to a state."""

    def richer(self, state: State) -> Sequence[State]:
        """The same state with more crashes or stops left."""
        return [state + more for more in self._spare.get(state >> self._budget_shift, ())]

    def holds(self, property: Callable[[Mapping[NodeId, Any]], bool], state: State) -> bool:
        return property(self.nodes(state))

    def edges(self, state: State) -> list[tuple[object, State | None]]:
        found: list[tuple[object, State | None]] = [
            (_owed(self.ids[index], move.event), after) for index, move, after in self.steps(state)
        ]
        for index, seat in enumerate(() if self.model.final else self.seats(state)):
            found += [(_owed(self.ids[index], event), None) for event in self._cuts(index, seat)]
        return found


def _spare(model: Model, shift: int) -> Mapping[int, list[int]]:
    """For every count of crashes and stops left: by how much states with more of them are more."""
    budgets = [
        (crashes, stops) for crashes in range(model.crashes + 1) for stops in range(model.stops + 1)
    ]
    return {
        crashes * CRASH + stops * STOP: [
            ((c - crashes) * CRASH + (s - stops) * STOP) << shift
            for c, s in budgets
            if c >= crashes and s >= stops and (c, s) != (crashes, stops)
        ]
        for crashes, stops in budgets
    }


def _owed(node: NodeId, event: Event) -> object:
    """The action as fairness knows it: crashes, deaths and losses are owed to nobody."""
    return None if event.kind in ("crash", "stop", "lose") else (node, event)
