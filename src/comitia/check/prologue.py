"""The beginning of a run, told by the model: the search goes on from there.

What takes four terms to go wrong is out of reach of a search that has to find the first two as
well.  A model may tell them, line by line (`Model.prologue`); every line is a step that its nodes
can take at that point, so what the search begins with is a state that can be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from comitia.check.cast import Move
from comitia.check.recorder import Envelope
from comitia.check.space import State, WrongModel
from comitia.check.story import show
from comitia.kernel import Fate, Request
from comitia.kernel.model import Line

if TYPE_CHECKING:
    from comitia.check.world import World

Told = tuple[State, int, Move]
"""A state, the index of the node that takes a step in it, and the step."""


class NoSuchStep(WrongModel):
    """A line of a prologue is no step, or more than one, at its place in the run."""


def play(world: World, state: State, lines: Iterable[Line]) -> Iterator[tuple[Told, State]]:
    """Yield each step that the lines tell, and the state it leads to."""
    for number, line in enumerate(lines, 1):
        steps = world.steps(state)
        fitting = [step for step in steps if _fits(world, step[0], step[1], line)]
        if len(fitting) != 1:
            node = line[0]
            others = [_said(world, i, move) for i, move, _ in steps if world.ids[i] == node]
            how = "several ways" if fitting else "no way"
            raise NoSuchStep(
                f"prologue, line {number}: {how} to tell n{node} {_words(line)}; "
                f"it may be told {', '.join(others) or 'nothing'}"
            )
        ((index, move, after),) = fitting
        if after is None:
            raise NoSuchStep(f"prologue, line {number}: {_words(line)} breaks a promise")
        yield (state, index, move), after
        state = after


def _fits(world: World, index: int, move: Move, line: Line) -> bool:
    node, what, *source = line
    event = move.event
    if world.ids[index] != node:
        return False
    match what:
        case Fate():
            return event.kind == what and event.what is None
        case str():
            return event.kind == "timer" and event.what == what
        case Request():
            return event.kind == "request" and world.places[index].request(event) == what
        case _ if event.kind == "deliver":
            src, message, _ = world.envelopes.values[event.what]
            if source and source[0] != src:
                return False
            return isinstance(message, what) if isinstance(what, type) else message == what
        case _:
            return False


def _words(line: Line) -> str:
    _, what, *source = line
    text = (
        what.__name__ if isinstance(what, type) else what if isinstance(what, str) else show(what)
    )
    return f"{text} from n{source[0]}" if source else text


def _said(world: World, index: int, move: Move) -> str:
    kind, what, _ = move.event
    match kind:
        case "deliver":
            envelope: Envelope = world.envelopes.values[what]
            return f"{show(envelope.message)} from n{envelope.src}"
        case "request":
            return show(world.places[index].request(move.event))
        case "timer":
            return str(what)
        case _:
            return str(kind)
