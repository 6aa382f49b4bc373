"""A bounded model of a protocol, ready for a search: every order of events.

A state packs one number for the seat of each node (`comitia.check.place`), one for the memories of
the promises (`comitia.check.observers`) and the crashes still allowed.  What a node can do depends
on its seat alone, so its moves are found once a seat; a step of the search is then a few additions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from comitia.check.inbox import Box, inbox_of
from comitia.check.observers import Observers
from comitia.check.packing import BITS, MASK, Numbers
from comitia.check.place import DOWN, Event, Place, Seat, Step
from comitia.check.recorder import Envelope
from comitia.check.script import Scripts
from comitia.check.space import State, Violation
from comitia.check.stale import Stale
from comitia.check.story import Story, tell
from comitia.kernel import Model, Network, Node, NodeId, Promise

CRASH, STOP = 1, 1 << 8
"""One crash, one stop, in the part of a state that counts those still allowed."""


class Bundle(NamedTuple):
    """What one move brings to another node."""

    envelopes: tuple[int, ...]
    requests: int


class Move(NamedTuple):
    """One way on from a seat."""

    delta: int
    """Added to the state: the new seat of the node that moves, and what the move costs."""
    sends: tuple[tuple[int, int], ...]
    """(index of the node, number of the bundle)."""
    loud: int | None
    """What promises are let know, numbered by the observers."""
    face: int
    error: str
    event: Event


class _Puts(dict[int, int]):
    """For one seat: by how much a bundle changes the state."""

    def __init__(self, world: World, index: int, seat: int) -> None:
        self._world, self._index, self._seat = world, index, seat

    def __missing__(self, bundle: int) -> int:
        after = self._world.put(self._index, self._seat, bundle)
        delta = self[bundle] = (after - self._seat) << (BITS * self._index)
        return delta


class _Memo(dict[int, Any]):
    """A function of numbers, remembered."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self._function = function

    def __missing__(self, number: int) -> Any:
        found = self[number] = self._function(number)
        return found


