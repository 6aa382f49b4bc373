"""Three Comitia nodes beside Debian's redis-server and a three-node etcd, in one run: the ratios.

    python benchmarks/cluster.py [--rounds 6] [--quick]

Everything runs on this machine and shares its processors and its disk, one system at a time under
load.  Rounds alternate, every second one backwards: a figure is the median of its rounds, a ratio
the median of the ratios of the rounds, so that a machine whose speed drifts hurts nobody more.
Trust the ratios, not the figures.

The nodes run on the Python that runs this script.  To compare like with like, take one that is
built with as much care as Debian builds the others: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median

from etcd_load import put

ROOT = Path(__file__).parents[1]
CLIENTS = 64
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src")}


class Result:
    """Requests a second and latencies in ms."""

    def __init__(self, rate: float, p50_ms: float, p99_ms: float) -> None:
        self.rate, self.p50_ms, self.p99_ms = rate, p50_ms, p99_ms

    def __str__(self) -> str:
        return f"{self.rate:10,.0f}/s   p50 {self.p50_ms:7.2f} ms   p99 {self.p99_ms:7.2f} ms"


def redis_benchmark(port: int, test: str, count: int, pipeline: int = 1) -> Result:
    """Run Debian's redis-benchmark once."""
    command = f"redis-benchmark -p {port} -c {CLIENTS} -n {count} -P {pipeline} -t {test}"
    output = subprocess.run(
        [*command.split(), "-r", "100000", "--csv"], capture_output=True, text=True, check=True
    ).stdout
    rows = list(csv.reader(io.StringIO(output)))
    row = dict(zip(rows[-2], rows[-1], strict=True))
    return Result(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))


def middle(results: list[Result]) -> Result:
    """Return the median of each figure."""
    return Result(
        median(each.rate for each in results),
        median(each.p50_ms for each in results),
        median(each.p99_ms for each in results),
    )


