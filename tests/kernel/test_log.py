"""A `Log` is a value: whatever is done to one version, every other stays as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from comitia.kernel import Log

ITEMS = st.lists(st.integers(0, 3), max_size=4)


class VersionsOfALog(RuleBasedStateMachine):
    """Grow and cut any version at random; a plain tuple beside each says what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[tuple[Log[int], int, tuple[int, ...]]] = [(Log(), 1, ())]

    @rule(data=st.data(), items=ITEMS)
    def append(self, data: st.DataObject, items: list[int]) -> None:
        log, first, model = data.draw(st.sampled_from(self.versions))
        self.versions.append((log.append(items), first, model + tuple(items)))

    @rule(data=st.data())
    def cut_after(self, data: st.DataObject) -> None:
        log, first, model = data.draw(st.sampled_from(self.versions))
        keep = data.draw(st.integers(0, len(model)))
        self.versions.append((log.cut_after(first - 1 + keep), first, model[:keep]))

    @rule(data=st.data())
    def cut_before(self, data: st.DataObject) -> None:
        log, first, model = data.draw(st.sampled_from(self.versions))
        drop = data.draw(st.integers(0, len(model)))
        self.versions.append((log.cut_before(first + drop), first + drop, model[drop:]))

    @invariant()
    def every_version_holds_what_its_model_holds(self) -> None:
        for log, first, model in self.versions:
            assert (log.first, log.last, tuple(log)) == (first, first + len(model) - 1, model)
            assert [log[first + i] for i in range(len(model))] == list(model)

    @invariant()
    def equality_hash_and_shared_prefix_agree_with_the_models(self) -> None:
        log, first, model = self.versions[-1]
        for other, other_first, other_model in self.versions[:8]:
            assert (log == other) == ((first, model) == (other_first, other_model))
            if log == other:
                assert hash(log) == hash(other)
            shared = log.shared_until(other)
            start = max(first, other_first)
            assert start - 1 <= shared
            for position in range(start, shared + 1):
                assert log[position] == other[position]
            if shared < min(log.last, other.last) and shared + 1 >= start:
                assert log[shared + 1] != other[shared + 1]


TestVersionsOfALog = VersionsOfALog.TestCase


def test_appending_to_the_newest_version_shares_the_backing_list() -> None:
    log = Log(range(100_000))
    longer = log.append([1])
    assert longer._backing is log._backing
    assert len(log) == 100_000


def test_appending_to_an_older_version_leaves_the_newer_one_alone() -> None:
    old: Log[str] = Log(["a"])
    new = old.append(["b"])
    fork = old.append(["c"])
    assert list(new) == ["a", "b"]
    assert list(fork) == ["a", "c"]


@given(ITEMS, st.integers(0, 9))
def test_a_position_outside_is_an_index_error_never_another_item(items: list[int], at: int) -> None:
    log = Log(items, first=3)
    try:
        assert log[at] == items[at - 3]
        assert at >= 3
    except IndexError:
        assert not log.first <= at <= log.last


SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(SIZES, st.integers(0, 12), st.data())
def test_a_message_takes_what_fits_and_never_nothing(
    sizes: list[int], limit: int, data: st.DataObject
) -> None:
    log = Log(sizes, first=3)
    first = data.draw(st.integers(log.first, log.last))
    last, size = log.fitting(first, lambda item: item, limit)
    assert size == sum(log.slice(first, last))
    assert last == first or size <= limit
    assert last == log.last or size + log[last + 1] > limit


@given(SIZES, st.integers(0, 12), st.integers(0, 7), st.data())
def test_what_is_kept_behind_a_snapshot_has_a_number_and_a_size(
    sizes: list[int], limit: int, most: int, data: st.DataObject
) -> None:
    log = Log(sizes, first=3)
    last = data.draw(st.integers(log.first - 1, log.last))
    first = log.trailing(last, most, lambda item: item, limit)
    kept = log.slice(first, last)
    assert len(kept) <= most
    assert sum(kept) <= limit
    may_grow = first > log.first and len(kept) < most
    assert not may_grow or sum(kept) + log[first - 1] > limit
