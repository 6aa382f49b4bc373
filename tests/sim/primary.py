"""The protocol of the tutorial, and mistakes in it, for tests of the simulator itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from comitia.kernel import Protocol

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial-simulate.md"


def tutorial_code() -> str:
    """Every Python block of the tutorial, one after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.S))


def load() -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "primary"}
    exec(compile(tutorial_code(), str(TUTORIAL), "exec"), scope)
    return scope


_scope = load()
FORGETFUL: Protocol = _scope["PROTOCOL"]
DURABLE: Protocol = _scope["DURABLE"]
Durable: Any = _scope["Durable"]
Append: Any = _scope["Append"]
