"""Orders that servers tell."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.history import Operation, Register, check, witnessed

from .generate import history
from .oracle import explains


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), spoiled=st.booleans(), lie=st.integers(0, 5))
def test_an_order_that_is_told_never_changes_the_answer(seed: int, spoiled: bool, lie: int) -> None:
    operations = history(seed, "register", length=8, spoiled=spoiled, lost=0.2)
    verdict = check(operations, Register())
    order = verdict.parts[0].order if verdict.parts else ()
    places = {o: n for n, o in enumerate(order)}
    if lie and len(order) > lie:
        places[order[lie]], places[order[0]] = 0, lie
    found = witnessed(operations, Register(), places.get)
    assert found.ok == verdict.ok
    if found.ok and operations:
        explains(found.parts[0].order, operations, Register())
    if verdict.ok and operations and not lie:
        assert found.engines == ("witness",)


def test_a_read_at_the_position_of_a_write_goes_after_it() -> None:
    write = Operation(1, "write", 1, None, 0, 5)
    read = Operation(2, "read", None, 1, 1, 2)
    assert witnessed([read, write], Register(), lambda o: 7).engines == ("witness",)


def test_real_time_is_kept_or_the_order_is_not_believed() -> None:
    write = Operation(1, "write", 1, None, 0, 1)
    read = Operation(2, "read", None, None, 2, 3)
    positions = {read: 1, write: 2}
    assert witnessed([read, write], Register(), positions.get).ok is False