class Peers:
    """The systems under test, as processes."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory, self._port = directory, port
        self._processes: list[subprocess.Popen[bytes]] = []

    def _start(self, name: str, command: list[str]) -> None:
        directory = self._directory / name
        directory.mkdir()
        with (directory / "output").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=directory,
                    stdout=output,
                    stderr=output,
                    env=ENVIRONMENT,
                )
            )

    def comitia(self) -> int:
        """Start three nodes; return the leader's Redis port."""
        port = self._port
        members = ",".join(f"{id}=127.0.0.1:{port + 10 + id}" for id in (1, 2, 3))
        for id in (1, 2, 3):
            flags = f"--node {id} --members {members} --data data --log-level warning"
            for name, offset in (("redis", 0), ("peer", 10), ("http", 20)):
                flags += f" --{name} 127.0.0.1:{port + offset + id}"
            self._start(f"n{id}", [sys.executable, "-m", "comitia", "serve", *flags.split()])
        status = [sys.executable, "-m", "comitia", "leader", "show"]
        for _ in range(100):
            time.sleep(0.1)
            found = subprocess.run(
                [*status, "--node", f"127.0.0.1:{port + 21}"],
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
            )
            if found.returncode == 0:
                return port + int(found.stdout.strip().removeprefix("n"))
        raise SystemExit(f"no leader: {found.stderr}")

    def redis(self, fsync: bool) -> int:
        """Start one redis-server; return its port."""
        port = self._port + (31 if fsync else 32)
        command = ["redis-server", "--port", str(port), "--save", ""]
        if fsync:
            command += ["--appendonly", "yes", "--appendfsync", "always"]
        self._start(f"redis-{fsync}", command)
        return port

    def etcd(self) -> int:
        """Start three nodes; return the leader's client port."""
        port = self._port
        peers = ",".join(f"e{id}=http://127.0.0.1:{port + 40 + id}" for id in (1, 2, 3))
        for id in (1, 2, 3):
            client, peer = (f"http://127.0.0.1:{port + offset + id}" for offset in (50, 40))
            flags = f"--name e{id} --data-dir data --initial-cluster {peers}"
            flags += f" --listen-client-urls {client} --advertise-client-urls {client}"
            flags += f" --listen-peer-urls {peer} --initial-advertise-peer-urls {peer}"
            self._start(f"e{id}", ["etcd", *flags.split()])
        for _ in range(100):
            time.sleep(0.1)
            for id in (1, 2, 3):
                try:
                    url = f"http://127.0.0.1:{port + 50 + id}/metrics"
                    text = urllib.request.urlopen(url, timeout=1).read()
                except OSError:
                    continue
                if b"etcd_server_is_leader 1" in text:
                    return port + 50 + id
        raise SystemExit("etcd elected no leader")

    def stop(self) -> None:
        """End every process."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(peers: Peers, scale: float, rounds: int) -> dict[str, list[Result]]:
    """Load every system in turn, `rounds` times."""
    ours, synced, plain = peers.comitia(), peers.redis(True), peers.redis(False)
    some, many = int(40_000 * scale), int(400_000 * scale)
    loads: dict[str, Callable[[], Result]] = {
        "comitia SET": lambda: redis_benchmark(ours, "set", some),
        "redis always SET": lambda: redis_benchmark(synced, "set", some),
        "comitia SET x16": lambda: redis_benchmark(ours, "set", many, 16),
        "redis always SET x16": lambda: redis_benchmark(synced, "set", many, 16),
        "comitia GET": lambda: redis_benchmark(ours, "get", 2 * some),
        "redis GET": lambda: redis_benchmark(plain, "get", 2 * some),
        "comitia GET x16": lambda: redis_benchmark(ours, "get", many, 16),
        "redis GET x16": lambda: redis_benchmark(plain, "get", many, 16),
    }
    if shutil.which("etcd"):
        etcd = peers.etcd()
        loads["etcd put"] = lambda: Result(*put(etcd, CLIENTS, some // 4))
    found: dict[str, list[Result]] = {name: [] for name in loads}
    for round in range(rounds):
        # What comes after a load finds its disk and its caches: in turn each comes after the other.
        for name in loads if round % 2 == 0 else reversed(loads):
            found[name].append(loads[name]())
    return found


def main() -> None:
    """Print every figure, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, one round")
    parser.add_argument("--rounds", type=int, default=6, help="how often each load is run")
    parser.add_argument("--port", type=int, default=23000, help="the first of 60 free ports")
    arguments = parser.parse_args()
    print(f"Comitia runs on Python {platform.python_version()}, {sys.executable}")
    with tempfile.TemporaryDirectory(dir=".") as directory:
        peers = Peers(Path(directory).resolve(), arguments.port)
        try:
            quick = arguments.quick
            found = measure(peers, 0.1 if quick else 1.0, 1 if quick else arguments.rounds)
        finally:
            peers.stop()
    for name, results in found.items():
        print(f"{name:22} {middle(results)}")
    print()
    for name, ours, theirs, bar in (
        ("durable SET / redis always", "comitia SET", "redis always SET", 0.5),
        ("durable SET / etcd put", "comitia SET", "etcd put", 4.0),
        ("durable SET x16 / redis always", "comitia SET x16", "redis always SET x16", 0.0),
        ("leased GET / redis", "comitia GET", "redis GET", 0.9),
        ("leased GET x16 / redis", "comitia GET x16", "redis GET x16", 0.0),
    ):
        if theirs in found:
            pairs = zip(found[ours], found[theirs], strict=True)
            ratios = sorted(our.rate / their.rate for our, their in pairs)
            wanted = f"(want {bar})" if bar else ""
            span = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"{name:32} {median(ratios):6.2f}x  {span}  {wanted}")
    if "etcd put" in found:
        ours_ms, theirs_ms = (middle(found[name]).p99_ms for name in ("comitia SET", "etcd put"))
        print(f"{'p99 of SET, of etcd put':32} {ours_ms:6.2f} ms, {theirs_ms:.2f} ms")


if __name__ == "__main__":
    main()
