"""One node's place in a model: what its node can be in, and every step it can take, made once.

A big model has few distinct *local* states and many combinations of them.  So the step of a node
for an event is made once, its outcome remembered, and the search only adds numbers.  Sound because
of the law of values: a step depends on nothing but the node's attributes and the event.

- a *face* is the node itself: its class and the values of its attributes;
- a *local* is a face with what its host keeps for it: armed timers, the slot applied, the snapshot;
- a *seat* is a local with what waits for it: messages, and clients' requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from comitia.check.dead import Twins
from comitia.check.inbox import Box, Inbox
from comitia.check.packing import Numbers
from comitia.check.recorder import Envelope, Recorder
from comitia.check.script import Scripts
from comitia.kernel import Compact, Node, NodeId, Request, Slot, Timer
from comitia.kernel.laws import ValuesLaw

DOWN = -1
"""The face of a node that died for good."""


class Local(NamedTuple):
    """A node and what its host keeps for it."""

    face: int
    timers: tuple[Timer, ...]
    applied: Slot
    snapshot: Slot


class Seat(NamedTuple):
    """A local state and what waits for it."""

    local: int
    box: Box
    waiting: int
    """Requests that may be handed over, as a mask."""
    offered: int
    """Requests ever offered here: a script goes on once, even if its last answer repeats."""


class Event(NamedTuple):
    """What a node is told.  `kind`: deliver, timer, request, crash, stop, lose."""

    kind: str
    what: Any = None
    """The number of the envelope, the name of the timer, the number of the request; for a crash
    in the middle of a step, the event of the step."""
    written: int = 0
    """For such a crash: how many of the groups of `Node.apart` are on the disk already."""


class Step(NamedTuple):
    """The outcome of telling a node in some local state an event."""

    local: int
    sent: tuple[tuple[NodeId, int], ...]
    early: tuple[tuple[NodeId, int], ...]
    ends: tuple[tuple[object, ...], ...]
    refused: int
    within: bool
    error: str


class Place:
    """The states and steps of one node."""

    def __init__(
        self,
        id: NodeId,
        make: Callable[[], Node],
        within: Callable[[Any], bool],
        envelopes: Numbers[Envelope],
        scripts: Scripts,
        dead: Mapping[type, Callable[[Any], Mapping[str, Any]]],
        crashes: int,
    ) -> None:
        self.id, self.make, self._within = id, make, within
        self.envelopes, self.scripts = envelopes, scripts
        self.faces: Numbers[Any] = Numbers()
        self.nodes: list[Node] = []
        """The node of each face; never stepped itself, only its clones are."""
        self.locals: Numbers[Local] = Numbers()
        self.seats: Numbers[Seat] = Numbers()
        self.read_clock = False
        self._steps: dict[tuple[int, Event], Step] = {}
        self._names: dict[type, tuple[str, ...]] = {}
        self._dead = dead
        self._twins = Twins(crashes)

    def face(self, node: Node) -> int:
        """Return the number of `node`, which from now on nobody may step."""
        attributes = vars(node)
        names = self._names.get(type(node), ())
        if len(names) != len(attributes):
            names = self._names[type(node)] = tuple(sorted(attributes))
        number = self.faces.number((type(node), *map(attributes.__getitem__, names)))
        if number == len(self.nodes):
            self.nodes.append(node)
        return number

    def start(self) -> Step:
        """Return the outcome of the first start."""
        return self._run(self.make(), Recorder(self.id, frozenset(), 0, 0), Event("start"))

    def step(self, local: int, event: Event) -> Step:
        """Return the outcome of `event` in `local`."""
        found = self._steps.get((local, event))
        if found is None:
            found = self._steps[local, event] = self._make_step(local, event)
            self._twins.made(local, event)
            for other, twin, told in self._twins.unproven():
                known, step = self._steps[twin, told], self._make_step(other, told)
                self._twins.compare(self, twin, told, known, step)
        return found

    def _make_step(self, local: int, event: Event) -> Step:
        face, timers, applied, snapshot = self.locals.values[local]
        before = self.nodes[face]
        if event.kind == "stop":
            down = self.locals.number(Local(DOWN, (), 0, 0))
            return Step(down, (), (), (), 0, True, "")
        if event.kind == "crash":
            return self._crash(local, event)
        armed = frozenset(timers)
        if event.kind == "timer":
            armed -= {event.what}
        law = ValuesLaw(before)
        out = Recorder(self.id, armed, applied, snapshot)
        if event.kind == "request" and isinstance(request := self.request(event), Compact):
            out.snapshot = request.slot
        step = self._run(before.clone(), out, event)
        try:
            law.check()
        except AssertionError as error:
            return step._replace(error=str(error))
        return step

    def face_of_seat(self, seat: int) -> int:
        """Return the face of `seat`, DOWN for a node that died for good."""
        return self.locals.values[self.seats.values[seat].local].face

    def restored(self, local: int, crash: Event) -> Node:
        """Return the node of `local` after `crash`, about to start; nobody may step it."""
        before, node = self._node(local), self.make()
        for name in node.stable:
            setattr(node, name, getattr(before, name))
        if crash.written:
            after = self._node(self._lost(local, crash).local)
            for group in node.apart[: crash.written]:
                for name in group:
                    setattr(node, name, getattr(after, name))
        return self.nodes[self.face(node)]

    def _node(self, local: int) -> Node:
        return self.nodes[self.locals.values[local].face]

    def _lost(self, local: int, crash: Event) -> Step:
        """The step in the middle of which `crash` comes."""
        event: Event = crash.what
        return self._steps.get((local, event)) or self._make_step(local, event)

    def halfway(self, local: int, event: Event) -> list[int]:
        """Return how many groups of `Node.apart` may be on the disk when a crash in the middle of
        the step leaves another state there than before and after it.
        """
        before, after = self._node(local), self._node(self.step(local, event).local)
        changed = {n for n in before.stable if getattr(before, n) != getattr(after, n)}
        found, written = [], set[str]()
        for count, group in enumerate(before.apart, 1):
            fresh = changed.intersection(group) - written
            written |= fresh
            if fresh and written != changed:
                found.append(count)
        return found

    def _crash(self, local: int, event: Event) -> Step:
        node, snapshot = self.restored(local, event).clone(), self.locals.values[local].snapshot
        step = self._run(node, Recorder(self.id, frozenset(), snapshot, snapshot), Event("start"))
        if event.what is None:
            return step
        # The step was lost with everything it said, but for what did not wait for the disk.
        return step._replace(sent=self._lost(local, event).early + step.sent)

    def _run(self, node: Node, out: Recorder, event: Event) -> Step:
        error = ""
        try:
            self._tell(node, out, event)
            node.on_turn(out)
        except Exception as failure:  # noqa: BLE001  any error of a protocol is a finding
            error = f"{type(failure).__name__}: {failure}"
        self.read_clock |= out.read_clock
        refused = 0
        for request in out.refused:
            number = self.scripts.number(request)
            refused |= 0 if number is None else 1 << number
        return Step(
            self._settle(node, out),
            tuple((to, self.envelopes.number(envelope)) for to, envelope in out.sent),
            tuple((to, self.envelopes.number(envelope)) for to, envelope in out.early),
            tuple(out.ends),
            refused,
            bool(error) or self._within(node),
            error,
        )

    def _settle(self, node: Node, out: Recorder) -> int:
        """Return the number of the local state after a step, without what is dead in it."""
        local = Local(self.face(node), tuple(sorted(out.timers)), out.applied, out.snapshot)
        number = self.locals.number(local)
        dead = next((self._dead[kind] for kind in type(node).__mro__ if kind in self._dead), None)
        if dead is None:
            return number
        rest = node.clone()
        for name, value in dead(node).items():
            setattr(rest, name, value)
        settled = self.locals.number(local._replace(face=self.face(rest)))
        if settled != number:
            self._twins.met(number, settled)
        return settled

    def _tell(self, node: Node, out: Recorder, event: Event) -> None:
        match event.kind:
            case "start":
                node.on_start(out)
            case "deliver":
                envelope = self.envelopes.values[event.what]
                out.arrived = envelope.snapshot
                node.on_message(envelope.src, envelope.message, out)
            case "timer":
                node.on_timer(event.what, out)
            case "request":
                node.on_request(self.request(event), out)
            case _:
                raise AssertionError(f"{event.kind} is nothing a node is told")

    def request(self, event: Event) -> Request:
        """Return the request that `event` hands over."""
        number: int = event.what
        return self.scripts.requests[number][1]

    def events(self, seat: int, inbox: Inbox) -> list[tuple[Event, Box, int]]:
        """Return (event, box after, waiting after) for all that may be told in `seat`."""
        local_number, box, waiting, _ = self.seats.values[seat]
        local = self.locals.values[local_number]
        if local.face == DOWN:
            return []
        events = [(Event("deliver", e), rest, waiting) for e, rest in inbox.takes(box)]
        events += [(Event("timer", timer), box, waiting) for timer in local.timers]
        for number in range(waiting.bit_length()):
            if waiting >> number & 1:
                event = Event("request", number)
                request = self.request(event)
                # The host tells of a snapshot only when it has made a newer one.
                if isinstance(request, Compact) and not (
                    local.snapshot < request.slot <= local.applied
                ):
                    continue
                events.append((event, box, waiting & ~(1 << number)))
        return events
