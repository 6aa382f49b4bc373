"""Numbers for Prometheus, read from a host when they are asked for: nothing is counted twice.

Beside Comitia's own names stand those of etcd that mean the same, so that existing dashboards work.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from comitia.net.durations import BOUNDS_S, Durations
from comitia.net.host import Host

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        host = self._host
        view, storage, links, snapshots = host.view, host.storage, host.links, host.compaction
        led = float(view.leader is not None)
        leads = float(view.leader == host.id)
        for name, text, value in (
            ("comitia_has_leader", "Whether a leader is known", led),
            ("comitia_is_leader", "Whether this node leads", leads),
            ("comitia_epoch", "Term, view or epoch", view.epoch),
            ("comitia_last_slot", "Last slot in the log", view.last),
            ("comitia_committed_slot", "Last slot known to be decided", view.committed),
            ("comitia_applied_slot", "Last slot applied", host.applied),
            (
                "comitia_snapshot_slot",
                "Slot of the snapshot the log starts from",
                host.snapshot_slot,
            ),
            (
                "comitia_snapshot_running",
                "A snapshot is being taken",
                float(host.compaction.running),
            ),
            ("comitia_disk_full", "Whether the disk refuses writes", float(bool(storage.full))),
            ("comitia_disk_low", "Whether there is room for no more log", float(bool(storage.low))),
            ("comitia_wal_used_bytes", "Size of the write-ahead log", storage.wal.used_bytes),
            ("comitia_sync_in_thread", "Whether a thread does the syncs", float(storage.slow)),
            ("comitia_peers_connected", "Peers that can be sent to", len(links.connected)),
            ("etcd_server_has_leader", "As comitia_has_leader", led),
            ("etcd_server_is_leader", "As comitia_is_leader", leads),
        ):
            yield GaugeMetricFamily(name, text, value)
        for name, text, value in (
            ("comitia_turns", "Turns of the event loop with input", host.turns),
            ("comitia_leader_changes", "Leaders seen", host.leader_changes),
            ("comitia_messages_shed", "Messages dropped while the disk was full", host.shed),
            ("comitia_snapshots_taken", "Snapshots taken", snapshots.taken),
            ("comitia_wal_written_bytes", "Bytes written to the log", storage.written_bytes),
            ("comitia_link_sent_frames", "Messages sent to peers", links.sent_frames),
            ("comitia_link_sent_bytes", "Payload sent to peers", links.sent_bytes),
            ("comitia_link_received_bytes", "Payload received from peers", links.received_bytes),
            ("comitia_link_bad_bytes", "Connections closed for what came in", links.bad_bytes),
            ("etcd_server_leader_changes_seen", "As comitia_leader_changes", host.leader_changes),
            ("etcd_server_proposals_committed", "As comitia_committed_slot", view.committed),
            ("etcd_server_proposals_applied", "As comitia_applied_slot", host.applied),
        ):
            yield CounterMetricFamily(name, text, value)
        yield from self._by_peer()
        for name in ("comitia_wal_sync_duration_seconds", "etcd_disk_wal_fsync_duration_seconds"):
            yield histogram(name, "Time to make a record durable", storage.syncs)

    def _by_peer(self) -> Iterator[Metric]:
        links = self._host.links
        rtt = GaugeMetricFamily("comitia_peer_rtt_seconds", "Round trip", labels=["peer"])
        for peer, rtt_ms in links.rtt_ms.items():
            rtt.add_metric([f"n{peer}"], rtt_ms / 1000)
        yield rtt
        dropped = CounterMetricFamily("comitia_peer_dropped", "Frames dropped", labels=["peer"])
        for peer, count in links.dropped.items():
            dropped.add_metric([f"n{peer}"], count)
        yield dropped


def histogram(name: str, text: str, durations: Durations) -> Metric:
    """Return `durations` as a histogram."""
    family = HistogramMetricFamily(name, text)
    total, buckets = 0, []
    for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], durations.buckets, strict=True):
        total += count
        buckets.append((bound, float(total)))
    family.add_metric([], buckets, durations.total_s)
    return family
