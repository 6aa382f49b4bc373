"""Snapshot files: whole and sound, or refused by name and offset."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.net.snapshots import (
    SnapshotError,
    SnapshotWriter,
    forget_before,
    identify,
    read_chunks,
    snapshot_path,
    tidy,
)


def write(directory: Path, slot: int, chunks: list[bytes]) -> Path:
    writer = SnapshotWriter(directory, slot)
    for chunk in chunks:
        writer.add(chunk)
    writer.finish()
    return snapshot_path(directory, slot)


@settings(deadline=None, max_examples=40)
@given(chunks=st.lists(st.binary(min_size=1, max_size=500), max_size=8))
def test_chunks_come_back_as_they_were(
    chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("snapshots"), 7, chunks)
    assert list(read_chunks(path)) == chunks
    assert identify(path, 7).size == path.stat().st_size


def test_a_bit_flip_at_every_offset_and_a_cut_at_every_length_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 7, [b"one", b"two and a half", b"three"])
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    for offset in range(len(whole)):
        flipped = bytearray(whole)
        flipped[offset] ^= 1 << offset % 8
        damaged.append(bytes(flipped))
    damaged += [whole + b"\0", whole + whole]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(SnapshotError, match=r"offset \d+") as refused:
            list(read_chunks(path))
        assert str(path) in str(refused.value)


def test_chunks_in_another_order_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 7, [b"aaaa", b"bbbb"])
    whole = path.read_bytes()
    head, one, two, end = whole[:8], whole[8:20], whole[20:32], whole[32:]
    assert head + one + two + end == whole
    path.write_bytes(head + two + one + end)
    with pytest.raises(SnapshotError):
        list(read_chunks(path))


def test_a_missing_snapshot_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="missing"):
        list(read_chunks(snapshot_path(tmp_path, 3)))


def test_what_a_crash_left_half_made_is_tidied_and_older_ones_are_forgotten(
    tmp_path: Path,
) -> None:
    kept, later = write(tmp_path, 5, [b"x"]), write(tmp_path, 9, [b"y"])
    SnapshotWriter(tmp_path, 11).add(b"half")
    tidy(tmp_path, 5)
    assert list(tmp_path.iterdir()) == [kept]
    write(tmp_path, 9, [b"y"])
    forget_before(tmp_path, 9)
    assert list(tmp_path.iterdir()) == [later]


def test_an_abandoned_snapshot_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, 5)
    writer.add(b"x")
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_that_cannot_get_its_name_is_given_up_without_a_second_error(
    tmp_path: Path,
) -> None:
    writer = SnapshotWriter(tmp_path, 7)
    writer.add(b"x")
    (snapshot_path(tmp_path, 7) / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        writer.finish()
    with (tmp_path / "another").open("w") as other:  # gets the number of the file just closed
        writer.abandon()
        other.write("is not touched")
    assert not list(tmp_path.glob("*.writing"))
