"""A verdict as one HTML page that needs nothing else: no downloads, no network.

Time runs from left to right, in order but not to scale; every process has a lane, every operation
a bar from its call to its return.  Operations that contradict each other stand out; those who wrote
the values in question are marked; what overlaps them is shown faintly.  Of a history that is right
the numbered points show one order that explains it.  Colours follow the reader's dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from comitia.history.operation import Operation
from comitia.history.verdict import Contradiction, Part, Verdict

_MOST = 60
"""Operations shown at most."""
_LANE, _BAR, _GAP, _LETTER, _LEFT, _TOP = 34, 22, 16, 7, 84, 34

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --page: #fff; --faint: #6b7280; --lane: #e5e7eb;
  --bar: #e5e7eb; --bad: #d55e00; --bad-ink: #fff; --by: #f0e442; --by-ink: #1c1e21;
  --ok: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --page: #16181c; --faint: #9aa0a6;
  --lane: #2c2f36; --bar: #3a3f48; --bad: #e8762c; --bad-ink: #16181c; --ok: #56b4e9; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; color: var(--ink);
  background: var(--page); }
h1 { font-size: 1.25rem; margin: 0 0 .3rem; } ul { padding-left: 1.2rem; max-width: 70rem; }
.scroll { overflow-x: auto; border: 1px solid var(--lane); border-radius: 6px; margin: 1rem 0; }
svg { display: block; } svg text { font: 12px ui-monospace, monospace; fill: var(--ink); }
.lane { stroke: var(--lane); } .who { fill: var(--faint); }
.op rect { fill: var(--bar); } .op.bad rect { fill: var(--bad); } .op.by rect { fill: var(--by); }
.op.bad text { fill: var(--bad-ink); } .op.by text { fill: var(--by-ink); }
.op:hover rect, .op:focus rect { stroke: var(--ink); stroke-width: 2; } .op:focus { outline: none; }
.edge { stroke: var(--bad); stroke-dasharray: 3 3; opacity: .6; }
.point { fill: var(--ok); } svg .number { fill: var(--page); font-size: 9px; }
#detail { min-height: 4.5em; white-space: pre-line; font: 13px ui-monospace, monospace;
  padding: .6rem .8rem; border-left: 3px solid var(--bad); background: var(--lane); }
.key span { display: inline-block; padding: 0 .5em; border-radius: 3px; margin-right: .7em; }
"""

_SCRIPT = """
const detail = document.getElementById("detail");
for (const op of document.querySelectorAll(".op")) {
  const show = () => { detail.textContent = op.dataset.detail; };
  op.addEventListener("mouseenter", show);
  op.addEventListener("focus", show);
}
"""


def page(verdict: Verdict, title: str = "") -> str:
    """Return the page."""
    head = escape(title or f"history of a {verdict.model}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{head}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n{_body(verdict, head)}\n"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _body(verdict: Verdict, head: str) -> str:
    part = verdict.broken
    if part is not None and part.contradiction is not None:
        return _broken(verdict, part.contradiction, head)
    shown = max(verdict.parts, key=lambda p: len(p.order), default=None)
    lines = [f"<h1>{head}: {_claim(verdict)}</h1>"]
    if shown is not None and shown.order:
        lines.append(_explained(shown))
    return "\n".join(lines)


def _claim(verdict: Verdict) -> str:
    return escape(str(verdict).splitlines()[0])


def _broken(verdict: Verdict, found: Contradiction, head: str) -> str:
    core = found.operations
    chosen = dict.fromkeys((*core, *found.context))
    last = found.window[1]
    for operation in sorted(verdict.history, key=lambda o: abs(last - o.call)):
        if len(chosen) >= min(_MOST, 6 + 2 * len(core)):
            break
        if operation.key == found.key and any(_overlap(operation, o) for o in core):
            chosen[operation] = None
    bad, by = set(core), set(found.context)
    marks = {o: "bad" if o in bad else "by" if o in by else "" for o in chosen}
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in found.why.split("; "))
    count = len(core)
    return (
        f"<h1>{head}: {_claim(verdict)}</h1>\n"
        f"<p>{'This operation' if count == 1 else f'These {count} operations'} cannot "
        f"{'be' if count == 1 else 'all be'} true, whatever the others did:</p>\n"
        f"<ul>{reasons}</ul>\n"
        '<p class="key"><span style="background:var(--bad);color:var(--bad-ink)">contradict each '
        'other</span><span style="background:var(--by);color:var(--by-ink)">wrote the values '
        'in question</span><span style="background:var(--bar)">overlap them</span></p>\n'
        f"{_drawing(list(chosen), marks, {})}"
    )


def _overlap(one: Operation, two: Operation) -> bool:
    return (two.end is None or one.call <= two.end) and (one.end is None or two.call <= one.end)


