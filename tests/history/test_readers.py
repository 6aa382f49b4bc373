"""Reading and writing histories, and recording them."""

from __future__ import annotations

import itertools
import threading

import pytest

from comitia.history import (
    UNKNOWN,
    Event,
    HistoryError,
    Recorder,
    Register,
    check,
    events,
    operations,
    read,
    to_json_lines,
)
from comitia.history.edn import parse
from comitia.history.readers import independent


def test_jepsens_log_lines_are_read() -> None:
    text = (
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"
        "INFO  jepsen.util - 2\t:invoke\t:cas\t[3 0]\n"
        "INFO  jepsen.util - 0\t:ok\t:read\t3\n"
        "INFO  jepsen.util - 2\t:info\t:cas\t:timed-out\n"
    )
    one, two = read(text)
    assert (one.f, one.output, one.end) == ("read", 3, 2)
    assert (two.f, two.value, two.output, two.end) == ("cas", (3, 0), UNKNOWN, None)


def test_jepsens_edn_is_read_and_the_nemesis_is_no_client() -> None:
    text = """[{:process 1, :type :invoke, :f :write, :value 3, :time 10} ; a comment
      #jepsen.history.Op{:process :nemesis, :type :info, :f :start, :value #{"a" :b}}
      {:process 1, :type :ok, :f :write, :value 3, :time 2000000000}]"""
    (only,) = read(text)
    assert (only.value, only.call_ns, only.end_ns) == (3, 10, 2_000_000_000)


def test_porcupines_key_value_form_is_read() -> None:
    text = '{:process 0, :type :invoke, :f :get, :key "4", :value nil}\n' + (
        '{:process 0, :type :ok, :f :get, :key "4", :value "x \\"0\\" y"}\n'
    )
    (only,) = read(text)
    assert (only.key, only.output) == ("4", 'x "0" y')


def test_values_of_jepsens_independent_are_split_into_key_and_value() -> None:
    text = "[{:process 1 :type :invoke :f :read :value [7 nil]} " + (
        "{:process 1 :type :ok :f :read :value [7 5]}]"
    )
    (only,) = operations(independent(events(text)))
    assert (only.key, only.value, only.output) == (7, None, 5)


def test_edn_in_all_its_forms() -> None:
    text = r'(1 -2 +3 1.5 2N 3.0M nil true :a/b sym \c "s\n") #_ ignored {:k [#{1}]} -'
    assert list(parse(text)) == [
        (1, -2, 3, 1.5, 2, 3.0, None, True, "a/b", "sym", "c", "s\n"),
        {"k": (frozenset({1}),)},
        "-",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "not a history"),
        ("[1 2", "ends inside"),
        ("[1 2}", "unexpected }"),
        ('{"type": "invoke"}', "line 1: no process"),
        ('{"type": "invoke", "process": 1}\n{nonsense', "line 2: not JSON"),
        (
            '{"type":"note"}\n\n{"type": "ok", "process": 1, "f": "read"}',
            "^line 3: ok of process 1, which called nothing",
        ),
        ("[{:process 1 :type :ok :f :read}]", "^event 0: ok of process 1, which called nothing"),
        (
            '{"type":"invoke","process":1,"f":"read"}\n{"type":"invoke","process":1,"f":"write"}',
            "^line 2: process 1 calls write while its read is open",
        ),
        ("[{:process 1}]", "no event"),
    ],
)
def test_what_is_no_history_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(HistoryError, match=why):
        read(text)


def test_json_lines_come_back_as_they_were_written() -> None:
    noted = [
        Event("invoke", "a", "cas", (1, 2), "k", 5),
        Event("info", "a", "cas", None, "k", 9),
        Event("invoke", 3, "read"),
        Event("ok", 3, "read", (1, 2)),
    ]
    text = "\n".join(to_json_lines(noted))
    assert list(events(text)) == noted
    assert read(text + '\n{"type":"note","text":"other lines of a trace"}') == operations(noted)


def test_json_may_have_blanks() -> None:
    text = '\n{ "type": "invoke", "process": 1, "f": "read" }\n'
    assert list(events(text)) == [Event("invoke", 1, "read")]
    with pytest.raises(HistoryError, match=r"^line 3: ok of process 2, which called nothing"):
        read(text + '{ "type": "ok", "process": 2, "f": "read" }')


def test_an_operation_that_failed_did_not_happen() -> None:
    noted = [Event("invoke", 1, "write", 3), Event("fail", 1, "write", 3)]
    assert operations(noted) == []


def test_the_recorder_notes_what_a_client_did_and_saw() -> None:
    clock = itertools.count(100)
    recorder = Recorder(lambda: next(clock), refusals=(ConnectionRefusedError,))
    with recorder.operation(1, "write", 3, key="x"):
        pass
    with recorder.operation(1, "read", key="x") as operation:
        operation.output = 3
    with pytest.raises(ConnectionRefusedError), recorder.operation(1, "write", 4, key="x"):
        raise ConnectionRefusedError
    with pytest.raises(TimeoutError), recorder.operation(2, "write", 5, key="x"):
        raise TimeoutError
    wrote, saw, lost = recorder.operations()
    assert (wrote.value, wrote.call_ns, wrote.end_ns) == (3, 100, 101)
    assert saw.output == 3
    assert (lost.value, lost.end, lost.output) == (5, None, UNKNOWN)
    assert [event.type for event in recorder.events].count("fail") == 1


def test_a_decorated_client_is_recorded_from_many_threads() -> None:
    recorder = Recorder()
    store: dict[str, int] = {}

    @recorder.record("write", process=threading.get_ident)
    def write(key: str, value: int) -> None:
        store[key] = value

    @recorder.record("read", process=threading.get_ident)
    def get(key: str) -> int | None:
        return store.get(key)

    def client(n: int) -> None:
        for step in range(50):
            write("x", n * 100 + step)
            get("x")

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = recorder.operations()
    assert len(history) == 400
    assert {o.key for o in history} == {"x"}
    assert check(history, Register())


def test_events_can_go_to_a_sink_as_they_come() -> None:
    seen: list[Event] = []
    recorder = Recorder(sink=seen.append)
    with recorder.operation(1, "read") as operation:
        operation.output = [1, 2]
    assert [event.type for event in seen] == ["invoke", "ok"]
    assert seen[1].value == (1, 2)
    assert recorder.events == []
