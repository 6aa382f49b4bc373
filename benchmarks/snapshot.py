"""Does a snapshot of many keys stop the service?  Latencies with and without one under way.

    python benchmarks/snapshot.py [--keys 1000000]

Fills three nodes, then keeps a pipelined load on the leader while one more client asks for one
SET and one GET at a time; every answer is put down to a moment with or without a snapshot.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from cluster import Peers

BATCH = 500


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def fill(port: int, keys: int) -> None:
    """Set so many keys, with values of 64 bytes."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for first in range(0, keys, BATCH):
            some = range(first, min(first + BATCH, keys))
            words = [w for k in some for w in (b"key:%012d" % k, b"%064d" % k)]
            sock.sendall(command(b"MSET", *words))
            answer = sock.recv(100)
            assert answer == b"+OK\r\n", answer


class Snapshots:
    """Knows when a node takes a snapshot, by asking it often."""

    def __init__(self, http: int) -> None:
        self._url, self.running, self.seen = f"http://127.0.0.1:{http}/metrics", False, 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            try:
                text = urllib.request.urlopen(self._url).read().decode()
            except OSError:
                return  # the node was stopped
            lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
            self.running = lines["comitia_snapshot_running"] == "1.0"
            self.seen = float(lines["comitia_snapshots_taken_total"])
            time.sleep(0.05)


def probe(port: int, snapshots: Snapshots, wanted: int, within_s: float) -> dict[bool, list[float]]:
    """Return the latencies in ms, with and without a snapshot under way."""
    found: dict[bool, list[float]] = {False: [], True: []}
    deadline_s, enough = time.monotonic() + within_s, snapshots.seen + wanted
    requests = (command(b"SET", b"probe", b"x"), command(b"GET", b"probe"))
    with socket.create_connection(("127.0.0.1", port)) as sock:
        while snapshots.seen < enough and time.monotonic() < deadline_s:
            for request in requests:
                running, began_s = snapshots.running, time.perf_counter()
                sock.sendall(request)
                sock.recv(100)
                found[running or snapshots.running].append((time.perf_counter() - began_s) * 1000)
    return found


def main() -> None:
    """Print percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--snapshots", type=int, default=3)
    parser.add_argument("--within", type=float, default=120, help="seconds")
    parser.add_argument("--port", type=int, default=23100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        peers = Peers(Path(directory).resolve(), arguments.port)
        try:
            port = peers.comitia()
            fill(port, arguments.keys)
            load = subprocess.Popen(
                f"redis-benchmark -p {port} -c 16 -P 16 -n 100000000 -t set -d 200 -q "
                f"-r {arguments.keys}".split(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            snapshots = Snapshots(port + 20)
            found = probe(port, snapshots, arguments.snapshots, arguments.within)
            load.kill()
        finally:
            peers.stop()
    for running, latencies in found.items():
        ordered = sorted(latencies) or [0.0]
        values = {
            f"p{p}": ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]
            for p in (50, 99, 99.9)
        }
        values["longest"] = ordered[-1]
        text = "   ".join(f"{name} {value:7.2f} ms" for name, value in values.items())
        print(
            f"{'with a snapshot' if running else 'without':16} {len(latencies):7} answers   {text}"
        )


if __name__ == "__main__":
    main()
