"""Reading a disk back: the bytes that a crash leaves, with a torn tail or a flipped bit.

A run keeps values, not bytes: they share what they have in common, and nothing need be encoded to
be crashed.  Where a run has the fault `torn` or `rot`, the bytes that would be on the disk are made
at that moment, damaged, and read back as a host does after a crash.
"""

from __future__ import annotations

import zlib

from comitia.kernel.stable import StableCodec, Values
from comitia.sim.dice import Dice
from comitia.sim.host import Host


def _frame(payload: bytes) -> bytes:
    """Return the record of a difference; of none there is no record."""
    if not payload:
        return b""
    return zlib.crc32(payload).to_bytes(4, "little") + len(payload).to_bytes(4, "little") + payload


def _recover(codec: StableCodec, data: bytes) -> tuple[Values | None, int]:
    """Return the state that the whole records of `data` lead to, and how many those are."""
    values, position, count = None, 0, 0
    while position + 8 <= len(data):
        checksum = int.from_bytes(data[position : position + 4], "little")
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        payload = data[position + 8 : end]
        if end > len(data) or zlib.crc32(payload) != checksum:
            break
        values = codec.apply(values, payload)
        position, count = end, count + 1
    return values, count


def _records(host: Host, count: int) -> list[bytes]:
    """The records of what is durable, as one, and of the first `count` writes under way."""
    codec = host.restore
    assert codec is not None
    states = [values for values, _ in host.pending[:count]]
    records, before = [], host.durable
    if before is not None:
        records.append(_frame(codec.difference(None, before)))
    for values in states:
        records.append(_frame(codec.difference(before, values)))
        before = values
    return records


def reread(host: Host, survive: int, dice: Dice) -> None:
    """Check that the bytes of a crash that `survive` writes outlive give just their state back.

    The next record, if one is under way, is torn: some of its bytes are there.
    """
    codec = host.restore
    assert codec is not None
    if not codec.names:
        return  # nothing is ever written
    records = _records(host, survive + 1)
    complete = survive + (host.durable is not None)
    whole, next_one = [r for r in records[:complete] if r], b"".join(records[complete:])
    torn = next_one[: dice.below(len(next_one))] if next_one else b""
    values, count = _recover(codec, b"".join(whole) + torn)
    expected = host.pending[survive - 1][0] if survive else host.durable
    assert count == len(whole), f"n{host.id}: {count} records recovered of {len(whole)}"
    assert values == expected, f"n{host.id}: the disk gives back {values!r}, not {expected!r}"


def rots(host: Host, dice: Dice) -> bool:
    """Flip one bit of what is durable; return whether reading it back notices."""
    codec = host.restore
    assert codec is not None
    data = bytearray(b"".join(_records(host, 0)))
    if not data:
        return True
    bit = dice.below(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    return _recover(codec, bytes(data))[1] == 0
