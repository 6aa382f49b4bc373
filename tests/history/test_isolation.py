"""Isolation of transactions on lists: every anomaly by name, and against serial executions."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import Event, isolation

Step = tuple[str, str, Any]
Txn = tuple[Step, ...]


def run(*transactions: Txn, outcome: str = "ok", together: bool = True) -> list[Event]:
    """Return a history of transactions, one a process, that overlap or follow each other."""
    calls = [
        Event("invoke", n, "txn", tuple((f, k, None if f == "r" else v) for f, k, v in txn))
        for n, txn in enumerate(transactions)
    ]
    returns = [
        Event("ok" if n or outcome == "ok" else outcome, n, "txn", txn)
        for n, txn in enumerate(transactions)
    ]
    if together:
        return [*calls, *returns]
    return [event for pair in zip(calls, returns, strict=True) for event in pair]


def why(events: list[Event], level: str = "serializable") -> str:
    verdict = isolation(events, level)
    found = verdict.broken
    assert found is not None, f"nothing is wrong: {verdict}"
    assert found.contradiction is not None
    return found.contradiction.why


def a(key: str, value: int) -> Step:
    return "append", key, value


def r(key: str, *items: int) -> Step:
    return "r", key, items


def test_a_write_cycle_is_g0() -> None:
    events = run((a("x", 1), a("y", 1)), (a("x", 2), a("y", 2)), (r("x", 1, 2), r("y", 2, 1)))
    assert why(events, "read-committed").startswith("G0, write cycle")


def test_circular_information_flow_is_g1c() -> None:
    events = run((a("x", 1), r("y", 1)), (a("y", 1), r("x", 1)))
    told = why(events, "read-committed")
    assert told.startswith("G1c, circular information flow")
    assert "read 1 of x, which" in told


def test_read_skew_is_g_single_and_read_committed_allows_it() -> None:
    events = run((a("x", 1), a("y", 1)), (r("x"), r("y", 1)), (r("x", 1),))
    assert why(events).startswith("G-single, read skew")
    assert isolation(events, "read-committed").ok


def test_write_skew_is_g2() -> None:
    events = run((r("x"), a("y", 1)), (r("y"), a("x", 1)), (r("x", 1), r("y", 1)))
    assert why(events).startswith("G2, anti-dependency cycle")


def test_write_skew_is_found_even_if_nobody_reads_the_appends() -> None:
    events = run((r("x"), a("y", 1)), (r("y"), a("x", 1)))
    assert why(events).startswith("G2, anti-dependency cycle")


def test_a_stale_read_is_serializable_but_not_strictly() -> None:
    events = run((a("x", 1),), (r("x"),), (r("x", 1),), together=False)
    assert isolation(events, "serializable").ok
    told = why(events, "strict-serializable")
    assert told.startswith("G-single, read skew in real time")
    assert "returned before" in told


def test_reading_what_was_aborted_is_g1a() -> None:
    assert why(run((a("x", 1),), (r("x", 1),), outcome="fail")).startswith("G1a")


def test_a_transaction_of_unknown_outcome_may_be_read() -> None:
    assert isolation(run((a("x", 1),), (r("x", 1),), outcome="info"), "strict-serializable").ok


def test_a_transaction_of_unknown_outcome_need_not_have_happened() -> None:
    events = run((r("x"), a("y", 1)), (r("y"), a("x", 1)), outcome="info")
    assert isolation(events).ok


def test_reading_an_intermediate_version_is_g1b() -> None:
    events = run((a("x", 1), a("x", 2)), (r("x", 1),))
    assert why(events).startswith("G1b")


@pytest.mark.parametrize(
    ("transactions", "name"),
    [
        ([(a("x", 1), r("x"))], "internal"),
        ([(r("x"), a("x", 1), r("x"))], "internal"),
        ([(a("x", 1),), (a("x", 2),), (r("x", 1, 2),), (r("x", 2),)], "incompatible order"),
        ([(r("x", 9),)], "garbage"),
        ([(a("x", 1),), (r("x", 1, 1),)], "duplicate"),
        ([(a("x", 1),), (a("x", 1),)], "both append"),
    ],
)
def test_what_no_order_can_explain_is_named(transactions: list[Txn], name: str) -> None:
    assert name in why(run(*transactions))


def serial(order: tuple[Txn, ...]) -> bool:
    state: dict[str, tuple[int, ...]] = {}
    for txn in order:
        for f, key, value in txn:
            if f == "append":
                state[key] = (*state.get(key, ()), value)
            elif value != state.get(key, ()):
                return False
    return True


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 5))
def test_a_history_is_called_serializable_exactly_when_some_order_explains_it(
    seed: int, count: int
) -> None:
    """A serial run with one read perhaps replaced by an older version of the list."""
    rng = random.Random(seed)
    state: dict[str, tuple[int, ...]] = {}
    transactions: list[list[Step]] = []
    for n in range(count):
        txn: list[Step] = []
        view = (
            dict(state)
            if rng.random() < 0.6
            else {k: v[: rng.randrange(3)] for k, v in state.items()}
        )
        own: dict[str, tuple[int, ...]] = {}
        for step in range(rng.randrange(1, 4)):
            key = rng.choice("xy")
            if rng.random() < 0.5:
                txn.append(r(key, *view.get(key, ()), *own.get(key, ())))
            else:
                own[key] = (*own.get(key, ()), n * 10 + step)
                txn.append(a(key, n * 10 + step))
        for key, items in own.items():
            state[key] = (*state.get(key, ()), *items)
        transactions.append(txn)
    transactions.append([r(key, *items) for key, items in sorted(state.items())])
    made = tuple(tuple(txn) for txn in transactions)
    explained = any(serial(order) for order in permutations(made))
    assert isolation(run(*made)).ok == explained


def test_a_serial_history_is_strictly_serializable() -> None:
    state: list[int] = []
    transactions: list[Txn] = []
    for n in range(300):
        transactions.append((r("x", *state), a("x", n)))
        state.append(n)
    assert isolation(run(*transactions, together=False), "strict-serializable").ok