class World:
    """The space of a `Model`."""

    def __init__(
        self,
        model: Model,
        promises: Sequence[Callable[[], Promise]] = (),
        *,
        drop_stale: bool = True,
    ) -> None:
        """`promises`: those of the protocol, which hold in all its models.  `drop_stale`: leave
        messages that nobody will heed again out of the state, see `comitia.check.stale`.
        """
        self.model, self.sometimes, self.eventually = model, model.sometimes, model.eventually
        self.ids = tuple(sorted(model.nodes))
        self.observers = Observers((*promises, *model.promises))
        self.envelopes: Numbers[Envelope] = Numbers()
        self.scripts = Scripts(model.clients)
        self.inbox = inbox_of(model.network, lambda number: self.envelopes.values[number].src)
        # Where any message may be late for ever, losing it shows nothing new to a promise.
        self._lossy = model.lossy and bool(model.network is Network.FIFO or model.eventually)
        self.places = [
            Place(id, model.nodes[id], model.within, self.envelopes, self.scripts)
            for id in self.ids
        ]
        self._index = {id: index for index, id in enumerate(self.ids)}
        self._bundles: Numbers[Bundle] = Numbers()
        self._shifts = [BITS * index for index in range(len(self.ids))]
        self._record_shift = BITS * len(self.ids)
        self._budget_shift = self._record_shift + BITS
        drops = drop_stale and not self.inbox.ordered
        self._stale = [Stale(partial(self._heeds, place)) for place in self.places] if drops else []
        self._forget_seats()

    def _forget_seats(self) -> None:
        count = range(len(self.ids))
        for place in self.places:
            place.seats = Numbers()
        self.moves = [_Memo(partial(self._find_moves, index)) for index in count]
        self.deaths = [_Memo(partial(self._find_deaths, index)) for index in count]
        self._puts = [_Memo(partial(_Puts, self, index)) for index in count]
        self._faces = [_Memo(place.face_of_seat) for place in self.places]

    def confirmed(self) -> bool:
        wrong = any(stale.wrong for stale in self._stale)
        for stale in self._stale:
            stale.next_pass()
        self._forget_seats()
        return not wrong

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
        state = self.observers.first << self._record_shift
        state |= (self.model.crashes * CRASH + self.model.stops * STOP) << self._budget_shift
        starts = [(place, place.start()) for place in self.places]
        for index, (place, step) in enumerate(starts):
            self._must_be_sound(step, place.id)
            waiting = self.scripts.first(place.id)
            seat = self._sit(index, Seat(step.local, (), waiting, waiting))
            state |= seat << self._shifts[index]
        for index, (_, step) in enumerate(starts):
            for other, bundle in self._sends(index, step, True):
                state += self._puts[other][state >> self._shifts[other] & MASK][bundle]
        faces = tuple(memo[seat] for memo, seat in zip(self._faces, self.seats(state), strict=True))
        for index, (place, step) in enumerate(starts):
            loud = self.observers.loud(step.ends, None, place.nodes[faces[index]])
            if loud is not None:
                state = self._observe(state, index, loud, faces)
        return [state]

    def start(self) -> State:
        """Return the initial state, as it is and not as its representative."""
        return self.initial()[0]

    def representative(self, state: State) -> State:
        """Return the state that stands for all that differ from `state` by symmetry."""
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
            moves = self.moves[index][seat]
            if budget:
                moves = moves + self._affordable(index, seat, budget)
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
        return successors

    def steps(self, state: State) -> list[tuple[int, Move, State | None]]:
        """Return (index of the node, move, successor) in the order of `expand`, of which this is
        the patient twin: a successor of None stands for a step that breaks a promise.
        """
        found: list[tuple[int, Move, State | None]] = []
        seats, budget = self.seats(state), state >> self._budget_shift
        for index, seat in enumerate(seats):
            for move in self.moves[index][seat] + self._affordable(index, seat, budget):
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

    def story(self, path: list[State], violation: Violation | None) -> Story:
        return tell(self, path, violation)

    def _affordable(self, index: int, seat: int, budget: int) -> tuple[Move, ...]:
        crashes, stops = self.deaths[index][seat]
        return (crashes if budget % STOP else ()) + (stops if budget >= STOP else ())

    def _observe(self, state: State, index: int, loud: int, faces: tuple[int, ...]) -> State:
        record = state >> self._record_shift & MASK
        after = self.observers.observe(record, loud, self.ids[index], faces, self._up)
        return state + ((after - record) << self._record_shift)

    def inspect(self, state: State) -> None:
        """Promises are judged on the way to a state."""

    def holds(self, property: Callable[[Mapping[NodeId, Any]], bool], state: State) -> bool:
        return property(self.nodes(state))

    def edges(self, state: State) -> list[tuple[object, State | None]]:
        found: list[tuple[object, State | None]] = [
            (_owed(self.ids[index], move.event), after) for index, move, after in self.steps(state)
        ]
        for index, seat in enumerate(self.seats(state)):
            found += [(_owed(self.ids[index], event), None) for event in self._cuts(index, seat)]
        return found

    # ---- what a node can do in a seat ----

    def _sit(self, index: int, seat: Seat) -> int:
        """Return the number of `seat`, less what is stale in it."""
        if self._stale:
            seat = seat._replace(box=self._stale[index].trim(seat.local, seat.box))
        return self.places[index].seats.number(seat)

    def _heeds(self, place: Place, local: int, envelope: int) -> bool:
        """Is the delivery of `envelope` in `local` a transition?"""
        if place.locals.values[local].face == DOWN:
            return False
        step = place.step(local, Event("deliver", envelope))
        if not step.within:
            return bool(self.eventually)  # to fairness, a step cut off is still a step
        return step.local != local or bool(step.sent or step.ends or step.refused or step.error)

    def put(self, index: int, seat: int, bundle: int) -> int:
        """Return the seat that `seat` becomes when `bundle` is brought to it."""
        place = self.places[index]
        local, box, waiting, offered = place.seats.values[seat]
        if place.locals.values[local].face == DOWN:
            return seat
        envelopes, requests = self._bundles.values[bundle]
        news = requests & ~offered
        box = self.inbox.put(box, [e for e in envelopes if not self._under_way(e, box)])
        return self._sit(index, Seat(local, box, waiting | news, offered | news))

    def _under_way(self, envelope: int, box: Box) -> bool:
        return bool(self.envelopes.values[envelope].snapshot) and envelope in box

    def _find_moves(self, index: int, seat: int) -> tuple[Move, ...]:
        place = self.places[index]
        events = place.events(seat, self.inbox)
        moves = [self._move(index, seat, event, box, rest) for event, box, rest in events]
        if self._lossy:
            now = place.seats.values[seat]
            for envelope, box in self.inbox.losses(now.box):
                after = self._sit(index, now._replace(box=box))
                delta = (after - seat) << self._shifts[index]
                moves.append(Move(delta, (), None, 0, "", Event("lose", envelope)))
        return tuple(move for move in moves if move is not None)

    def _cuts(self, index: int, seat: int) -> list[Event]:
        """The events that the bound of the model cuts off."""
        place = self.places[index]
        local = place.seats.values[seat].local
        events = place.events(seat, self.inbox)
        return [event for event, _, _ in events if not place.step(local, event).within]

    def _find_deaths(self, index: int, seat: int) -> tuple[tuple[Move, ...], tuple[Move, ...]]:
        """Return (crashes, stops)."""
        place = self.places[index]
        now = place.seats.values[seat]
        if place.locals.values[now.local].face == DOWN:
            return (), ()
        stop = self._move(index, seat, Event("stop"), (), 0)
        crashes = [self._move(index, seat, Event("crash"), self._left(index, now.box), now.waiting)]
        for event, box, waiting in place.events(seat, self.inbox):
            if place.step(now.local, event).early:
                crash = Event("crash", event)
                crashes.append(self._move(index, seat, crash, self._left(index, box), waiting))
        return tuple(move for move in crashes if move), (stop,) if stop else ()

    def _left(self, index: int, box: Box) -> Box:
        """What is still on its way to a node that crashed: nothing that it sent to itself."""
        if self.inbox.ordered:
            return ()
        me = self.ids[index]
        return tuple(e for e in box if self.envelopes.values[e].src != me)

    def _move(self, index: int, seat: int, event: Event, box: Box, waiting: int) -> Move | None:
        place = self.places[index]
        now = place.seats.values[seat]
        step = place.step(now.local, event)
        if not step.within:
            return None
        silent = step.local == now.local and not (step.sent or step.ends or step.error)
        if silent and self._leaves_no_trace(event, step):
            return None
        own = [e for to, e in step.sent if to == place.id]
        mask = self._asked(step, place.id) & ~now.offered
        waiting |= step.refused | mask
        after = Seat(step.local, self.inbox.put(box, own), waiting, now.offered | mask)
        if self._stale:
            self._stale[index].leads(now.local, step.local)
        delta = (self._sit(index, after) - seat) << self._shifts[index]
        before: Node | None = place.nodes[place.locals.values[now.local].face]
        heard = list(step.ends)
        if event.kind == "request":
            heard.insert(0, ("request", place.id, place.request(event)))
        elif event.kind == "crash":
            heard.insert(0, ("restart", place.restored(now.local)))
            before = None
            delta -= CRASH << self._budget_shift
        elif event.kind == "stop":
            delta -= STOP << self._budget_shift
        face = place.locals.values[step.local].face
        loud = self.observers.loud(heard, before, None if face == DOWN else place.nodes[face])
        return Move(delta, self._sends(index, step, False), loud, face, step.error, event)

    def _leaves_no_trace(self, event: Event, step: Step) -> bool:
        """A message that is ignored may as well be late; a refused request may be tried again."""
        match event.kind:
            case "deliver":
                return not self.inbox.ordered
            case "request":
                return bool(step.refused >> event.what & 1)
            case kind:
                return kind == "timer"

    def _asked(self, step: Step, node: NodeId) -> int:
        """The requests that clients ask of `node` next, given what `step` answered."""
        following = (self.scripts.after(end) for end in step.ends)
        return sum({1 << number for to, number in filter(None, following) if to == node})

    def _sends(self, index: int, step: Step, own: bool) -> tuple[tuple[int, int], ...]:
        """What `step` brings to the others, and to the node itself if `own`."""
        sends = []
        for other, id in enumerate(self.ids):
            if other == index and not own:
                continue
            envelopes = tuple(e for to, e in step.sent if to == id)
            bundle = Bundle(envelopes, self._asked(step, id))
            if bundle != ((), 0):
                sends.append((other, self._bundles.number(bundle)))
        return tuple(sends)


def _owed(node: NodeId, event: Event) -> object:
    """The action as fairness knows it: crashes, deaths and losses are owed to nobody."""
    return None if event.kind in ("crash", "stop", "lose") else (node, event)
