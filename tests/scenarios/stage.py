"""Scenarios as plays: a text of stage directions, and below each what the nodes then do.

A line that begins with `>` is a direction; what follows it, up to the next, is written down by the
stage: who hears what from whom (`n1 -> n2`), what does not arrive (`n1 -x n2`), which timers fire,
and the state of each node that is another than before.  Lines that begin with `#` are the author's.
What a node says to itself, which is how it waits for its own disk, is not shown.

Directions name nodes (`n2`), or `the leader` (whom the last election made one), `the old leader`,
and `a follower` (the first node that runs and does not lead).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from hand_world import HandWorld

from comitia import protocols
from comitia.history.trace import plain, short
from comitia.kernel import Message, NodeId, Protocol, Request

Direction = Callable[..., None]
DIRECTIONS: list[tuple[re.Pattern[str], Direction]] = []


def direction(pattern: str) -> Callable[[Direction], Direction]:
    """What a direction of this form does; `WHO` stands for nodes, `WHAT` for a word."""
    form = pattern.replace("WHO", r"((?:the leader|the old leader|a follower|n\d|[ ,]|and)+?)")

    def add(do: Direction) -> Direction:
        DIRECTIONS.append((re.compile(form.replace("WHAT", r"(\S+)") + "$"), do))
        return do

    return add


class Stage(HandWorld):
    """A world that writes down what happens."""

    def __init__(self, protocol: Protocol, size: int, **options: Any) -> None:
        self.lines: list[str] = []
        self.shown: dict[NodeId, str] = {}
        self.leading: list[NodeId] = []
        super().__init__(protocol, size, **options)

    def note(self, line: str) -> None:
        self.lines.append(f"    {line}")

    def message(self, src: NodeId, arrow: str, to: NodeId, message: Message) -> None:
        if src != to:
            self.note(f"n{src} {arrow} n{to}  {short(plain(message))}")

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        if (src, to) in self.cut:
            self.message(src, "-x", to, message)
        super().fly(src, to, message)

    def deliver(self, *which: tuple[NodeId, NodeId, Message]) -> None:
        for src, to, message in which:
            self.message(src, "->" if to in self.nodes else "-x", to, message)
            super().deliver((src, to, message))

    def fire(self, id: NodeId, timer: str, settle: bool = True) -> None:
        self.note(f"n{id}        its timer fires: {timer}")
        super().fire(id, timer, settle)

    def ask(self, id: NodeId, request: Request, settle: bool = True, durable: bool = True) -> None:
        self.note(f"n{id}        is asked: {short(plain(request))}")
        answered, refused = len(self.answers), len(self.refusals)
        super().ask(id, request, settle, durable)
        for at, about, result in self.answers[answered:]:
            self.note(f"n{at}        answers {type(about).__name__}: {short(plain(result))}")
        for at, about, reason in self.refusals[refused:]:
            self.note(f"n{at}        refuses {type(about).__name__}: {reason}")

    def states(self) -> Iterator[str]:
        """The state of each node that is another than when it was last shown."""
        for id in sorted(self.clock):
            state = "down"
            if id in self.nodes:
                view = self.protocol.view(self.nodes[id])
                state = f"{view.role}, epoch {view.epoch}, log to {view.last}, "
                state += f"committed to {view.committed}, executed {self.values(id)}"
            if state != self.shown.get(id):
                self.shown[id] = state
                yield f"  n{id} {state}"

    def who(self, text: str) -> list[NodeId]:
        """The nodes that a direction speaks of."""
        text = re.sub("the old leader", lambda _: f"n{self.leading[-2]}", text)
        text = re.sub("the leader", lambda _: f"n{self.leading[-1]}", text)
        if "a follower" in text:
            text = text.replace("a follower", f"n{min(set(self.nodes) - set(self.leading))}")
        return [int(digits) for digits in re.findall(r"n(\d)", text)]

    def direct(self, words: str) -> None:
        """Do what a direction says."""
        for form, do in DIRECTIONS:
            if found := form.match(words):
                do(self, *found.groups())
                return
        raise ValueError(f"no such direction: {words}")


@direction("somebody is elected")
def _(stage: Stage) -> None:
    stage.leading.append(stage.elect())


@direction("WHO (?:is|are) started")
def _(stage: Stage, who: str) -> None:
    for id in stage.who(who):
        stage.start(id)


@direction("WHO (?:crashes|crash)")
def _(stage: Stage, who: str) -> None:
    stage.crash(*stage.who(who))


@direction("WHO (?:is|are) cut off")
def _(stage: Stage, who: str) -> None:
    stage.isolate(*stage.who(who))


@direction("the network heals")
def _(stage: Stage) -> None:
    stage.heal()


@direction("WHO is asked to write WHAT")
def _(stage: Stage, who: str, value: str) -> None:
    stage.propose(*stage.who(who), value)


@direction("WHO is asked to write WHAT, and nothing arrives yet")
def _(stage: Stage, who: str, value: str) -> None:
    stage.propose(*stage.who(who), value, settle=False)


@direction("what WHO said to WHO arrives")
def _(stage: Stage, who: str, to: str) -> None:
    for src in stage.who(who):
        for target in stage.who(to):
            stage.deliver(*stage.find(src=src, to=target))


@direction("everything else is lost")
def _(stage: Stage) -> None:
    for src, to, message in stage.lose():
        stage.message(src, "-x", to, message)


@direction("everything arrives")
def _(stage: Stage) -> None:
    stage.settle()


@direction("WHO takes a snapshot")
def _(stage: Stage, who: str) -> None:
    for id in stage.who(who):
        stage.compact(id)


@direction("WHO is asked to make WHO the members")
def _(stage: Stage, who: str, members: str) -> None:
    stage.reconfigure(*stage.who(who), 1, stage.who(members))


@direction("the leader hands over to WHO")
def _(stage: Stage, who: str) -> None:
    (to,) = stage.who(who)
    stage.leading.append(stage.elect(to))


@direction("the timer WHAT of WHO fires")
def _(stage: Stage, timer: str, who: str) -> None:
    for id in stage.who(who):
        stage.fire(id, timer, settle=False)


@direction("time passes until all are at one slot")
def _(stage: Stage) -> None:
    stage.elapse(lambda: len({stage.applied[id][-1][0] for id in stage.nodes}) == 1)


@direction("time passes until WHO (?:has|have) executed WHAT")
def _(stage: Stage, who: str, value: str) -> None:
    stage.elapse(lambda: all(stage.values(id)[-1:] == [value] for id in stage.who(who)))


@direction("time passes until all have executed the same")
def _(stage: Stage) -> None:
    stage.elapse(lambda: len({tuple(stage.values(id)) for id in stage.nodes}) == 1)


CLUSTER = re.compile(r"> a cluster of (\d)(.*)$")


def options(protocol: Protocol, words: str) -> dict[str, int]:
    """The options that a play begins with: by name, or what every log has under its own name."""
    if words == ", which keeps nothing behind a snapshot":
        return {name: 0 for name in protocol.stress if name.startswith("trailing_")}
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", words)}


def perform(name: str, text: str) -> str:
    """Return the play of the directions in `text` as the protocol of this name performs it."""
    protocol = protocols.load(name)
    stage: Stage | None = None
    play: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") or not line:
            play.append(line)
        elif found := CLUSTER.match(line):
            stage = Stage(protocol, int(found[1]), **options(protocol, found[2]))
            play += [line, *stage.lines, *stage.states()]
        elif line.startswith(">"):
            assert stage is not None, "a play begins with: > a cluster of 3"
            stage.lines = []
            stage.direct(line[2:])
            play += [line, *stage.lines, *stage.states()]
    return "\n".join(play) + "\n"
