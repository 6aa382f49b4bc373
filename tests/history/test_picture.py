"""The picture: one file, nothing from elsewhere, readable by people and machines."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from comitia.history import Operation, Queue, Register, Verdict, check
from comitia.history.picture import page

from .generate import history

STALE = [
    Operation(1, "write", 1, None, 0, 3, None, 0, 1_500_000_000),
    Operation(2, "write", 2, None, 4, 6),
    Operation(3, "read", None, 1, 8, 9),
    Operation(4, "write", "<script>alert(1)</script>", "?", 5, None),
    Operation(4, "read", None, 2, 6, 7),
]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.bars: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        if tag == "g":
            self.bars.append(named)
        self.links.extend(v for k, v in attrs if k in ("src", "href") and v)


def stale() -> Verdict:
    verdict = check(STALE, Register())
    assert verdict.ok is False
    return verdict


def test_the_contradiction_stands_out_and_is_told_in_words() -> None:
    text = page(stale(), "run.jsonl")
    bars = Page(text).bars
    bad = [bar["data-detail"] for bar in bars if "bad" in (bar["class"] or "")]
    assert len(bad) == 3
    assert any("read() -&gt; 1" in (d or "") or "read() -> 1" in (d or "") for d in bad)
    assert "run.jsonl: not linearizable" in text
    assert "returned before" in text
    assert "1.500000 s" in text


def test_a_history_that_is_right_shows_the_order_that_explains_it() -> None:
    verdict = check(history(3, "queue", unique=True, length=9), Queue())
    text = page(verdict)
    assert text.count('class="point"') == len(verdict.parts[0].order)
    assert "One order that explains every answer" in text


def test_the_page_loads_nothing_and_runs_nothing_from_the_history() -> None:
    text = page(stale())
    parsed = Page(text)
    assert parsed.links == []
    assert parsed.tags.count("script") == 1
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "<iframe" in stale()._repr_html_()


@pytest.mark.peer("chromium")
def test_a_browser_draws_it_in_the_light_and_in_the_dark(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "picture.html"
    file.write_text(page(stale(), "run.jsonl"))
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        backgrounds = []
        for scheme in ("light", "dark"):
            tab = browser.new_page(color_scheme=scheme, viewport={"width": 900, "height": 600})
            asked: list[str] = []
            errors: list[str] = []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            tab.goto(file.as_uri())
            bars = tab.locator(".op.bad")
            assert bars.count() == 3
            boxes = [bars.nth(n).bounding_box() for n in range(3)]
            lefts = [box["x"] for box in boxes if box is not None]
            assert lefts == sorted(lefts), "time runs from left to right"
            bars.nth(2).hover()
            assert "read() -> 1" in tab.locator("#detail").inner_text()
            backgrounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert asked == [file.as_uri()]
            assert errors == []
        assert backgrounds[0] != backgrounds[1]
        browser.close()
