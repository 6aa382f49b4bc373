"""House style, enforced: sizes, names, words and citations.  Ratchet, never relax."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PYTHON = SOURCES + sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "benchmarks").rglob("*"))
PYTHON = [path for path in PYTHON if path.suffix == ".py"]
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_source_file_is_one_idea_of_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_function_is_at_most_70_lines(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 70, f"{node.name}, line {node.lineno}: {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_has_a_telling_name_and_says_what_it_is(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), "no docstring at the head"


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_nothing_is_left_unfinished_or_swallowed(path: Path) -> None:
    text = path.read_text()
    if path != Path(__file__):
        assert not UNFINISHED.search(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not silent, f"line {node.lineno}: an error swallowed without a word"


@pytest.mark.parametrize(
    "folder",
    [p for p in sorted((ROOT / "src/comitia/protocols").iterdir()) if (p / "__init__.py").exists()],
    ids=lambda p: p.name,
)
def test_a_protocol_cites_its_paper_and_says_what_it_leaves_out(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    assert re.search(r"\b(19|20)\d\d\b", text), "no year: cite author, title, year"
    assert "**Left out**" in text
    assert "**Differs**" in text
    assert (folder / "messages.py").exists()
    assert (folder / "promises.py").exists()


def test_english_and_chinese_pages_are_paired_heading_by_heading() -> None:
    for english in [ROOT / "README.md"]:
        chinese = english.with_suffix(".zh-CN.md")
        levels = [
            [line.split(" ")[0] for line in page.read_text().splitlines() if line.startswith("#")]
            for page in (english, chinese)
        ]
        assert levels[0] == levels[1]
        commands = [re.findall(r"```sh\n(.*?)```", p.read_text(), re.S) for p in (english, chinese)]
        assert commands[0] == commands[1]


def test_test_modules_have_different_names() -> None:
    alone = [
        p for p in (ROOT / "tests").rglob("test_*.py") if not (p.parent / "__init__.py").exists()
    ]
    names = [path.name for path in alone]
    assert sorted(names) == sorted(set(names)), (
        "outside packages pytest imports a test by its file name alone"
    )
