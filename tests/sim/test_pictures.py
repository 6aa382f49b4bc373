"""Traces: written, read back, and drawn by others."""

from __future__ import annotations

import json
import re

import pytest
from primary import FORGETFUL

from comitia.history.trace import (
    Header,
    TraceError,
    TraceEvent,
    patch,
    plain,
    read_trace,
    write_trace,
)
from comitia.history.trace_pictures import SHIVIZ_PARSER, to_mermaid, to_shiviz
from comitia.kernel import Ballot, Log
from comitia.sim.faults import parse_faults
from comitia.sim.run import Settings
from comitia.sim.story import record

HEADER, EVENTS = record(
    FORGETFUL, 0, Settings(faults=parse_faults("all,-minority,-rot,-misdirected,-membership"))
)


def test_a_trace_is_read_back_as_it_was_written() -> None:
    lines = list(write_trace(HEADER, EVENTS))
    assert read_trace(lines) == (HEADER, EVENTS)
    assert lines[0].startswith(b'{"trace":1,')


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "empty"),
        ([b'{"trace":9,"protocol":"p","source":"simulator","nodes":[1]}'], "line 1: version 9"),
        ([next(write_trace(HEADER, ())), b'{"i":0,"t":0,"kind":"waves"}'], "line 2: .*'waves'"),
        ([b"nonsense"], "line 1"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_line(lines: list[bytes], why: str) -> None:
    with pytest.raises(TraceError, match=why):
        read_trace(lines)


def test_every_arrival_names_a_send_before_it() -> None:
    arrivals = [event for event in EVENTS if event.kind == "recv"]
    assert arrivals
    for event in arrivals:
        assert event.cause is not None
        send = EVENTS[event.cause]
        assert (send.kind, send.node, send.peer) == ("send", event.peer, event.node)
        assert send.i < event.i and send.t <= event.t


def test_shiviz_parses_every_line_and_clocks_grow() -> None:
    text = "\n".join(to_shiviz(EVENTS)) + "\n"
    python = SHIVIZ_PARSER.replace("(?<", "(?P<")
    parsed = list(re.finditer(python, text))
    assert len(parsed) == sum(event.node is not None for event in EVENTS)
    seen: dict[str, int] = {}
    for match in parsed:
        host, clock = match["host"], json.loads(match["clock"])
        assert clock[host] == seen.get(host, 0) + 1
        assert all(clock[other] <= seen.get(other, 0) for other in clock if other != host)
        seen[host] = clock[host]


def test_mermaid_draws_an_arrow_for_an_arrival_and_a_cross_for_a_loss() -> None:
    header = Header(protocol="p", source="simulator", nodes=(1, 2))
    events = [
        TraceEvent(0, 0, "send", 1, peer=2, what="A"),
        TraceEvent(1, 0, "send", 1, peer=2, what="B; #1"),
        TraceEvent(2, 5, "recv", 2, 0, 1, {"type": "A", "x": 3}),
        TraceEvent(3, 6, "crash", 2),
    ]
    assert list(to_mermaid(header, events)) == [
        "sequenceDiagram",
        "    participant n1",
        "    participant n2",
        "    n1--xn2: B, no. 1",
        "    n1->>n2: A(x=3)",
        "    Note over n2: crash",
    ]


def test_values_become_plain_in_one_order_only() -> None:
    assert plain(frozenset({3, 1, 2})) == [1, 2, 3]
    assert plain({"b": b"x", "a": b"\x00\xff"}) == {"a": "00ff", "b": "x"}
    assert plain(Ballot(2, 1)) == {"type": "Ballot", "round": 2, "proposer": 1}


def test_a_patch_shows_what_changed_and_of_a_log_its_new_end() -> None:
    log = Log([1, 2, 3])
    before = {"id": 1, "term": 1, "log": log, "same": (1,)}
    after = {"id": 1, "term": 2, "log": log.cut_after(2).append([9]), "same": (1,)}
    assert patch(before, after) == {"term": 2, "log": {"keep": 2, "items": [9]}}
