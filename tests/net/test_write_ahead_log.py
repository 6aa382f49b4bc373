"""The write-ahead log: what was synced comes back, and damage is repaired or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.net.segment import CHANGE, FIRST, Corrupt, Identity, Item
from comitia.net.wal import Wal

WHO = Identity("demo", 1, "raft", 1)
SMALL = FIRST + 512

Batch = list[Item]
batches = st.lists(st.tuples(st.integers(1, 5), st.binary(max_size=200)), min_size=1, max_size=3)


def opened(directory: Path, who: Identity = WHO, size: int = SMALL) -> tuple[Wal, list[Batch]]:
    wal = Wal(directory, who, size)
    return wal, [list(items) for _, items in wal.recover()]


def written(directory: Path, frames: list[Batch], size: int = SMALL) -> list[int]:
    """Write `frames`; return how far the last segment's were."""
    wal, _ = opened(directory, size=size)
    ends = []
    for frame in frames:
        wal.append(frame)
        ends.append(wal.end)
    wal.close()
    return ends


def change(number: int, size: int = 20) -> Batch:
    return [(CHANGE, bytes([number]) * size)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(lives=st.lists(st.lists(batches, max_size=8), min_size=1, max_size=3))
def test_every_frame_comes_back_in_order_across_segments_and_lives(
    lives: list[list[Batch]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("wal")
    sofar: list[Batch] = []
    for frames in lives:
        wal, found = opened(directory)
        assert found == sofar
        for frame in frames:
            wal.append(frame)
        wal.close()
        sofar += frames


def test_a_bit_flip_at_every_offset_is_refused_or_drops_only_the_last_frame(
    tmp_path: Path,
) -> None:
    frames = [change(1), change(2), change(3)]
    ends = written(tmp_path, frames, FIRST + 128)
    path = tmp_path / f"{1:016x}.wal"
    whole = path.read_bytes()
    header_ends = len(whole[:FIRST].rstrip(b"\0"))
    for offset in [*range(header_ends), *range(FIRST, ends[-1])]:
        broken = bytearray(whole)
        broken[offset] ^= 1 << offset % 8
        path.write_bytes(broken)
        if offset >= ends[1]:
            wal, found = opened(tmp_path, size=FIRST + 128)
            wal.close()
            assert found == frames[:2]
            continue
        with pytest.raises(Corrupt) as refused:
            opened(tmp_path, size=FIRST + 128)
        starts = [0, FIRST, *ends]
        assert refused.value.offset == max(start for start in starts if start <= offset)
        assert str(path) in str(refused.value)


def test_a_file_cut_at_any_offset_is_refused_since_its_end_may_have_been_acknowledged(
    tmp_path: Path,
) -> None:
    written(tmp_path, [change(1), change(2)], FIRST + 128)
    path = tmp_path / f"{1:016x}.wal"
    whole = path.read_bytes()
    # Every length, but of the header's 4 KiB of zeros only some.
    for length in [*range(100), *range(100, FIRST, 61), *range(FIRST, len(whole))]:
        path.write_bytes(whole[:length])
        with pytest.raises(Corrupt, match="end"):
            opened(tmp_path, size=FIRST + 128)


@pytest.mark.parametrize("left", [b"\0", b"\xff", b"stale"])
def test_a_frame_torn_at_any_offset_is_dropped_and_the_log_goes_on(
    tmp_path: Path, left: bytes
) -> None:
    ends = written(tmp_path, [change(1), change(2, 40)], FIRST + 256)
    path = tmp_path / f"{1:016x}.wal"
    whole = path.read_bytes()
    for cut in range(ends[0], ends[1]):
        filler = (left * len(whole))[: len(whole) - cut]
        path.write_bytes(whole[:cut] + filler)
        wal, found = opened(tmp_path, size=FIRST + 256)
        assert found == [change(1)]
        wal.append(change(3))
        wal.close()
        wal, found = opened(tmp_path, size=FIRST + 256)
        assert found == [change(1), change(3)]
        wal.close()


def test_damage_in_an_older_segment_is_refused_even_at_its_end(tmp_path: Path) -> None:
    written(tmp_path, [change(n, 300) for n in range(4)])
    path = tmp_path / f"{2:016x}.wal"
    data = bytearray(path.read_bytes())
    data[FIRST:] = bytes(len(data) - FIRST)
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="damaged") as refused:
        opened(tmp_path)
    assert (refused.value.path, refused.value.offset) == (path, FIRST)


def test_a_frame_that_the_disk_put_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    first, second, third = written(tmp_path, [change(1), change(2), change(3)])
    path = tmp_path / f"{1:016x}.wal"
    data = bytearray(path.read_bytes())
    assert second - first == third - second
    data[first:second] = data[second:third]
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="a sound one follows"):
        opened(tmp_path)


def test_a_recycled_segment_shows_none_of_its_former_frames(tmp_path: Path) -> None:
    wal, _ = opened(tmp_path)
    for number in range(6):
        wal.append(change(number, 200))
    first = wal.segment
    wal.forget_before(first)
    assert b"\5" * 200 not in (tmp_path / "spare").read_bytes()
    stale = (tmp_path / "spare").read_bytes()
    wal.append(change(7, 400))  # rolls into the recycled file
    assert wal.segment == first + 1
    wal.close()
    assert stale[-8:] == (tmp_path / f"{first + 1:016x}.wal").read_bytes()[-8:]
    _, found = opened(tmp_path)
    assert found[-1] == change(7, 400)
    assert len(found) == 3


def test_a_frame_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    large = [(CHANGE, bytes(5000))]
    written(tmp_path, [change(1), large, change(2)])
    _, found = opened(tmp_path)
    assert found == [change(1), large, change(2)]


def test_a_crash_while_a_segment_was_made_leaves_nothing_behind(tmp_path: Path) -> None:
    written(tmp_path, [change(1)])
    (tmp_path / "spare.making").write_bytes(b"half")
    (tmp_path / "spare").write_bytes(b"another half")
    wal, found = opened(tmp_path)
    assert found == [change(1)]
    for number in range(9):
        wal.append(change(number, 200))
    assert wal.segment > 2


def test_a_log_of_another_node_cluster_or_protocol_is_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path, [change(1)])
    for other in (Identity("demo", 2, "raft", 1), Identity("prod", 1, "zab", 2)):
        with pytest.raises(ValueError, match="belongs to node 1 of cluster 'demo'"):
            opened(tmp_path, other)


def test_a_segment_under_another_name_is_refused(tmp_path: Path) -> None:
    written(tmp_path, [change(1)])
    (tmp_path / f"{1:016x}.wal").rename(tmp_path / f"{7:016x}.wal")
    with pytest.raises(Corrupt, match="segment 1 under another name"):
        opened(tmp_path)
