"""Versions of a table are values: a change to one is never seen in another."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from comitia.kernel import Node, Record, Table
from comitia.kernel.stable import StableCodec


class Register(Record):
    ballot: int
    value: bytes | None


class Keeper(Node):
    stable: ClassVar = ("registers",)
    registers: Table[bytes, Register]

    def __init__(self) -> None:
        super().__init__(1)
        self.registers = Table()


CODEC = StableCodec(Keeper)
KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
STEPS = st.lists(
    st.tuples(st.integers(0, 30), KEYS, st.none() | st.integers(0, 3)), min_size=1, max_size=25
)


def grow(steps: list[tuple[int, bytes, int | None]]) -> list[tuple[Table[bytes, int], dict]]:
    """Versions, each made from any earlier one, beside the plain dictionaries they must equal."""
    versions: list[tuple[Table[bytes, int], dict]] = [(Table(), {})]
    for parent, key, value in steps:
        table, plain = versions[parent % len(versions)]
        plain = dict(plain)
        if value is None:
            plain.pop(key, None)
            versions.append((table.delete(key), plain))
        else:
            plain[key] = value
            versions.append((table.set(key, value), plain))
    return versions


@given(STEPS, st.booleans())
def test_every_version_keeps_what_it_held(steps, hashed_early) -> None:
    versions = grow(steps)
    if hashed_early:
        hash(versions[0][0])
    for table, plain in versions:
        assert len(table) == len(plain)
    for table, plain in reversed(versions):
        assert dict(table.items()) == plain
        assert list(table) == sorted(plain)
        assert table.get(b"a", 7) == plain.get(b"a", 7)
        assert (b"b" in table) == (b"b" in plain)


@given(STEPS, st.data())
def test_equality_and_hash_follow_the_items_however_they_came_to_be(steps, data) -> None:
    versions = grow(steps)
    if data.draw(st.booleans()):
        for table, _ in versions:
            hash(table)
    (one, a), (other, b) = (
        data.draw(st.sampled_from(versions)),
        data.draw(st.sampled_from(versions)),
    )
    assert (one == other) == (a == b)
    assert one == Table(a) and hash(one) == hash(Table(a))


def test_the_hash_is_carried_along_changes() -> None:
    table = Table({b"a": 1})
    before = hash(table)
    after = table.set(b"b", 2).set(b"a", 3).delete(b"b").set(b"a", 1)
    assert hash(after) == before and after == Table({b"a": 1})


@given(STEPS, st.data())
def test_the_difference_of_any_two_versions_leads_from_one_to_the_other(steps, data) -> None:
    versions = grow(steps)
    (old, _), (new, plain) = (
        data.draw(st.sampled_from(versions)),
        data.draw(st.sampled_from(versions)),
    )
    gone, changed = new.difference(old)
    again = old.apply(gone, changed)
    assert again == new and dict(again.items()) == plain
    assert new.difference(again) == ((), ())


def test_a_difference_costs_what_changed_and_not_what_is_there() -> None:
    class Counting(int):
        asked = 0

        def __eq__(self, other: object) -> bool:
            Counting.asked += 1
            return int(self) == other

        __hash__ = int.__hash__

    old = Table({key: Counting(key) for key in range(10_000)})
    new = old.set(5, Counting(6)).set(7, Counting(8))
    assert new.difference(old) == ((), ((5, 6), (7, 8)))
    assert Counting.asked < 10


@given(STEPS, st.data())
def test_replaying_the_differences_on_disk_gives_every_table_back(steps, data) -> None:
    node = Keeper()
    disk = CODEC.apply(None, CODEC.difference(None, CODEC.values(node)))
    saved = CODEC.values(node)
    for number, key, value in steps:
        if value is None:
            node.registers = node.registers.delete(key)
        else:
            node.registers = node.registers.set(key, Register(number, b"%d" % value))
        if data.draw(st.booleans()):  # several steps may share one record
            difference = CODEC.difference(saved, CODEC.values(node))
            assert bool(difference) == (saved != CODEC.values(node))
            disk, saved = CODEC.apply(disk, difference) if difference else disk, CODEC.values(node)
            assert disk == CODEC.values(node)
    whole = CODEC.apply(None, CODEC.difference(None, CODEC.values(node)))
    assert whole == CODEC.values(node)


def test_a_change_of_one_key_writes_one_key() -> None:
    node = Keeper()
    node.registers = Table({b"%d" % i: Register(1, b"x" * 100) for i in range(1000)})
    saved = CODEC.values(node)
    node.registers = node.registers.set(b"7", Register(2, b"y"))
    assert len(CODEC.difference(saved, CODEC.values(node))) < 20
