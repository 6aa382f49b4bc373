"""Exactly-once sessions around any machine.

A member gathers what its clients send into batches, numbers them, and may have to send a batch
again when a leader dies: then the log may hold it twice, or in another order than it was sent.
Every replica therefore keeps a session for each member and executes a batch only when it is the
next one: so each batch takes effect at most once and the batches of a member in the order of their
numbers, whatever happened on the way.  The replies are kept until the member says that it has
them, so that one that learns of its batch from a snapshot can still answer its clients.

Ongaro's thesis calls this linearizable semantics with client sessions (2014, section 6.3).
**Differs**: the session belongs to a member, not to each client, whose connections end with it;
and batches of one session are executed in order, which keeps the order of each client's commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from hashlib import blake2b
from itertools import chain
from typing import Annotated

import msgspec

from comitia.kernel import DecodeError, Record
from comitia.machines.machine import Machine, Told
from comitia.machines.reply import Failure, Reply, pack_replies, unpack_replies

_Command = Annotated[Sequence[bytes], msgspec.Meta(min_length=1)]


class Batch(Record):
    """Commands of one member's clients, in order; one value of the log."""

    origin: int
    """The member."""
    incarnation: int
    """Grows each time the member's process starts; 1 or more."""
    sequence: int
    """1, 2, 3 ... within an incarnation."""
    finished: int
    """The member waits for no batch with a smaller sequence: it has the replies or gave up."""
    time_ms: int
    """The member's wall clock when it made the batch."""
    commands: Sequence[_Command]


encode_batch = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


def decode_batch(value: bytes) -> Batch | None:
    """Return the batch in `value`, or None when there is none."""
    try:
        return _decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


RESTORED = b"restored from a backup"
"""The value that stands for everything before it: the state did not come about by the log."""


class StateMissing(Exception):
    """A member was sent the log of a restored cluster and not the state it begins with."""


class Fate(Enum):
    """What became of a batch."""

    EXECUTED = "executed now"
    REPEATED = "executed before: the replies are those of then"
    FINISHED = "its member no longer waits for it: ignored"
    EARLY = "a batch before it is missing: not executed; it may be sent again after that one"
    OUTDATED = "of an incarnation that has ended: not executed, nor will it ever be"
    MALFORMED = "these bytes are no batch: ignored"


class Session:
    """What a member has done so far."""

    __slots__ = ("first", "incarnation", "replies")

    def __init__(
        self, incarnation: int, first: int = 1, replies: Iterable[Sequence[Reply]] = ()
    ) -> None:
        self.incarnation = incarnation
        self.first = first
        """The smallest sequence that the member may still wait for."""
        self.replies = list(replies)
        """Of the executed batches from `first` on; the next to execute follows them."""

    def finish(self, first: int) -> None:
        """Forget what the member no longer waits for; what was not executed never will be."""
        if first > self.first:
            del self.replies[: first - self.first]
            self.first = first


MAX_KEPT = 1 << 16
"""Replies of a batch that are longer than this, about, do not travel in a snapshot."""
_NOT_KEPT = Failure("UNKNOWN reply: the command was executed, but what it returned is not known")


def _kept(replies: Sequence[Reply]) -> Sequence[Reply]:
    """Return what a snapshot says of the replies to a batch."""
    return replies if _weight(replies) <= MAX_KEPT else [_NOT_KEPT] * len(replies)


def _weight(reply: Reply) -> int:
    if isinstance(reply, bytes | str):
        return len(reply)
    if isinstance(reply, dict):
        return sum(map(_weight, reply.values()))
    return 8 + sum(map(_weight, reply)) if isinstance(reply, Sequence) else 8


class _Head(msgspec.Struct, array_like=True):
    """The first chunk of a snapshot: (origin, incarnation, first, replies) of every session."""

    sessions: list[tuple[int, int, int, msgspec.Raw]]


def _nobody(batch: Batch) -> None:
    """Nobody waits for the replies to `batch`."""


