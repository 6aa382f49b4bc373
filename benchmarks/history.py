"""How fast histories are judged: recorded ones and generated families.

    python benchmarks/history.py [--histories FOLDER] [--quick]

Times are of the process (`time.process_time`), without reading and parsing.  Each line: operations,
answer, engine, milliseconds, operations a second, and the bar where there is one.
"""

from __future__ import annotations

import argparse
import csv
import gc
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from comitia.history import (
    UNKNOWN,
    Event,
    Model,
    Operation,
    Queue,
    Register,
    Stack,
    Store,
    check,
    isolation,
    operations,
    read,
)

FOLDER = Path(__file__).parents[1] / "../shared/histories"


def clients(count: int, length: int, values: int | None, seed: int = 1) -> list[Operation]:
    """A register served at random moments to clients that are always busy.

    `values` None: every written value is new.  A quarter are writes, a quarter compare-and-sets.
    """
    rng = random.Random(seed)
    state: int | None = None
    fresh = 0
    events: list[Event] = []
    idle, waiting, served = list(range(count)), [], []
    while length or waiting or served:
        step = rng.random()
        if length and idle and step < 0.34:
            length -= 1
            client = idle.pop(rng.randrange(len(idle)))
            fresh += 1
            new = fresh if values is None else rng.randrange(values)
            f = rng.choice(("read", "read", "write", "cas"))
            value = {"read": None, "write": new, "cas": (state, new)}[f]
            events.append(Event("invoke", client, f, value))
            waiting.append((client, f, value))
        elif waiting and step < 0.67:
            client, f, value = waiting.pop(rng.randrange(len(waiting)))
            output = None
            if f == "read":
                output = state
            elif f == "write":
                state = value
            else:
                output = state == value[0]
                state = value[1] if output else state
            served.append((client, f, output))
        elif served:
            client, f, output = served.pop(rng.randrange(len(served)))
            idle.append(client)
            events.append(Event("fail" if output is False else "ok", client, f, output))
    return operations(events)


