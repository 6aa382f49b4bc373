"""A trace for other people's pictures: a ShiViz log, and a sequence diagram in Mermaid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from comitia.history.trace import Header, TraceEvent, short

SHIVIZ_PARSER = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)"
"""The regular expression to give to ShiViz (bestchai.bitbucket.io/shiviz) with the log."""


def to_shiviz(events: Iterable[TraceEvent]) -> Iterator[str]:
    """Yield the lines of a ShiViz log: every event of a node with its vector clock.

    Clocks are derived from the order of events on each node and from which send a recv names.
    """
    clocks: dict[str, dict[str, int]] = {}
    at: dict[int, dict[str, int]] = {}
    for event in events:
        if event.node is None:
            continue
        host = f"n{event.node}"
        clock = dict(clocks.get(host, {}))
        if event.cause is not None:
            for other, count in at.get(event.cause, {}).items():
                clock[other] = max(clock.get(other, 0), count)
        clock[host] = clock.get(host, 0) + 1
        clocks[host] = at[event.i] = clock
        yield f"{host} {json.dumps(clock, sort_keys=True)}"
        yield describe(event)


def to_mermaid(header: Header, events: Sequence[TraceEvent]) -> Iterator[str]:
    """Yield the lines of a Mermaid sequence diagram; a message that never arrived ends in a cross.

    Mermaid draws an arrow at one moment: that of its arrival.
    """
    received = {event.cause for event in events if event.kind == "recv"}
    yield "sequenceDiagram"
    for node in header.nodes:
        yield f"    participant n{node}"
    for event in events:
        if event.kind == "recv":
            yield f"    n{event.peer}->>n{event.node}: {_safe(short(event.what))}"
        elif event.kind == "send":
            if event.i not in received:
                yield f"    n{event.node}--xn{event.peer}: {_safe(short(event.what))}"
        elif event.node is not None and event.kind not in ("sync", "turn"):
            yield f"    Note over n{event.node}: {_safe(describe(event))}"
        elif event.kind in ("partition", "heal", "violation") and header.nodes:
            over = f"n{header.nodes[0]},n{header.nodes[-1]}"
            yield f"    Note over {over}: {_safe(describe(event))}"


def describe(event: TraceEvent) -> str:
    """Return `event` in one line, without its time and place."""
    peer = {"recv": f"from n{event.peer}", "send": f"to n{event.peer}"}.get(event.kind, "")
    what = "" if event.what is None else short(event.what)
    return " ".join(word for word in (event.kind, peer, what, event.text) if word)


def _safe(text: str) -> str:
    # Mermaid ends a statement at a semicolon and a line, and starts a comment at a hash.
    return text.replace(";", ",").replace("#", "no. ").replace("\n", " ")[:120]
