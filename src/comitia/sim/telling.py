"""A replay that writes down what it sees: the events of a trace, each with its cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comitia.history.trace import TraceEvent, patch, plain
from comitia.kernel import Message, NodeId, Request, Slot, Timer, View
from comitia.sim.host import Host, Received
from comitia.sim.ledger import Violation
from comitia.sim.replay import Replay
from comitia.sim.tape import Input
from comitia.sim.workload import Op

SHOWN = ("role", "epoch", "leader", "last", "committed", "voters", "learners")


class Telling(Replay):
    """A replay with a trace."""

    def __init__(self, *arguments: Any, view: Callable[[Any], View]) -> None:
        super().__init__(*arguments)
        self.view = view
        self.views: dict[NodeId, dict[str, Any]] = {}
        self.events: list[TraceEvent] = []
        self.step: int | None = None
        """The event that is happening; what is sent and delivered meanwhile is because of it."""
        self.sent: dict[tuple[NodeId, NodeId], list[tuple[Any, int]]] = defaultdict(list)

    def tell(self, kind: str, node: NodeId | None = None, **fields: Any) -> TraceEvent:
        """Append an event to the trace."""
        cause = fields.pop("cause", self.step)
        event = TraceEvent(len(self.events), self.time, kind, node, cause, **fields)
        self.events.append(event)
        return event

    def play(self, tape: Sequence[Input]) -> Violation | None:
        violation = super().play(tape)
        if violation is not None:
            self.tell("violation", self.input.host or None, text=str(violation))
        return violation

    def _begin(self, kind: str, host: Host, **fields: Any) -> dict[str, Any]:
        event = self.tell(kind, host.id, **fields)
        self.step = event.i
        return dict(vars(host.node)) if host.node is not None else {}

    def _end(self, host: Host, before: dict[str, Any]) -> None:
        assert self.step is not None
        if host.node is not None:
            event = self.events[self.step]
            event.patch = patch(before, vars(host.node)) or None
            was, now = self.views.get(host.id, {}), plain(self.view(host.node))
            shown = {name: now[name] for name in SHOWN if now[name] != was.get(name)}
            event.view = shown or None
            self.views[host.id] = now
        self.step = None

    def _sent_at(self, src: NodeId, to: NodeId, message: Any) -> int | None:
        found = (index for sent, index in reversed(self.sent[src, to]) if sent == message)
        return next(found, None)

    # Steps.

    def receive(self, host: Host, src: NodeId, message: Message) -> None:
        cause = self._sent_at(src, host.id, message)
        before = self._begin("recv", host, peer=src, what=plain(message), cause=cause)
        super().receive(host, src, message)
        self._end(host, before)

    def receive_snapshot(self, host: Host, src: NodeId, received: Received) -> None:
        cause = self._sent_at(src, host.id, received)
        before = self._begin(
            "recv",
            host,
            peer=src,
            what=plain(received.message),
            cause=cause,
            text=f"with a snapshot up to slot {received.slot}",
        )
        super().receive_snapshot(host, src, received)
        self._end(host, before)

    def fire(self, host: Host, timer: Timer) -> None:
        before = self._begin("timer", host, what=timer)
        super().fire(host, timer)
        self._end(host, before)

    def request(self, host: Host, request: Request) -> None:
        cause = self.step
        before = self._begin("request", host, what=plain(request), cause=cause)
        super().request(host, request)
        self._end(host, before)

    def start(self, host: Host) -> None:
        text = "restarts" if host.incarnation else ""
        self.step = self.tell("start", host.id, text=text).i
        super().start(host)
        assert host.node is not None
        self._end(host, {})

    def crash(self, host: Host, survive: int) -> None:
        lost = len(host.pending) - survive
        text = f"{lost} writes were not on disk yet" if lost else ""
        self.tell("crash", host.id, text=text)
        self.views.pop(host.id, None)
        super().crash(host, survive)

    def upgrade(self, host: Host, options: Mapping[str, Any]) -> None:
        said = ", ".join(f"{name}={value}" for name, value in options.items())
        self.tell("note", host.id, text=f"another version is installed {said}".rstrip())
        super().upgrade(host, options)

    def forget(self, host: Host) -> None:
        self.tell("note", host.id, text="the disk is lost")
        super().forget(host)

    def sync(self, host: Host, count: int) -> None:
        if self.step is None:
            self.step = self.tell("sync", host.id).i
            super().sync(host, count)
            self.step = None
        else:
            super().sync(host, count)

    def turn_over(self, host: Host) -> None:
        before = self._begin("turn", host)
        super().turn_over(host)
        self._end(host, before)

    def saved(self, host: Host) -> None:
        assert host.saving is not None
        self.step = self.tell("snapshot", host.id, what=host.saving[0]).i
        super().saved(host)
        self.step = None

    # What steps bring about.

    def post(self, src: NodeId, to: NodeId, message: Any) -> None:
        event = self.tell("send", src, peer=to, what=_kind(message))
        self.sent[src, to].append((message, event.i))
        super().post(src, to, message)

    def deliver(self, host: Host, slot: Slot, value: bytes) -> None:
        self.tell("deliver", host.id, what={"slot": slot, "value": plain(value)})
        super().deliver(host, slot, value)

    def answered(self, host: Host, request: Request, result: Any) -> None:
        self.tell("answer", host.id, what=plain(request), text=repr(plain(result)))
        super().answered(host, request, result)

    def refused(self, host: Host, request: Request, reason: str) -> None:
        self.tell("refuse", host.id, what=plain(request), text=reason)
        super().refused(host, request, reason)

    def installed(self, host: Host, slot: Slot, state: Any) -> None:
        self.tell("install", host.id, what=slot)
        super().installed(host, slot, state)

    # Clients, and the world around.

    def invoke(self, op: Op) -> None:
        self.tell("invoke", what=_told(op), text=f"client {op.client}")
        super().invoke(op)

    def complete(self, host: Host, op: Op, place: Slot, result: Any) -> None:
        waiting = self.ledger.open.get(op.client)
        if waiting is not None and waiting[0] is op:
            self.tell(
                "ok", host.id, what={**_told(op), "result": result}, text=f"client {op.client}"
            )
        super().complete(host, op, place, result)

    def end(self, op: Op, happened: str) -> None:
        self.tell(happened, what=_told(op), text=f"client {op.client}")
        super().end(op, happened)

    def note(self, kind: str, host: NodeId, text: str) -> None:
        self.tell(kind, host or None, text=text)


def _kind(message: Any) -> str:
    return type(message.message if isinstance(message, Received) else message).__name__


def _told(op: Op) -> dict[str, Any]:
    told = {"f": op.f, "key": op.key}
    return told if op.value is None else {**told, "value": op.value}
