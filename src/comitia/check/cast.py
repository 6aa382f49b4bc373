"""The cast of a model: its nodes, what waits for them, and what each can do in every seat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from comitia.check.inbox import Box, inbox_of
from comitia.check.observers import Observers
from comitia.check.packing import BITS, Learning, Numbers, Unlearnt
from comitia.check.place import DOWN, Event, Place, Seat, Step
from comitia.check.recorder import Envelope
from comitia.check.script import Scripts
from comitia.check.stale import Stale
from comitia.kernel import Fate, Model, Network, Node, NodeId, Promise

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

    def __init__(self, cast: Cast, index: int, seat: int) -> None:
        self._cast, self._index, self._seat = cast, index, seat

    def __missing__(self, bundle: int) -> int:
        if not Learning.allowed:
            raise Unlearnt
        after = self._cast.put(self._index, self._seat, bundle)
        delta = self[bundle] = (after - self._seat) << (BITS * self._index)
        return delta


class Memo(dict[int, Any]):
    """A function of numbers, remembered."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self._function = function

    def __missing__(self, number: int) -> Any:
        if not Learning.allowed:
            raise Unlearnt
        found = self[number] = self._function(number)
        return found


class Cast:
    """The nodes of a model, what waits for them, and what each can do in every seat."""

    def __init__(
        self, model: Model, promises: Sequence[Callable[[], Promise]], drop_stale: bool
    ) -> None:
        self.model = model
        self.ids = tuple(sorted(model.nodes))
        self.observers = Observers((*promises, *model.promises))
        self.envelopes: Numbers[Envelope] = Numbers()
        self.scripts = Scripts(model.clients)
        self.inbox = inbox_of(model.network, lambda number: self.envelopes.values[number].src)
        # Where any message may be late for ever, losing it shows nothing new to a promise.
        self._lossy = model.lossy and bool(model.network == Network.FIFO or model.eventually)
        crashes = model.crashes + sum(line[1] is Fate.CRASH for line in model.prologue)
        self.places = [
            Place(id, make, model.within, self.envelopes, self.scripts, model.dead, crashes)
            for id, make in sorted(model.nodes.items())
        ]
        self._bundles: Numbers[Bundle] = Numbers()
        self._shifts = [BITS * index for index in range(len(self.ids))]
        self._record_shift = BITS * len(self.ids)
        self._budget_shift = self._record_shift + BITS
        self.stale = Stale(self._heeds) if drop_stale and not self.inbox.ordered else None
        self.forget_seats()

    def brings(self, bundle: int) -> tuple[int, ...]:
        """Return the envelopes of `bundle`."""
        return self._bundles.values[bundle].envelopes

    def warm(self) -> None:
        """Find the moves of all seats known, so that a child need not."""
        for index, place in enumerate(self.places):
            known = len(place.seats.values)
            for seat in range(self._warm[index], known):
                self._moves[index][seat], self._faces[index][seat]
                if self.model.crashes or self.model.stops:
                    self._deaths[index][seat]
            self._warm[index] = known

    def forget_seats(self) -> None:
        """Begin anew, but for what was learnt of local steps and of stale messages."""
        count = range(len(self.ids))
        self._warm = [0 for _ in count]
        for place in self.places:
            place.seats = Numbers()
        self._moves = [Memo(partial(self._find_moves, index)) for index in count]
        self._deaths = [Memo(partial(self._find_deaths, index)) for index in count]
        self._puts = [Memo(partial(_Puts, self, index)) for index in count]
        self._faces = [Memo(place.face_of_seat) for place in self.places]

    def sit(self, index: int, seat: Seat) -> int:
        """Return the number of `seat`, less what is stale in it."""
        if self.stale is not None:
            seat = seat._replace(box=self.stale.trim(index, seat.local, seat.box))
        return self.places[index].seats.number(seat)

    def _heeds(self, index: int, local: int, envelope: int) -> bool:
        """Is the delivery of `envelope` in `local` a transition?"""
        place = self.places[index]
        if place.locals.values[local].face == DOWN:
            return False
        step = place.step(local, Event("deliver", envelope))
        if not step.within:
            # To fairness, a step cut off is still a step.
            return bool(self.model.eventually) and not self.model.final
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
        return self.sit(index, Seat(local, box, waiting | news, offered | news))

    def _under_way(self, envelope: int, box: Box) -> bool:
        return bool(self.envelopes.values[envelope].snapshot) and envelope in box

    def _find_moves(self, index: int, seat: int) -> tuple[Move, ...]:
        place = self.places[index]
        events = place.events(seat, self.inbox)
        moves = [self._move(index, seat, event, box, rest) for event, box, rest in events]
        if self._lossy:
            now = place.seats.values[seat]
            for envelope, box in self.inbox.losses(now.box):
                after = self.sit(index, now._replace(box=box))
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
            early = place.step(now.local, event).early
            for written in [0] * bool(early) + place.halfway(now.local, event):
                crash = Event("crash", event, written)
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
        if self.stale is not None:
            self.stale.leads(index, now.local, step.local)
        delta = (self.sit(index, after) - seat) << self._shifts[index]
        before: Node | None = place.nodes[place.locals.values[now.local].face]
        heard = list(step.ends)
        if event.kind == "request":
            heard.insert(0, ("request", place.id, place.request(event)))
        elif event.kind == "crash":
            heard.insert(0, ("restart", place.restored(now.local, event)))
            if event.what is not None and event.what.kind == "request":
                heard.insert(0, ("request", place.id, place.request(event.what)))
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
