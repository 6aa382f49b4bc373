"""A run through a model, told step by step: what happened, what changed, what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from comitia.check.place import DOWN, Event, Step
from comitia.check.recorder import Envelope
from comitia.check.space import State, Violation
from comitia.kernel import Log, Node, NodeId

if TYPE_CHECKING:
    from comitia.check.cast import Move
    from comitia.check.world import World


@dataclass(frozen=True)
class Beat:
    """One step of a run."""

    node: NodeId
    kind: str
    """start, deliver, timer, request, crash, stop or lose."""
    what: Any
    """The `Envelope` that arrived or was lost, the name of the timer, the request; for a crash
    in the middle of a step, (kind, what) of that step and the attributes that reached the disk."""
    sent: tuple[tuple[NodeId, Envelope], ...]
    ends: tuple[tuple[Any, ...], ...]
    """("deliver", node, slot, value) and ("answer", node, request, result)."""
    before: Node | None
    after: Node | None
    error: str = ""

    def changes(self) -> list[tuple[str, Any, Any]]:
        """Return (attribute, before, after) for all that the step rebound to another value."""
        if self.before is None or self.after is None:
            return []
        old, new = vars(self.before), vars(self.after)
        return [(k, old.get(k), new[k]) for k in new if old.get(k) != new[k]]

    def __str__(self) -> str:
        parts = [f"n{self.node} {self._happening()}"]
        parts += [f"{k}: {_short(a)} -> {_short(b)}" for k, a, b in self.changes()]
        receivers: dict[Envelope, list[str]] = {}
        for to, envelope in self.sent:
            receivers.setdefault(envelope, []).append(f"n{to}")
        parts += [f"sends {_short(e.message)} to {' '.join(to)}" for e, to in receivers.items()]
        parts += [f"{hook}s {', '.join(map(_short, what))}" for hook, _, *what in self.ends]
        if self.error:
            parts.append(f"fails: {self.error}")
        return "; ".join(parts)

    def _happening(self) -> str:
        match self.kind, self.what:
            case "start", _:
                return "starts"
            case "deliver", Envelope(src, message):
                return f"gets {_short(message)} from n{src}"
            case "lose", Envelope(src, message):
                return f"never gets {_short(message)} from n{src}"
            case "timer", name:
                return f"timer {name} fires"
            case "request", request:
                return f"is asked {_short(request)}"
            case "crash", None:
                return "crashes and starts again"
            case "crash", (kind, what, written):
                inner = Beat(self.node, kind, what, (), (), None, None)._happening()
                disk = f"when the disk has only {', '.join(written)}" if written else ""
                return f"{inner}, crashes {disk or 'before the disk has it'}, and starts again"
            case kind, _:
                assert kind == "stop"
                return "dies"


def _short(value: Any) -> str:
    text = show(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def show(value: Any, top: bool = True) -> str:
    """Return `value` as people read it, always in the same order; names of fields only on top."""
    match value:
        case msgspec.Struct():
            fields = [(name, show(getattr(value, name), False)) for name in value.__struct_fields__]
            inside = ", ".join(f"{name}={text}" if top else text for name, text in fields)
            return f"{type(value).__name__}({inside})"
        case frozenset():
            return f"{{{', '.join(sorted(show(item, False) for item in value))}}}"
        case tuple():
            return f"({', '.join(show(item, False) for item in value)})"
        case Mapping():
            pairs = sorted(f"{show(k, False)}: {show(v, False)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        case Log():
            items = ", ".join(show(item, False) for item in value)
            return f"[{value.first}: {items}]" if len(value) else f"[{value.first}:]"
        case _:
            return repr(value)


@dataclass(frozen=True)
class Story:
    """A run from the start; `broken` says what its last step breaks, if anything.

    `again`, for a run that never ends: from which beat on it repeats for ever.
    """

    beats: tuple[Beat, ...]
    broken: str = ""
    again: int | None = None

    def __str__(self) -> str:
        lines = []
        for number, beat in enumerate(self.beats):
            if number == self.again:
                lines.append("  -- from here on, for ever --")
            lines.append(f"{number:3}  {beat}")
        return "\n".join([*lines, f"     {self.broken}"] if self.broken else lines)

    def __len__(self) -> int:
        return len(self.beats)


def tell(
    world: World, path: Sequence[State], violation: Violation, again: int | None = None
) -> Story:
    """Return the run through the states of `path`, and the step that commits `violation`.

    `again`: the run goes round for ever, from the step that leads to path[again].
    """
    beats = [_start(world, index) for index in range(len(world.ids))]
    broken = f"{violation.property}: {violation.reason}"
    if not path:
        return Story(tuple(beats), broken)
    for (before, index, move), _ in world.opening():
        beats.append(_beat(world, before, index, move))
    told, state = len(beats), world.start()
    for target in path[1:]:
        # With symmetry the path holds representatives: follow a real run beside it.
        for index, move, after in world.steps(state):
            if after is not None and world.representative(after) == target:
                beats.append(_beat(world, state, index, move))
                state = after
                break
        else:
            raise AssertionError("the path is no run of this model")
    if violation.action is not None:
        beats.append(_guilty(world, path[-1], state, violation))
    # The starts and the prologue come first, and path[0] has no beat of its own.
    return Story(tuple(beats), broken, None if again is None else told + again - 1)


def _guilty(world: World, last: State, state: State, violation: Violation) -> Beat:
    """The beat that commits `violation`: the same step of `state` as of its representative."""
    assert violation.action is not None
    if last == state:
        index, move, _ = world.steps(state)[violation.action]
        return _beat(world, state, index, move)
    for index, move, after in world.steps(state):
        if after is None:
            return _beat(world, state, index, move)
    raise AssertionError("a state and its representative break different promises")


def _start(world: World, index: int) -> Beat:
    place = world.places[index]
    step = place.start()
    node = place.nodes[place.locals.values[step.local].face]
    return _told(world, index, Event("start"), step, None, node)


def _beat(world: World, state: State, index: int, move: Move) -> Beat:
    place = world.places[index]
    local = place.seats.values[world.seats(state)[index]].local
    before = place.nodes[place.locals.values[local].face]
    if move.event.kind == "lose":
        nothing = Step(local, (), (), (), 0, True, "")
        return _told(world, index, move.event, nothing, before, before)
    step = place.step(local, move.event)
    face = place.locals.values[step.local].face
    after = None if face == DOWN else place.nodes[face]
    return _told(world, index, move.event, step, before, after)


def _told(
    world: World, index: int, event: Event, step: Step, before: Node | None, after: Node | None
) -> Beat:
    envelopes = world.envelopes.values
    sent = tuple((to, envelopes[number]) for to, number in step.sent)
    what = _what(world, index, event)
    return Beat(world.ids[index], event.kind, what, sent, step.ends, before, after, step.error)


def _what(world: World, index: int, event: Event) -> Any:
    match event.kind:
        case "deliver" | "lose":
            return world.envelopes.values[event.what]
        case "request":
            return world.places[index].request(event)
        case "crash" if event.what is not None:
            groups = world.places[index].make().apart[: event.written]
            written = tuple(name for group in groups for name in group)
            return event.what.kind, _what(world, index, event.what), written
        case _:
            return event.what
