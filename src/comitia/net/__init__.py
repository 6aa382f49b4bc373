"""For real: host, links, write-ahead log, snapshots, membership, metrics."""
