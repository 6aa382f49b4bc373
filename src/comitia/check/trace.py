"""The story of a search in the common trace format (`comitia.history.trace`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comitia.check.recorder import Envelope
from comitia.check.story import Beat, Story
from comitia.history.trace import Header, TraceEvent, patch, plain
from comitia.kernel import NodeId, View

SHOWN = ("role", "epoch", "leader", "last", "committed", "voters", "learners")

STEP_US = 1_000
"""Steps of a model take no time; in a trace they are a millisecond apart, so that one can see."""


class _Telling:
    """Turns beats into events."""

    def __init__(self, view: Callable[[Any], View] | None) -> None:
        self.events: list[TraceEvent] = []
        self._view = view
        self._views: dict[NodeId, dict[str, Any]] = {}
        self._sent: dict[tuple[NodeId, NodeId, Envelope], int] = {}
        self._time = 0

    def tell(self, kind: str, node: NodeId | None, cause: int | None, **fields: Any) -> TraceEvent:
        event = TraceEvent(len(self.events), self._time, kind, node, cause, **fields)
        self.events.append(event)
        return event

    def beat(self, beat: Beat) -> None:
        me = beat.node
        if beat.kind == "crash" and beat.what is not None:
            kind, what, _ = beat.what
            self._happening(Beat(me, kind, what, (), (), None, None))
        event = self._happening(beat)
        if beat.after is not None:
            event.patch = patch(vars(beat.before) if beat.before else {}, vars(beat.after)) or None
            self._look(event, beat)
        for to, envelope in beat.sent:
            sent = self.tell("send", me, event.i, peer=to, what=plain(envelope.message))
            self._sent[me, to, envelope] = sent.i
        for hook, _, *what in beat.ends:
            text = " = ".join(str(plain(part)) for part in what)
            self.tell(hook, me, event.i, what=plain(what[0]), text=text)
        if beat.error:
            self.tell("note", me, event.i, text=beat.error)
        self._time += STEP_US

    def _happening(self, beat: Beat) -> TraceEvent:
        me = beat.node
        match beat.kind, beat.what:
            case "deliver" | "lose" as kind, Envelope(src, message, snapshot) as envelope:
                cause = self._sent.get((src, me, envelope))
                with_it = f"with a snapshot up to slot {snapshot}" if snapshot else ""
                kind = "recv" if kind == "deliver" else "drop"
                return self.tell(kind, me, cause, peer=src, what=plain(message), text=with_it)
            case "crash", _:
                crash = self.tell("crash", me, None)
                return self.tell("start", me, crash.i, text="restarts")
            case "stop", _:
                return self.tell("crash", me, None, text="for good")
            case kind, what:
                return self.tell(kind, me, None, what=plain(what))

    def _look(self, event: TraceEvent, beat: Beat) -> None:
        if self._view is not None:
            was, now = self._views.get(beat.node, {}), plain(self._view(beat.after))
            event.view = {k: now[k] for k in SHOWN if now[k] != was.get(k)} or None
            self._views[beat.node] = now


def trace_of(
    story: Story,
    protocol: str,
    property: str,
    *,
    replay: str = "",
    view: Callable[[Any], View] | None = None,
) -> tuple[Header, list[TraceEvent]]:
    """Return `story` as a trace.  `replay`: the command that finds it again."""
    telling = _Telling(view)
    for number, beat in enumerate(story.beats):
        if number == story.again:
            telling.tell("note", None, None, text="from here on, for ever")
        telling.beat(beat)
    if story.broken:
        telling.tell("violation", story.beats[-1].node, None, text=story.broken)
    nodes = tuple(sorted({beat.node for beat in story.beats}))
    header = Header(
        protocol=protocol, source="checker", nodes=nodes, replay=replay, promise=property
    )
    return header, telling.events