class Sessions:
    """A machine that is fed batches, of which some arrive twice, late, or never."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._sessions: dict[int, Session] = {}
        self._proposed: tuple[bytes, Batch | None] = (b"", None)  # the newest, and what it says

    def encode(self, batch: Batch) -> bytes:
        """Return `batch`, which this member proposes, as a value of the log.

        When it comes back as the same object, as it does to a leader, it is not decoded again: so
        it must be what others will decode, who take a batch with an empty command for none.
        """
        assert all(batch.commands), "an empty command"
        value = encode_batch(batch)
        self._proposed = (value, batch)
        return value

    def apply(
        self, value: bytes, whom: Callable[[Batch], Told | None] = _nobody
    ) -> tuple[Batch | None, Fate, Sequence[Reply]]:
        """Execute the batch in `value`, or do not; the replies are empty unless it ever was.

        `whom` is asked who is to be told the replies while a batch is executed.
        """
        proposed, batch = self._proposed
        if value is not proposed:
            batch = decode_batch(value)
        if batch is None:
            if value == RESTORED:
                raise StateMissing(
                    "the cluster was restored from a backup, and this member was not sent the "
                    "state that its log begins with: remove it and add a new one"
                )
            return None, Fate.MALFORMED, ()
        session = self._sessions.get(batch.origin)
        if session is None or batch.incarnation > session.incarnation:
            if session is not None:
                self.machine.forget(batch.origin)
            session = self._sessions[batch.origin] = Session(batch.incarnation)
        elif batch.incarnation < session.incarnation:
            return batch, Fate.OUTDATED, ()
        session.finish(batch.finished)
        place = batch.sequence - session.first
        if place < 0:
            return batch, Fate.FINISHED, ()
        if place < len(session.replies):
            return batch, Fate.REPEATED, session.replies[place]
        if place > len(session.replies):
            return batch, Fate.EARLY, ()
        replies = self.machine.apply(batch.commands, batch.time_ms, batch.origin, whom(batch))
        assert len(replies) == len(batch.commands), (len(replies), len(batch.commands))
        session.replies.append(replies)
        return batch, Fate.EXECUTED, replies

    def incarnation(self, origin: int) -> int:
        """Return the newest incarnation of `origin` that was heard of; 0 if none was."""
        session = self._sessions.get(origin)
        return session.incarnation if session is not None else 0

    def replies(self, origin: int, incarnation: int, sequence: int) -> Sequence[Reply] | None:
        """Return what a batch was answered if it was executed and not yet finished."""
        session = self._sessions.get(origin)
        if session is None or session.incarnation != incarnation:
            return None
        place = sequence - session.first
        return session.replies[place] if 0 <= place < len(session.replies) else None

    def _head(self) -> bytes:
        rows = [
            (origin, s.incarnation, s.first, msgspec.Raw(pack_replies(list(map(_kept, s.replies)))))
            for origin, s in sorted(self._sessions.items())
        ]
        return msgspec.msgpack.encode(_Head(rows))

    def digest(self) -> bytes:
        """Return 32 bytes that equal replicas share."""
        digest = blake2b(self._head(), digest_size=32)
        digest.update(self.machine.digest())
        return digest.digest()

    def snapshot(self) -> Iterator[bytes]:
        """Return sessions and machine as they are now, in chunks, while `apply` goes on."""
        return chain((self._head(),), self.machine.snapshot())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace sessions and machine; raises DecodeError when the chunks are no snapshot."""
        rest = iter(chunks)
        try:
            head = msgspec.msgpack.decode(next(rest, b""), type=_Head)
            sessions = {
                origin: Session(incarnation, first, unpack_replies(replies))
                for origin, incarnation, first, replies in head.sessions
            }
        except (msgspec.MsgspecError, ValueError) as error:
            raise DecodeError(f"no snapshot of sessions: {error}") from error
        self.machine.restore(rest)
        self._sessions = sessions