def _explained(part: Part) -> str:
    order = part.order[:_MOST]
    numbers = {operation: n for n, operation in enumerate(order, 1)}
    where = "" if part.key is None else f" of key {escape(str(part.key))}"
    more = "" if len(order) == len(part.order) else f", the first {len(order)} of {len(part.order)}"
    return (
        f"<p>One order that explains every answer{where}{more}: the numbered points.</p>\n"
        f"{_drawing(order, dict.fromkeys(order, ''), numbers)}"
    )


def _drawing(
    operations: Sequence[Operation], marks: dict[Operation, str], numbers: dict[Operation, int]
) -> str:
    starts, ends, width = _layout(operations)
    names = sorted({o.process for o in operations}, key=lambda p: (str(type(p)), p))
    lanes = {process: _TOP + n * _LANE for n, process in enumerate(names)}
    height = _TOP + len(lanes) * _LANE + 8
    parts = [
        f'<div class="scroll"><svg width="{width}" height="{height}" role="img" '
        f'aria-label="{len(operations)} operations over time">',
        f'<text class="who" x="{_LEFT}" y="16">time, in order but not to scale →</text>',
    ]
    for process, y in lanes.items():
        middle = y + _BAR / 2
        parts.append(f'<line class="lane" x1="{_LEFT}" x2="{width}" y1="{middle}" y2="{middle}"/>')
        parts.append(f'<text class="who" x="8" y="{middle + 4}">{escape(str(process))[:10]}</text>')
    for o in operations:
        if marks[o] == "bad":
            for x in (starts[o], ends[o]) if o.end is not None else (starts[o],):
                parts.append(f'<line class="edge" x1="{x}" x2="{x}" y1="24" y2="{height}"/>')
    for o in sorted(operations, key=lambda o: o.call):
        parts.append(_bar(o, marks[o], starts[o], ends[o], lanes[o.process]))
    moment = 0.0
    for o, number in numbers.items():
        moment = min(max(moment + 2, starts[o] + 8), ends[o])
        y = lanes[o.process] + _BAR
        parts.append(f'<circle class="point" cx="{moment:.0f}" cy="{y}" r="8"/>')
        at = f'x="{moment:.0f}" y="{y + 3}"'
        parts.append(f'<text class="number" text-anchor="middle" {at}>{number}</text>')
    parts.append(
        '</svg></div>\n<div id="detail">Point at an operation, or reach it with Tab.</div>'
    )
    return "\n".join(parts)


def _layout(
    operations: Sequence[Operation],
) -> tuple[dict[Operation, int], dict[Operation, int], int]:
    """Return where each bar begins and ends: in order, and wide enough for its words."""
    moments: list[tuple[int, int, int]] = []
    for n, o in enumerate(operations):
        moments.append((o.call, 0, n))
        if o.end is not None:
            moments.append((o.end, 1, n))
    starts: dict[Operation, int] = {}
    ends: dict[Operation, int] = {}
    x = _LEFT
    for _, is_end, n in sorted(moments):
        o = operations[n]
        x += _GAP
        if is_end:
            x = ends[o] = max(x, starts[o] + _words_width(o))
        else:
            starts[o] = x
    width = x + 2 * _GAP
    for o in operations:
        if o.end is None:
            width = max(width, starts[o] + _words_width(o) + _GAP)
    for o in operations:
        ends.setdefault(o, width)
    return starts, ends, width


def _words_width(o: Operation) -> int:
    return len(_words(o)) * _LETTER + 14


def _words(o: Operation) -> str:
    words = str(o) if o.end is not None else f"{o} …"
    return words if len(words) <= 44 else f"{words[:20]}…{words[-20:]}"


def _bar(o: Operation, mark: str, x: int, end: int, y: int) -> str:
    detail = escape(_detail(o), quote=True)
    fade = ' opacity=".65"' if o.end is None else ""
    return (
        f'<g class="op {mark}" tabindex="0" data-detail="{detail}" aria-label="{detail}">'
        f"<title>{detail}</title>"
        f'<rect x="{x}" y="{y}" width="{end - x}" height="{_BAR}" rx="4"{fade}/>'
        f'<text x="{x + 7}" y="{y + 15}">{escape(_words(o))}</text></g>'
    )


def _detail(o: Operation) -> str:
    lines = [f"{o}", f"process {o.process}"]
    if o.value is not None:
        lines.append(f"argument {_full(o.value)}")
    if o.end is None:
        lines.append(f"called at {_time(o.call, o.call_ns)}, never returned: outcome unknown")
    else:
        lines.append(f"answered {_full(o.output)}")
        lines.append(f"from {_time(o.call, o.call_ns)} to {_time(o.end, o.end_ns)}")
    return "\n".join(lines)


def _full(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _time(position: int, ns: int | None) -> str:
    return f"#{position}" if ns is None else f"{ns / 1e9:.6f} s (#{position})"
