"""The keys of a Redis database: sharded, with deadlines, and with snapshots that stop nobody.

Keys are spread over `SHARDS` dictionaries by CRC-32.  A snapshot remembers which shards there are;
a shard is copied when it is first written after that, so the snapshot goes on showing the moment
it was taken, for the price of one shard at a time (Redis pays for a fork of the whole process).

Time is the machine's, which only batches move.  A key whose deadline has passed is invisible at
once and removed soon after, a bounded number at a time, at the same place of the log everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


_NO_DEADLINES: dict[bytes, int] = {}


class Shard(dict[bytes, Value]):
    """The values of keys whose CRC-32 ends alike, and some keys' deadlines.

    A key that is written at random is not in the processor's cache: what counts is how many
    objects lie between it and the keyspace.  So the shard is itself the dictionary, and all that
    have no deadlines share an empty one.
    """

    __slots__ = ("deadlines",)

    def __init__(self, values: Mapping[bytes, Value], deadlines: Mapping[bytes, int]) -> None:
        super().__init__(values)
        self.deadlines = dict(deadlines) if deadlines else _NO_DEADLINES

    def die_at(self, key: bytes, deadline_ms: int) -> None:
        """Give `key` this deadline in place of any other."""
        if self.deadlines is _NO_DEADLINES:
            self.deadlines = {}
        self.deadlines[key] = deadline_ms

    def chunks(self) -> Iterator[bytes]:
        """Return the chunks of this shard: mostly one, none when it is empty."""
        if sum(map(len, self.values())) <= CHUNK:
            if self:
                yield _encode(Part(self, self.deadlines))
            return
        part, size = Part({}, {}), 0
        for key, value in self.items():
            part.values[key] = value
            if key in self.deadlines:
                part.deadlines[key] = self.deadlines[key]
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
        self._frozen: dict[int, Shard] = {}
        self.clear()

    def clear(self) -> None:
        """Remove every key."""
        for key in self._watchers:
            if self.get(key) is not None:
                self.watches.touch(key)
        self._shards = [Shard({}, {}) for _ in range(SHARDS)]
        self._queue: SortedList[tuple[int, bytes]] = SortedList()  # deadlines, soonest first

    # -- reading; never changes anything, so that reads need no log --

    def get(self, key: bytes) -> Value | None:
        """Return the value of `key`, or None."""
        shard = self._shards[crc32(key) & _MASK]
        value = shard.get(key)
        if value is None or not shard.deadlines:
            return value
        return None if shard.deadlines.get(key, self.time_ms + 1) <= self.time_ms else value

    def deadline(self, key: bytes) -> int | None:
        """Return the deadline of the visible `key`, in ms, or None when it has none."""
        return self._shards[crc32(key) & _MASK].deadlines.get(key)

    def expired(self, key: bytes) -> bool:
        """Is `key` past its deadline and not yet removed?"""
        deadline = self.deadline(key)
        return deadline is not None and deadline <= self.time_ms

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def visible(self, index: int) -> list[bytes]:
        """Return the visible keys of shard `index`, in the order they were added."""
        shard = self._shards[index]
        if not shard.deadlines:
            return list(shard)
        now, deadlines = self.time_ms, shard.deadlines
        return [key for key in shard if deadlines.get(key, now + 1) > now]

    # -- writing --

    def put(self, key: bytes, value: Value) -> None:
        """Give `key` this value and no deadline."""
        index = crc32(key) & _MASK
        shard = self._shards[index]
        if self._frozen and self._frozen.get(index) is shard:
            shard = self._thaw(index)
        shard[key] = value
        if shard.deadlines:
            self._live_on(shard, key)
        if self._watchers:
            self.watches.touch(key)

    def update(self, key: bytes, value: Value) -> None:
        """Give `key` this value; a deadline still ahead of it stays."""
        deadline = self.deadline(key)
        self.put(key, value)
        if deadline is not None and deadline > self.time_ms:
            self._writable(key).die_at(key, deadline)
            self._queue.add((deadline, key))

    def remove(self, key: bytes) -> bool:
        """Remove `key`; return whether it was visible."""
        shard = self._shards[crc32(key) & _MASK]
        if key not in shard:
            return False
        was = not self.expired(key)
        shard = self._writable(key)
        del shard[key]
        self._live_on(shard, key)
        if self._watchers:
            self.watches.touch(key)
        return was

    def expire(self, key: bytes, deadline_ms: int) -> None:
        """Give the present `key` a deadline."""
        shard = self._writable(key)
        assert key in shard, "a deadline for a key that is not there"
        self._live_on(shard, key)
        shard.die_at(key, deadline_ms)
        self._queue.add((deadline_ms, key))
        if self._watchers:
            self.watches.touch(key)

    def persist(self, key: bytes) -> bool:
        """Take the deadline of the visible `key` away; return whether it had one."""
        had = self._live_on(self._writable(key), key)
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

    def _live_on(self, shard: Shard, key: bytes) -> bool:
        """Take the deadline of `key` away, if it has one."""
        deadline_ms = shard.deadlines.pop(key, None)
        if deadline_ms is None:
            return False
        self._queue.remove((deadline_ms, key))
        return True

    def _writable(self, key: bytes) -> Shard:
        index = crc32(key) & _MASK
        shard = self._shards[index]
        return self._thaw(index) if self._frozen.get(index) is shard else shard

    def _thaw(self, index: int) -> Shard:
        frozen = self._shards[index]
        shard = self._shards[index] = Shard(frozen, frozen.deadlines)
        return shard

    # -- the whole --

    def snapshot(self) -> Iterator[bytes]:
        """Return the keys as they are now, about one shard a chunk; one snapshot at a time."""
        frozen = self._frozen = dict(enumerate(self._shards))
        return self._chunks(frozen)

    def _chunks(self, frozen: dict[int, Shard]) -> Iterator[bytes]:
        try:
            for index in range(SHARDS):
                yield from frozen[index].chunks()
                del frozen[index]
        finally:
            frozen.clear()  # a snapshot given up half-way keeps nothing alive

    def restore(self, chunk: bytes) -> None:
        """Add the keys of one chunk; raises msgspec.DecodeError when it is none."""
        part = msgspec.msgpack.decode(chunk, type=Part)
        for key, value in part.values.items():
            self._shards[crc32(key) & _MASK][key] = value
        for key, deadline_ms in part.deadlines.items():
            self._shards[crc32(key) & _MASK].die_at(key, deadline_ms)

    def restored(self) -> None:
        """All chunks are in: rebuild what is derived from them."""
        self._queue = SortedList(
            (at, key) for shard in self._shards for key, at in shard.deadlines.items()
        )

    def digest(self) -> bytes:
        """Return 32 bytes that equal keyspaces share; the order keys came in does not count."""
        digest = blake2b(_encode(self.time_ms), digest_size=32)
        for shard in self._shards:
            rows = sorted(shard.items())
            digest.update(_encode((rows, sorted(shard.deadlines.items()))))
        return digest.digest()
