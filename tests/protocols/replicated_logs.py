"""The protocols whose members replicate a log: what is promised of one is tested on all of them."""

from __future__ import annotations

import pytest

from comitia.serve.fronts import REGISTERS, served

LOGS = tuple(name for name in served() if name not in REGISTERS)
"""Found by what a protocol makes (`comitia.kernel.Replica`), so a new one is tested at once."""

every_log = pytest.mark.parametrize("protocol", LOGS)
on_a_cluster_of_every_log = pytest.mark.parametrize(
    "protocol", [pytest.param(name, marks=pytest.mark.cluster(protocol=name)) for name in LOGS]
)


def rounds(protocol: str, many: int, few: int) -> int:
    """Raft is disturbed often, every other log a few times: time is short.  See `campaign`."""
    return many if protocol == "raft" else few
