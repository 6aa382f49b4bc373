"""Reading a disk back: the bytes that a crash leaves, with a torn tail or a flipped bit.

A run keeps values, not bytes: they share what they have in common, and nothing need be encoded to
be crashed.  Where a run has the fault `torn`, `rot` or `misdirected`, the bytes that would be on
the disk are made at that moment, damaged, and read back as a host does.  The checksum of
a record covers its place, so that one which landed elsewhere is not taken for what belongs there.
"""

from __future__ import annotations

import zlib

from comitia.kernel.stable import StableCodec, Values
from comitia.sim.dice import Dice
from comitia.sim.host import Host


def _frame(payload: bytes, place: int) -> bytes:
    """Return the record of a difference."""
    head = zlib.crc32(payload, place).to_bytes(4, "little") + len(payload).to_bytes(4, "little")
    return head + payload


def _recover(codec: StableCodec, data: bytes) -> tuple[Values | None, int]:
    """Return the state that the whole records of `data` lead to, and how many those are."""
    values, position, count = None, 0, 0
    while position + 8 <= len(data):
        checksum = int.from_bytes(data[position : position + 4], "little")
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        payload = data[position + 8 : end]
        if end > len(data) or zlib.crc32(payload, count) != checksum:
            break
        values = codec.apply(values, payload)
        position, count = end, count + 1
    return values, count


def _records(host: Host, count: int) -> list[bytes]:
    """The records of what is durable, as one, and of the first `count` writes under way."""
    codec = host.restore
    assert codec is not None
    if not codec.names:
        return []  # nothing is ever written
    records: list[bytes] = []
    before = None
    for values in (host.durable, *(values for values, _ in host.pending[:count])):
        if values is not None:
            if payload := codec.difference(before, values):
                records.append(_frame(payload, len(records)))
            before = values
    return records


def reread(host: Host, survive: int, dice: Dice) -> None:
    """Check that the bytes of a crash that `survive` writes outlive give just their state back.

    The next record, if one is under way, is torn: some of its bytes are there.
    """
    codec = host.restore
    assert codec is not None
    whole = _records(host, survive)
    next_one = b"".join(_records(host, survive + 1)[len(whole) :])
    torn = next_one[: dice.below(len(next_one))] if next_one else b""
    values, count = _recover(codec, b"".join(whole) + torn)
    expected = host.pending[survive - 1][0] if survive else host.durable
    assert count == len(whole), f"n{host.id}: {count} records recovered of {len(whole)}"
    if whole:
        assert values == expected, f"n{host.id}: the disk gives back {values!r}, not {expected!r}"


def rots(host: Host, survive: int, dice: Dice) -> bool:
    """Flip one bit of what a crash leaves; return whether reading it back notices."""
    records = _records(host, survive)
    data = bytearray(b"".join(records))
    if not data:
        return True
    bit = dice.below(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    return _notices(host, bytes(data), len(records))


def misdirects(host: Host, survive: int, dice: Dice) -> bool:
    """Let a record of what a crash leaves land where another belongs; return whether that is
    noticed.  Where there is one record only, it is one of an earlier use of the place that landed.
    """
    records = _records(host, survive)
    if not records:
        return True
    landed = dice.below(len(records))
    stray = _frame(records[landed][8:], len(records))
    if len(records) > 1:
        stray = records[dice.choose([i for i in range(len(records)) if i != landed])]
    start = sum(map(len, records[:landed]))
    data = b"".join(records)
    data = data[:start] + stray + data[start + len(stray) :]
    return _notices(host, data, len(records))


def _notices(host: Host, data: bytes, count: int) -> bool:
    codec = host.restore
    assert codec is not None
    return _recover(codec, data)[1] < count