def with_stale_read(right: list[Operation], values: int) -> list[Operation]:
    """Return `right` with one read, far into it, of a value that nobody wrote for a while."""
    at = next(i for i in range(len(right) * 7 // 10, len(right)) if right[i].f == "read")
    read = right[at]
    written: set[object] = set()
    for i in range(at + 300, 0, -1):
        if right[i].f != "read":
            new = right[i].value if right[i].f == "write" else right[i].value[1]
            if len(written | {new}) == values:
                break
            written.add(new)
    stale = Operation(read.process, "read", None, new, read.call, read.end)
    return [*right[:at], stale, *right[at + 1 :]]


def lost_writes(count: int) -> list[Operation]:
    """Writes of few values that never returned, and reads that see some of them."""
    lost = [Operation(n, "write", n % 6, UNKNOWN, n, None) for n in range(count)]
    reads = [
        Operation(99, "read", None, n * 5 % 6, 1000 + 2 * n, 1001 + 2 * n)
        for n in range(count // 2)
    ]
    return [*lost, *reads]


def container(length: int, stack: bool, seed: int = 1) -> list[Operation]:
    """Twenty clients push and pop distinct items."""
    rng = random.Random(seed)
    items: list[int] = []
    events: list[Event] = []
    busy: dict[int, tuple[str, int | None]] = {}
    for n in range(length):
        client = rng.randrange(20)
        if client in busy:
            f, output = busy.pop(client)
            events.append(Event("ok", client, f, output))
        if rng.random() < 0.5 or not items:
            events.append(Event("invoke", client, "push", n))
            items.append(n)
            busy[client] = "push", None
        else:
            events.append(Event("invoke", client, "pop"))
            busy[client] = "pop", items.pop(-1 if stack else 0)
    events.extend(Event("ok", client, f, output) for client, (f, output) in busy.items())
    return operations(events)


def transactions(count: int) -> list[Event]:
    """Clean transactions of four steps on ten lists at a time, ten clients."""
    rng = random.Random(1)
    lists: dict[str, tuple[int, ...]] = {}
    events: list[Event] = []
    for n in range(count):
        asked, seen = [], []
        for step in range(4):
            key = f"{n // 500}-{rng.randrange(10)}"
            if rng.random() < 0.5:
                lists[key] = (*lists.get(key, ()), n * 4 + step)
                asked.append(("append", key, n * 4 + step))
                seen.append(asked[-1])
            else:
                asked.append(("r", key, None))
                seen.append(("r", key, lists.get(key, ())))
        events.append(Event("invoke", n % 10, "txn", tuple(asked)))
        events.append(Event("ok", n % 10, "txn", tuple(seen)))
    return events


def timed(judge: Callable[[], object]) -> tuple[object, float]:
    """Return the answer and the seconds it took of this process."""
    gc.collect()
    began = time.process_time()
    answer = judge()
    return answer, time.process_time() - began


def families(quick: bool) -> Iterator[tuple[str, list[Operation], Model, float | None]]:
    """Yield (name, history, model, bar in seconds)."""
    size = 10_000 if quick else 100_000
    yield (
        f"{size:,} operations, 50 clients, distinct values",
        clients(50, size, None),
        Register(),
        1,
    )
    for values in (2, 5, 20, 100):
        name = f"{size:,} operations, 50 clients, {values} values"
        right = clients(50, size, values)
        yield name, right, Register(), 20
        if values >= 100:
            yield f"{name}, a stale read", with_stale_read(right, values), Register(), 20
    yield "2,000 operations, 20 clients, 5 values", clients(20, 2_000, 5), Register(), None
    yield "30 writes that never returned", lost_writes(30), Register(), 0.05
    yield "300 writes that never returned", lost_writes(300), Register(), None
    yield f"queue, {size // 5:,} operations", container(size // 5, False), Queue(), None
    yield f"stack, {size // 5:,} operations", container(size // 5, True), Stack(), None


def recorded(folder: Path) -> None:
    """Judge every recorded history; print what is wrong, and the sum."""
    rows = list(csv.DictReader((folder / "verdicts.csv").open()))
    seconds, count, right = 0.0, 0, 0
    for row in rows:
        history = read((folder / row["file"]).read_text())
        model: Model = Store() if row["file"].startswith("kv/") else Register()
        verdict, took = timed(lambda h=history, m=model: check(h, m))
        right += verdict.ok == (row["linearizable"] == "true")  # type: ignore[attr-defined]
        seconds += took
        count += len(history)
    report(f"{len(rows)} recorded histories ({right} judged rightly)", count, "", seconds, 0.1)


def report(name: str, count: int, answer: str, seconds: float, bar: float | None) -> None:
    """Print one line."""
    limit = "" if bar is None else f"  bar {bar * 1e3:,.0f} ms {'✔' if seconds < bar else '✘'}"
    rate = count / max(seconds, 1e-9)
    print(f"{name:48} {answer:12} {seconds * 1e3:10,.1f} ms {rate:12,.0f}/s{limit}", flush=True)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, default=FOLDER)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    options = parser.parse_args()
    if (options.histories / "verdicts.csv").exists():
        recorded(options.histories)
    else:
        print(f"no recorded histories in {options.histories}")
    for name, history, model, bar in families(options.quick):
        end = time.process_time() + 60
        verdict, took = timed(
            lambda h=history, m=model, e=end: check(h, m, expired=lambda: time.process_time() > e)
        )
        answer = f"{verdict.ok} {'+'.join(verdict.engines)}"  # type: ignore[attr-defined]
        report(name, len(history), answer, took, bar)
    noted = transactions(10_000 if options.quick else 100_000)
    verdict, took = timed(lambda: isolation(noted, "strict-serializable"))
    answer = f"{verdict.ok}"  # type: ignore[attr-defined]
    report(
        f"{len(noted) // 2:,} transactions on lists, isolation", len(noted) // 2, answer, took, None
    )


if __name__ == "__main__":
    main()
