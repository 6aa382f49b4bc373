"""The keys of a Redis database: sharded, with deadlines, and with snapshots that stop nobody.

Keys are spread over `SHARDS` dictionaries by CRC-32.  A snapshot remembers which shards there are;
a shard is copied when it is first written after that, so the snapshot goes on showing the moment
it was taken, for the price of one shard at a time (Redis pays for a fork of the whole process).

Time is the machine's, which only batches move.  A key whose deadline has passed is invisible at
once and removed soon after, a bounded number at a time, at the same place of the log everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from zlib import crc32

import msgspec
from sortedcontainers import SortedList

from comitia.machines.redis.watches import Watches

SHARDS = 1024
_MASK = SHARDS - 1
REMOVALS = 500
"""How many keys past their deadline one batch removes; it bounds the time of a batch."""
CHUNK = 1 << 20
"""Above so many bytes a shard is cut into several chunks."""

Value = bytes
"""What a key holds.  A type that changes in place must be copied when `Keyspace.frozen` is set."""

_encode = msgspec.msgpack.Encoder().encode


class Part(msgspec.Struct, array_like=True, gc=False):
    """A chunk of a snapshot: keys of one shard, with their deadlines in ms."""

    values: dict[bytes, bytes]
    deadlines: dict[bytes, int]


Values = dict[bytes, Value]
Deadlines = dict[bytes, int]
_NONE: Deadlines = {}


def _cut(values: Values, deadlines: Deadlines) -> Iterator[bytes]:
    """Return the chunks of a shard: mostly one, none when it is empty."""
    if sum(map(len, values.values())) <= CHUNK:
        if values:
            yield _encode(Part(values, deadlines))
        return
    part, size = Part({}, {}), 0
    for key, value in values.items():
        part.values[key] = value
        if key in deadlines:
            part.deadlines[key] = deadlines[key]
        size += len(key) + len(value)
        if size > CHUNK:
            yield _encode(part)
            part, size = Part({}, {}), 0
    if part.values:
        yield _encode(part)


class Keyspace:
    """Values and deadlines by key; commands are functions of it and of their arguments."""

    def __init__(self) -> None:
        self.time_ms = 0
        """The machine's time, moved by batches only: what exists depends on it."""
        self.now_ms = 0
        """The time to count down from: of the batch, or of whoever reads."""
        self.origin = 0
        """The member whose clients sent the batch at hand."""
        self.watches = Watches()
        self._watchers = self.watches.watchers
        self._frozen: dict[int, Values] = {}
        self.clear()

    def clear(self) -> None:
        """Remove every key."""
        for key in self._watchers:
            if self.get(key) is not None:
                self.watches.touch(key)
        # A key that is written at random is in no cache of the processor: what counts is how few
        # objects lie between it and here.  Plain dictionaries of bytes are also passed over by the
        # garbage collector, which would stop the service for as long as it looks at every key.
        self._shards: list[Values] = [{} for _ in range(SHARDS)]
        self._deadlines: dict[int, Deadlines] = {}  # of the shards that have any
        self._queue: SortedList[tuple[int, bytes]] = SortedList()  # deadlines, soonest first

    # -- reading; never changes anything, so that reads need no log --

    def get(self, key: bytes) -> Value | None:
        """Return the value of `key`, or None."""
        index = crc32(key) & _MASK
        value = self._shards[index].get(key)
        if value is None or index not in self._deadlines:
            return value
        return None if self.expired(key) else value

    def deadline(self, key: bytes) -> int | None:
        """Return the deadline of the visible `key`, in ms, or None when it has none."""
        return self._deadlines.get(crc32(key) & _MASK, _NONE).get(key)

    def expired(self, key: bytes) -> bool:
        """Is `key` past its deadline and not yet removed?"""
        deadline = self.deadline(key)
        return deadline is not None and deadline <= self.time_ms

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def visible(self, index: int) -> list[bytes]:
        """Return the visible keys of shard `index`, in the order they were added."""
        if index not in self._deadlines:
            return list(self._shards[index])
        now, deadlines = self.time_ms, self._deadlines[index]
        return [key for key in self._shards[index] if deadlines.get(key, now + 1) > now]

    # -- writing --

    def put(self, key: bytes, value: Value) -> None:
        """Give `key` this value and no deadline."""
        index = crc32(key) & _MASK
        shard = self._shards[index]
        if self._frozen and self._frozen.get(index) is shard:
            shard = self._thaw(index)
        shard[key] = value
        if index in self._deadlines:
            self._live_on(key)
        if self._watchers:
            self.watches.touch(key)

    def update(self, key: bytes, value: Value) -> None:
        """Give `key` this value; a deadline still ahead of it stays."""
        deadline = self.deadline(key)
        self.put(key, value)
        if deadline is not None and deadline > self.time_ms:
            self._die_at(key, deadline)

    def remove(self, key: bytes) -> bool:
        """Remove `key`; return whether it was visible."""
        index = crc32(key) & _MASK
        if key not in self._shards[index]:
            return False
        was = not self.expired(key)
        del self._writable(index)[key]
        self._live_on(key)
        if self._watchers:
            self.watches.touch(key)
        return was

    def expire(self, key: bytes, deadline_ms: int) -> None:
        """Give the present `key` a deadline."""
        shard = self._writable(crc32(key) & _MASK)
        assert key in shard, "a deadline for a key that is not there"
        self._live_on(key)
        self._die_at(key, deadline_ms)
        if self._watchers:
            self.watches.touch(key)

    def persist(self, key: bytes) -> bool:
        """Take the deadline of the visible `key` away; return whether it had one."""
        self._writable(crc32(key) & _MASK)
        had = self._live_on(key)
        if had and self._watchers:
            self.watches.touch(key)
        return had

    def advance(self, time_ms: int) -> None:
        """Move time forward, never back, and remove keys whose deadline has passed."""
        if time_ms > self.time_ms:
            self.time_ms = time_ms
        self.now_ms = self.time_ms
        removals = REMOVALS
        while removals and self.next_deadline() <= self.time_ms:
            self.remove(self._queue[0][1])
            removals -= 1

    def next_deadline(self) -> float:
        """Return the earliest deadline of any key, in ms; infinity when there is none."""
        return self._queue[0][0] if self._queue else float("inf")

    # What follows changes a shard that is writable.

    def _die_at(self, key: bytes, deadline_ms: int) -> None:
        """Give `key`, which has none, a deadline."""
        self._deadlines.setdefault(crc32(key) & _MASK, {})[key] = deadline_ms
        self._queue.add((deadline_ms, key))

    def _live_on(self, key: bytes) -> bool:
        """Take the deadline of `key` away, if it has one."""
        index = crc32(key) & _MASK
        deadlines = self._deadlines.get(index, _NONE)
        if key not in deadlines:
            return False
        self._queue.remove((deadlines.pop(key), key))
        if not deadlines:
            del self._deadlines[index]
        return True

    def _writable(self, index: int) -> Values:
        shard = self._shards[index]
        return self._thaw(index) if self._frozen.get(index) is shard else shard

    def _thaw(self, index: int) -> Values:
        if index in self._deadlines:
            self._deadlines[index] = self._deadlines[index].copy()
        shard = self._shards[index] = self._shards[index].copy()
        return shard

    # -- the whole --

    def snapshot(self) -> Iterator[bytes]:
        """Return the keys as they are now, about one shard a chunk; one snapshot at a time."""
        frozen = self._frozen = dict(enumerate(self._shards))
        return self._chunks(frozen, self._deadlines.copy())

    def _chunks(
        self, frozen: dict[int, Values], deadlines: dict[int, Deadlines]
    ) -> Iterator[bytes]:
        try:
            for index in range(SHARDS):
                yield from _cut(frozen[index], deadlines.get(index, _NONE))
                del frozen[index]
        finally:
            frozen.clear()  # a snapshot given up half-way keeps nothing alive

    def restore(self, chunk: bytes) -> None:
        """Add the keys of one chunk; raises msgspec.DecodeError when it is none."""
        part = msgspec.msgpack.decode(chunk, type=Part)
        for key, value in part.values.items():
            self._shards[crc32(key) & _MASK][key] = value
        for key, deadline_ms in part.deadlines.items():
            self._deadlines.setdefault(crc32(key) & _MASK, {})[key] = deadline_ms

    def restored(self) -> None:
        """All chunks are in: rebuild what is derived from them."""
        self._queue = SortedList(
            (at, key) for shard in self._deadlines.values() for key, at in shard.items()
        )

    def digest(self) -> bytes:
        """Return 32 bytes that equal keyspaces share; the order keys came in does not count."""
        digest = blake2b(_encode(self.time_ms), digest_size=32)
        for index, shard in enumerate(self._shards):
            deadlines = self._deadlines.get(index, _NONE)
            digest.update(_encode((sorted(shard.items()), sorted(deadlines.items()))))
        return digest.digest()
