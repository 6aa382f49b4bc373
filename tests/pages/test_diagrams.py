"""The diagrams of the pages are what runs of the real classes give.

A page says `<!-- a run: NAME -->` before a diagram.  After a change of a protocol:

    pytest tests/pages --regenerate
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from comitia import protocols
from pages.plots import PAGES
from pages.stage import Stage

DOCS = Path(__file__).parents[2] / "docs"
PLOTS = [(page, plot) for page, plots in PAGES.items() for plot in plots]


@pytest.mark.parametrize(("page", "plot"), PLOTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_diagram_is_what_the_run_gives(
    page: str, plot: Callable[[], Stage], request: pytest.FixtureRequest
) -> None:
    diagram = f"```mermaid\n{plot().diagram(page)}\n```\n"
    path = DOCS / f"{page}.md"
    text = path.read_text()
    drawn = re.compile(rf"(<!-- a run: {plot.__name__} -->\n)(```mermaid\n.*?```\n)?", re.S)
    found = drawn.search(text)
    assert found is not None, f"{path.name} does not say where {plot.__name__} is to be shown"
    if request.config.getoption("--regenerate"):
        path.write_text(text[: found.start()] + found[1] + diagram + text[found.end() :])
    else:
        assert found[2] == diagram, "is it meant?  pytest tests/pages --regenerate"


def test_every_diagram_on_a_page_has_its_run() -> None:
    for page in sorted(DOCS.glob("*.md")):
        named = re.findall(r"<!-- a run: (\w+) -->", page.read_text())
        assert named == [plot.__name__ for plot in PAGES.get(page.stem, ())], page.name


def test_every_protocol_with_a_page_shows_a_run() -> None:
    later = {"zab", "pbft"}
    for name in protocols.names():
        assert name in PAGES or name in later or not (DOCS / f"{name}.md").exists(), name
