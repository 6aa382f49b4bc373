"""What a node says of itself to people and to the `comitia` command, as one record."""

from __future__ import annotations

import msgspec

from comitia import __version__
from comitia.kernel import Replica
from comitia.net.host import Host


class Peer(msgspec.Struct, kw_only=True):
    """Another node, as this one sees it."""

    node: int
    address: str
    http: str | None
    connected: bool
    rtt_ms: float | None
    refused: str | None
    """Why it refused this node's greeting."""
    dropped: int


class Status(msgspec.Struct, kw_only=True):
    """A node at one moment."""

    cluster: str
    node: int
    protocol: str
    version: str
    role: str
    epoch: int
    led: bool
    """Whether members follow a leader; without one every member serves by itself."""
    leader: int | None
    last: int
    committed: int
    applied: int
    snapshot: int
    voters: tuple[int, ...]
    learners: tuple[int, ...]
    facts: dict[str, str]
    doors: dict[str, str]
    """Where clients are served: the door's name and its address."""
    peers: list[Peer]
    sync_p50_ms: float | None
    sync_p99_ms: float | None
    disk: str | None
    """Why the disk takes no writes, or soon will not."""
    log_bytes: int
    now_ms: int
    """The node's wall clock."""


def status(host: Host, doors: dict[str, str]) -> Status:
    """Return what `host` is now."""
    view, links, storage = host.view, host.links, host.storage
    connected = set(links.connected)
    return Status(
        cluster=links.identity.cluster,
        node=host.id,
        protocol=host.protocol.name,
        version=__version__,
        role=view.role,
        epoch=view.epoch,
        led=isinstance(host.node, Replica),
        leader=view.leader,
        last=view.last,
        committed=view.committed,
        applied=host.applied,
        snapshot=host.snapshot_slot,
        voters=view.voters,
        learners=view.learners,
        facts=dict(view.facts),
        doors=doors,
        peers=[
            Peer(
                node=place.id,
                address=str(place.peer),
                http=None if place.http is None else str(place.http),
                connected=place.id in connected,
                rtt_ms=links.rtt_ms.get(place.id),
                refused=links.refusals.get(place.id),
                dropped=links.dropped[place.id],
            )
            for place in links.book.places
            if place.id != host.id and not place.gone
        ],
        sync_p50_ms=storage.syncs.percentile_ms(50),
        sync_p99_ms=storage.syncs.percentile_ms(99),
        disk=storage.full or storage.low,
        log_bytes=storage.wal.used_bytes,
        now_ms=host.now_ms(),
    )


def unready(host: Host) -> list[str]:
    """Return why clients should not be sent here now; nothing when they may."""
    reasons = []
    if host.failure.done():
        reasons.append("the node has stopped")
    if host.view.leader is None and isinstance(host.node, Replica):
        reasons.append("no leader is known")
    if host.storage.full is not None:
        reasons.append(f"the disk is full: {host.storage.full}")
    return reasons
