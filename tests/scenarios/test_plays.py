"""Every scenario goes as it is written down: see `stage.py` for how to read and write one.

Those in `every_log/` are directions only, and every replicated log performs them.  After a change
that is meant:

    pytest tests/scenarios --regenerate
"""

from __future__ import annotations

from pathlib import Path

import pytest
from replicated_logs import LOGS
from stage import perform

HERE = Path(__file__).parent
COMMON = {path.name: path.read_text() for path in sorted((HERE / "every_log").glob("*.txt"))}
PLAYS = [
    (protocol, name)
    for protocol in LOGS
    for name in sorted({*COMMON, *(path.name for path in (HERE / protocol).glob("*.txt"))})
]


@pytest.mark.parametrize(("protocol", "name"), PLAYS)
def test_a_scenario_goes_as_it_is_written_down(
    protocol: str, name: str, request: pytest.FixtureRequest
) -> None:
    path = HERE / protocol / name
    written = path.read_text() if path.exists() else ""
    played = perform(protocol, COMMON.get(name, written))
    if request.config.getoption("--regenerate"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(played)
    else:
        assert played == written, "is it meant?  pytest tests/scenarios --regenerate"
