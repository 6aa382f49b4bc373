"""Real processes whose links are cut, one way or both, so that two of three nodes stay in touch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cut_links import Relay
from processes import Cluster, serving
from replicated_logs import every_log
from test_linearizable import Clients


class Links:
    """A relay in a thread of its own, between the nodes of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._relay = Relay(cluster.peer)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._relay.start(), self._loop).result(10)
        cluster.meet_through(self._relay.ports)

    def _do(self, act: Callable[..., None], *arguments: int) -> None:
        self._loop.call_soon_threadsafe(act, *arguments)

    def cut(self, src: int, dst: int) -> None:
        """Nothing that `src` says reaches `dst` any more."""
        self._do(self._relay.cut_way, src, dst)

    def mend(self) -> None:
        """Every link works again, and what was held back arrives."""
        self._do(self._relay.mend)

    def close(self) -> None:
        """Break every connection."""
        asyncio.run_coroutine_threadsafe(self._relay.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def relayed(
    directory: Path, protocol: str, reads: str = "lease"
) -> Iterator[tuple[Cluster, Links]]:
    """A cluster that serves, and the links between its nodes."""
    cluster = Cluster(directory, reads=reads, protocol=protocol)
    links = Links(cluster)
    try:
        with serving(cluster):
            yield cluster, links
    finally:
        links.close()


CUTS: tuple[tuple[str, ...], ...] = (
    ("leader a", "leader b", "a leader", "b leader"),
    ("leader a", "leader b"),
    ("a leader", "b leader"),
    ("leader a", "a leader"),
)
"""Which ways are cut, between the leader and the two others; two nodes stay in touch each time."""


def cut(cluster: Cluster, links: Links, ways: tuple[str, ...]) -> None:
    """Cut these ways, as seen from whoever leads now."""
    cluster.settle()
    leader = cluster.leader()
    a, b = (id for id in cluster.ids if id != leader)
    named = {"leader": leader, "a": a, "b": b}
    for way in ways:
        src, dst = way.split()
        links.cut(named[src], named[dst])


@pytest.mark.slow
@every_log
def test_two_nodes_in_touch_serve_linearizably_whatever_links_are_cut(
    tmp_path: Path, protocol: str
) -> None:
    with relayed(tmp_path, protocol) as (cluster, links), Clients(cluster) as clients:
        for ways in CUTS:
            cut(cluster, links, ways)
            clients.more()
            links.mend()
        cluster.settle()
    verdict = clients.verdict()
    assert verdict, str(verdict)


@pytest.mark.slow
def test_reads_that_ask_nobody_are_caught_by_the_same_cut(tmp_path: Path) -> None:
    """The control: who is cut off and does not ask shows what was."""
    with relayed(tmp_path, "raft", "stale") as (cluster, links), Clients(cluster) as clients:
        cut(cluster, links, CUTS[0])
        deadline_s = time.monotonic() + 60
        # Who asks the leader that is cut off may write first, and wait: others come after them.
        while clients.verdict() and time.monotonic() < deadline_s:
            clients.more()
    assert not clients.verdict()
