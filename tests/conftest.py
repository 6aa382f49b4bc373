"""Tests that need a program of the operating system name it: `@pytest.mark.peer("redis-server")`.

Where the program is missing such a test is skipped with the reason; with COMITIA_REQUIRE_PEERS set
(as in CI, which installs them all) it fails instead.
"""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

# A busy machine is no finding.  CI judges a change, so it tries the same examples each time.
settings.register_profile("comitia", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("comitia")

pytest_plugins = ["comitia.testing", "pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate", action="store_true", help="write scenarios and diagrams down as they go now"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("peer"):
        for program in mark.args:
            if shutil.which(program) is None:
                reason = f"needs {program}, which is not installed"
                if os.environ.get("COMITIA_REQUIRE_PEERS"):
                    pytest.fail(reason)
                pytest.skip(reason)
