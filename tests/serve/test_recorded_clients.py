"""redis-py against a served cluster, recorded by decorators, from threads and asyncio tasks."""

from __future__ import annotations

import asyncio
import threading

import redis
import redis.asyncio

from comitia.history import Recorder, Register, check


def test_threads_with_redis_py_are_recorded_and_served_correctly(port: int) -> None:
    recorder = Recorder()

    def client(n: int) -> None:
        with redis.Redis(port=port, decode_responses=True, protocol=3) as server:
            put = recorder.record("write", process=threading.get_ident)(server.set)
            get = recorder.record("read", process=threading.get_ident)(server.get)
            for step in range(5):
                put("threads", f"{n}-{step}")
                get("threads")

    threads = [threading.Thread(target=client, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = recorder.operations()
    assert len(history) == 30
    assert {o.output for o in history if o.f == "read"} <= {o.value for o in history}
    verdict = check(history, Register())
    assert verdict, str(verdict)


def test_asyncio_tasks_with_redis_py_are_recorded_and_served_correctly(port: int) -> None:
    recorder = Recorder()

    async def main() -> None:
        async with redis.asyncio.Redis(port=port, decode_responses=True) as server:
            put = recorder.record("write", process=lambda: "task")(server.set)
            get = recorder.record("read", process=lambda: "task")(server.get)
            for step in range(5):
                await asyncio.gather(
                    *(put("tasks", f"{n}-{step}") for n in range(3)), get("tasks"), get("tasks")
                )

    asyncio.run(main())
    history = recorder.operations()
    assert len(history) == 25
    assert {o.process for o in history} == {"task", *(f"task#{n}" for n in range(2, 6))}
    answers = {o.output for o in history if o.f == "read"}
    assert answers & {o.value for o in history if o.f == "write"}, "answers, and not coroutines"
    verdict = check(history, Register())
    assert verdict, str(verdict)
