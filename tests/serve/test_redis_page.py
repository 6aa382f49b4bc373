"""docs/redis.md names the commands there are, in the words of their declarations."""

from __future__ import annotations

import re
from pathlib import Path

from comitia.serve.redis.door import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


def test_the_page_lists_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `([A-Z][A-Z0-9 -]*)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    declared = set()
    for command in TABLE:
        subcommands = list(command.subcommands.values())
        if not subcommands or command.name == "COMMAND":
            declared.add((command.name, command.summary))
        declared |= {(sub.name.replace("|", " "), sub.summary) for sub in subcommands}
    assert set(listed) == declared
    assert len(listed) == len(declared)
