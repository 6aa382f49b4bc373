"""A host runs a node by both laws, and a cluster of hosts keeps what it acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path

from net_cluster import Cluster, eventually


def test_three_hosts_elect_replicate_and_find_their_data_again(tmp_path: Path) -> None:
    values = [b"%d" % number for number in range(20)]

    async def life(expected: list[bytes], new: list[bytes]) -> None:
        cluster = Cluster(tmp_path)
        await cluster.start_all()
        await cluster.leader()
        await eventually(
            lambda: all(cluster.ledger(id).values == expected for id in cluster.voters)
        )
        await cluster.propose(new)
        await cluster.stop_all()

    asyncio.run(life([], values[:10]))
    asyncio.run(life(values[:10], values[10:]))
    asyncio.run(life(values, []))
