"""A calm run of a few nodes, recorded as a trace: what the diagrams of the pages are drawn from.

Messages take a millisecond, timers of the first node ring at their earliest, no clock differs.  A
turn is over when nothing more arrives at that moment; what a node sends to itself arrives at once.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from comitia.history.trace import Header, TraceEvent
from comitia.history.trace_pictures import to_mermaid
from comitia.kernel import Ballot, Message, Micros, Node, NodeId, Out, Propose, Request

MESSAGE_US = 1_000
LIFE_SHIFT = 40  # ABD numbers its phases by lives
WIDEST = 46


def brief(value: Any) -> str:
    """A message, request or field as a diagram has room for it."""
    match value:
        case Ballot(round, proposer):
            return f"{round}.{proposer}"
        case bytes():
            return value.decode(errors="replace")
        case msgspec.Struct():
            fields = [brief(getattr(value, name)) for name in value.__struct_fields__]
            text = f"{type(value).__name__}({', '.join(fields)})"
            return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
        case tuple() | frozenset():
            ordered = sorted(value) if isinstance(value, frozenset) else value
            return "[" + ", ".join(map(brief, ordered)) + "]"
        case None:
            return "-"
        case int() if value >> LIFE_SHIFT:
            return f"{value >> LIFE_SHIFT}.{value % (1 << LIFE_SHIFT)}"
    return str(value)


class Actor(Out):
    """What one node says."""

    def __init__(self, stage: Stage, node: Node) -> None:
        self.stage, self.node, self.id = stage, node, node.id
        self.timers: dict[str, int] = {}
        self.awake = False

    @property
    def now(self) -> Micros:
        return self.stage.now_us

    def send(self, to: NodeId, message: Message) -> None:
        self.stage.fly(self.id, to, message)

    send_snapshot = send

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        # Where chance decides, the first node is the first, and the others come well after it.
        late = (after[1] - after[0]) * (self.id - 1) // len(self.stage.actors)
        due_us = self.stage.now_us + 1_000 * (after[0] + late)
        self.timers[timer] = due_us
        self.stage.at(due_us, lambda: self.ring(timer, due_us))

    def cancel_timer(self, timer: str) -> None:
        self.timers.pop(timer, None)

    def ring(self, timer: str, due_us: int) -> None:
        if self.timers.get(timer) == due_us and self.id not in self.stage.dead:
            del self.timers[timer]
            if timer.split(" ")[0] in self.stage.rings:
                self.stage.tell("timer", self.id, what=timer)
            self.step(lambda: self.node.on_timer(timer, self))

    def deliver(self, slot: int, value: bytes) -> None:
        self.stage.tell("deliver", self.id, what=f"slot {slot}: {value.decode() or 'no-op'}")

    def answer(self, request: Request, result: object) -> None:
        self.stage.tell("answer", self.id, what=brief(result))
        self.stage.answered.append(request)

    def refuse(self, request: Request, reason: str) -> None:
        self.stage.tell("refuse", self.id, text=reason)

    def step(self, act: Callable[[], None]) -> None:
        if self.id in self.stage.dead:
            return
        act()
        if not self.awake:
            self.awake = True
            self.stage.at(self.stage.now_us, self.turn)

    def turn(self) -> None:
        self.awake = False
        if self.id not in self.stage.dead:
            self.node.on_turn(self)


class Stage:
    """The nodes, the time, and the trace."""

    def __init__(self, nodes: Mapping[NodeId, Node], rings: tuple[str, ...] = ()) -> None:
        """`rings`: the timers that are shown."""
        self.rings, self.now_us, self.recording = rings, 0, True
        self.events: list[TraceEvent] = []
        self.answered: list[Request] = []
        self.dead: set[NodeId] = set()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self.actors = {id: Actor(self, node) for id, node in nodes.items()}
        for actor in self.actors.values():
            actor.step(lambda actor=actor: actor.node.on_start(actor))  # type: ignore[misc]

    def at(self, when_us: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when_us, next(self._number), do))

    def tell(self, kind: str, node: NodeId, **fields: Any) -> int:
        event = TraceEvent(len(self.events), self.now_us, kind, node, **fields)
        if self.recording:
            self.events.append(event)
        return event.i

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        actor = self.actors[to]
        cause = None
        if src != to:
            cause = self.tell("send", src, peer=to, what=brief(message))
        recorded = self.recording

        def arrive() -> None:
            if to in self.dead:
                return
            if src != to and recorded:
                self.tell("recv", to, peer=src, what=brief(message), cause=cause)
            actor.step(lambda: actor.node.on_message(src, message, actor))

        self.at(self.now_us + (MESSAGE_US if src != to else 0), arrive)

    def ask(self, id: NodeId, request: Request) -> None:
        """A client asks."""
        told = request.value if isinstance(request, Propose) else request
        self.tell("request", id, what=brief(told))
        actor = self.actors[id]
        actor.step(lambda: actor.node.on_request(request, actor))

    def kill(self, id: NodeId) -> None:
        """A node dies."""
        self.tell("crash", id)
        self.dead.add(id)

    def run(self, lasts_ms: int) -> None:
        """Let everything happen that happens within so many milliseconds."""
        end_us = self.now_us + 1_000 * lasts_ms
        while self._heap and self._heap[0][0] <= end_us:
            self.now_us, _, do = heapq.heappop(self._heap)
            do()
        self.now_us = end_us

    def settle(self) -> None:
        """Let everything happen, until nothing is left to."""
        while self._heap:
            self.now_us, _, do = heapq.heappop(self._heap)
            do()

    def diagram(self, name: str) -> str:
        """Return the run as a sequence diagram."""
        flying = {event.i for event in self.events if event.kind == "send"}
        flying -= {event.cause for event in self.events if event.kind == "recv"}
        lost = {i for i in flying if self.events[i].peer in self.dead}
        shown = [e for e in self.events if e.kind != "send" or e.i in lost]  # else under way
        kept = {event.cause for event in shown if event.kind == "recv"}
        whole = [e for e in self.events if e in shown or e.i in kept]
        header = Header(protocol=name, source="simulator", nodes=tuple(self.actors))
        return "\n".join(to_mermaid(header, whole))
