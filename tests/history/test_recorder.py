"""The recorder around clients of several kinds: threads, asyncio tasks, redis-py, one's own."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis

from comitia.history import (
    UNKNOWN,
    Event,
    Operation,
    Recorder,
    Register,
    appending,
    check,
    read,
    sessions,
)


def task_name() -> str:
    task = asyncio.current_task()
    assert task is not None
    return task.get_name()


class Slow:
    """A store whose calls take a few turns of the event loop, and take effect in one of them."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    async def put(self, key: str, value: int) -> None:
        await asyncio.sleep(0)
        self.held[key] = value
        await asyncio.sleep(0)

    async def get(self, key: str) -> int | None:
        await asyncio.sleep(0)
        found = self.held.get(key)
        await asyncio.sleep(0)
        return found


def recorded(store: Slow, recorder: Recorder) -> tuple[Callable[..., Awaitable[object]], ...]:
    return (
        recorder.record("write", process=task_name)(store.put),
        recorder.record("read", process=task_name)(store.get),
    )


def overlap(history: list[Operation]) -> bool:
    return any(a.end is None or b.call < a.end for a, b in itertools.pairwise(history))


def test_asyncio_tasks_share_a_recorder_and_an_answer_is_noted_when_it_is_there() -> None:
    recorder, store = Recorder(), Slow()
    put, get = recorded(store, recorder)

    async def client(n: int) -> None:
        for step in range(20):
            await put("x", n * 100 + step)
            assert await get("x") is not None

    async def main() -> None:
        await asyncio.gather(*(client(n) for n in range(5)))

    asyncio.run(main())
    history = recorder.operations()
    assert len(history) == 200
    assert len({o.process for o in history}) == 5
    assert overlap(history), "an operation lasts until it was awaited"
    assert check(history, Register())


def test_a_stale_answer_is_found_among_asyncio_tasks() -> None:
    recorder, store = Recorder(), Slow()
    put, get = recorded(store, recorder)

    async def main() -> None:
        await put("x", 1)
        await put("x", 2)
        store.held["x"] = 1
        await get("x")

    asyncio.run(main())
    assert check(recorder.operations(), Register()).ok is False


def test_a_task_that_awaits_several_calls_at_once_is_several_processes() -> None:
    recorder, store = Recorder(), Slow()
    plain = recorder.record("write", process=lambda: "me")(lambda k, v: store.put(k, v))

    async def main() -> None:
        await asyncio.gather(plain("x", 1), plain("x", 2), plain("x", 3))
        await plain("x", 4)

    asyncio.run(main())
    history = recorder.operations()
    assert [o.process for o in history] == ["me", "me#2", "me#3", "me"]
    assert all(o.end is not None for o in history)
    assert overlap(history)


def test_what_was_cancelled_or_never_awaited_has_an_unknown_outcome() -> None:
    recorder, store = Recorder(), Slow()
    put, get = recorded(store, recorder)

    async def main() -> None:
        task = asyncio.create_task(put("x", 1))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await get("x")

    asyncio.run(main())
    write, seen = recorder.operations()
    assert (write.f, write.end, write.output) == ("write", None, UNKNOWN)
    assert seen.end is not None


@pytest.mark.filterwarnings("ignore:coroutine")
def test_an_answer_that_nobody_awaited_is_unknown_and_its_process_goes_on() -> None:
    recorder, store = Recorder(), Slow()
    plain = recorder.record("write", process=lambda: "me")(lambda k, v: store.put(k, v))
    plain("x", 1).close()
    gc.collect()
    asyncio.run(_await(plain("x", 2)))
    lost, done = recorder.operations()
    assert (lost.value, lost.end, done.value, done.process) == (1, None, 2, "me")


async def _await(answer: Awaitable[object]) -> object:
    return await answer


class FakeRedis:
    """Answers and raises as redis-py does with `decode_responses=True`."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.trouble: Exception | None = None

    def set(self, name: str, value: str, nx: bool = False) -> bool | None:
        if self.trouble is not None:
            raise self.trouble
        if nx and name in self.held:
            return None
        self.held[name] = value
        return True

    def get(self, name: str) -> str | None:
        return self.held.get(name)


def test_redis_py_is_recorded_and_only_an_error_that_did_nothing_is_a_failure() -> None:
    def did_nothing(error: BaseException) -> bool:
        return isinstance(error, redis.ResponseError) and not str(error).startswith("UNKNOWN")

    client, recorder = FakeRedis(), Recorder(refusals=did_nothing)
    write = recorder.record("write", process=threading.get_ident)(client.set)
    get = recorder.record("read", process=threading.get_ident)(client.get)
    write("x", "1")
    assert get("x") == "1"
    for trouble in (
        redis.ResponseError("WRONGTYPE of a list"),
        redis.ResponseError("UNKNOWN outcome"),
        redis.TimeoutError("Timeout reading from socket"),
        redis.ConnectionError("Connection closed by server."),
    ):
        client.trouble = trouble
        with pytest.raises(type(trouble)):
            write("x", "2")
    assert get("x") == "1"
    returns = [event.type for event in recorder.events if event.type != "invoke"]
    assert returns == ["ok", "ok", "fail", "info", "info", "info", "ok"]
    assert check(recorder.operations(), Register())
    client.held["x"] = "2"
    assert get("x") == "2", "one of the unknown writes took effect after all"
    assert check(recorder.operations(), Register())


def test_key_and_value_can_be_picked_from_the_arguments() -> None:
    recorder, client = Recorder(), FakeRedis()
    whole = recorder.record("write", lambda: 1)(client.set)
    whole("x", "1", nx=True)
    picked = recorder.record(
        "write", lambda: 1, key=lambda name, value: name, value=lambda name, value: value
    )(client.set)
    picked(name="x", value="2")
    assert [(o.key, o.value) for o in recorder.operations()] == [("x", ("1", True)), ("x", "2")]
    with pytest.raises(TypeError, match="pass the key first"):
        whole(name="x", value="3")
    assert len(recorder.operations()) == 2, "a call that was not understood was not made"


def test_threads_append_whole_lines_to_one_file_in_the_order_of_what_happened(
    tmp_path: Path,
) -> None:
    held: dict[str, str] = {}
    path = tmp_path / "run.jsonl"

    def client(n: int) -> None:
        with path.open("ab", buffering=0) as file:
            recorder = Recorder(sink=appending(file))
            for step in range(40):
                value = f"{n}-{step}"
                with recorder.operation(n, "write", value, key="x"):
                    held["x"] = value
                with recorder.operation(n, "read", key="x") as operation:
                    operation.output = held["x"]

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 4 * 40 * 4
    history = read(path.read_text())
    assert check(history, Register())
    assert sessions(history)


def test_an_event_is_one_write() -> None:
    class File:
        def __init__(self) -> None:
            self.writes: list[bytes] = []

        def write(self, data: bytes, /) -> None:
            self.writes.append(data)

    file = File()
    append = appending(file)
    append(Event("invoke", 1, "read"))
    append(Event("ok", 1, "read", 3))
    assert file.writes == [
        b'{"type":"invoke","process":1,"f":"read"}\n',
        b'{"type":"ok","process":1,"f":"read","value":3}\n',
    ]
