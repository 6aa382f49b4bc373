"""A replicated machine, between front doors and the host of one member.

All commands that arrive in one turn of the event loop form one batch, which is one value of the
log; all reads of a turn share one question to the protocol.  A batch goes to the leader, through
its service when the leader is another member, and the member it came from answers its own clients
when it applies the batch itself.

A batch that gets no answer is sent again, as the same batch: sessions see to it that it cannot
take effect twice (`comitia.machines.sessions`).  What cannot be served in `deadline_ms` is given
up with an error that tells two cases apart: certainly not executed, or outcome unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from comitia.kernel import NodeId, Propose, Read, Record, Replica, Request, Slot
from comitia.machines.machine import Command, Machine, Told
from comitia.machines.reply import Failure, Reply
from comitia.machines.sessions import Batch, Fate, Sessions, decode_batch
from comitia.net.application import Hosting
from comitia.serve.backend import Done
from comitia.serve.gathering import RESEND_MS, Gathered, Outgoing

MAX_IN_FLIGHT = 16 << 20
"""Bytes of commands under way above which clients are not read."""
SOON_S = 0.002
"""Batches that take no longer go one by one, each with all that came during the one before."""
TICK_S = 0.1

NO_LEADER = Failure("CLUSTERDOWN not executed: this member knows of no leader; try again")
UNKNOWN = Failure(
    "UNKNOWN outcome: the cluster did not answer in time; the command may have been executed, "
    "or may still be, once; read before you repeat it"
)

_FORWARD, _REFUSED = b"F", b"R"  # the first byte of what services tell each other


class _Refused(Record):
    """To the member a batch came from: this copy of it was certainly not appended."""

    incarnation: int
    sequence: int


_decode_refused = msgspec.msgpack.Decoder(_Refused).decode


class Service:
    """One member's part; an `Application` below, a `Backend` above."""

    def __init__(
        self,
        machine: Machine,
        reads: Literal["lease", "index", "stale"] = "lease",
        deadline_ms: int = 5000,
    ) -> None:
        """With `reads="stale"` a read shows what this member has applied, however old.

        Otherwise it is linearizable: how, by lease or by index, is the protocol's option.
        """
        self.member: NodeId = 0
        self.deadline_ms = deadline_ms
        self.sessions = Sessions(machine)
        self._machine, self._stale = machine, reads == "stale"
        self._incarnation = 0  # chosen when the first batch is made
        self._next = 1  # sequence
        self._writes: deque[Gathered] = deque()  # not yet a batch
        self._outgoing: deque[Outgoing] = deque()  # batches without a reply, by sequence
        self._reads = Gathered()
        self._questions: dict[int, Gathered] = {}  # asked of the protocol, by token
        self._token = 0
        self._answered: list[tuple[Slot, Gathered]] = []  # wait for the machine to come so far
        self._leader: NodeId | None = None
        self._again = False  # send all batches again
        self._patience_ms = 0  # not before this moment
        self._pace_s = SOON_S  # how long a batch takes, lately
        self._in_flight = 0
        self._resume: list[Callable[[], None]] = []
        self._no_writes: Failure | None = None
        self.awaited = 0
        """How many commands wait once all clients that were just answered have asked again."""
        self._ticking = False

    def attach(self, host: Hosting) -> None:
        """Name the host, before any client is served; until then values are only applied."""
        assert isinstance(host.node, Replica), "a service needs a replicated log"
        self._host, self._node, self.member = host, host.node, host.node.id

    # -- the front door's side: see `Backend` --

    def write(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Execute `commands` through the log."""
        if not self._writes or not self._writes[-1].has_room(size):
            self._writes.append(Gathered(self._begin()))
        self._writes[-1].add(commands, size, done)
        self._in_flight += size

    def read(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Execute `commands` on this member, when its machine shows a recent enough state."""
        if not self._reads.commands:
            self._reads.since_ms = self._begin()
        self._reads.add(commands, size, done)
        self._in_flight += size

    def _begin(self) -> int:
        """The first of several commands came: return when."""
        self._host.wake()
        if not self._ticking:
            self._tick_later()
        return self._host.now_ms()

    @property
    def full(self) -> bool:
        """Is more under way than memory should hold?"""
        return self._in_flight > MAX_IN_FLIGHT

    def on_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` whenever `full` has become False again."""
        self._resume.append(resume)

    def facts(self) -> Mapping[str, str | int]:
        """Return what operators ask for first."""
        return {
            "member": self.member,
            "leader": self._node.leader or 0,
            "applied_slot": self._host.applied,
            "bytes_in_flight": self._in_flight,
            "batches_in_flight": len(self._outgoing),
        }

    def _answering(self, gathered: Gathered) -> Told:
        """Return what tells the clients their replies; they no longer count as waiting."""
        was_full = self.full
        self._in_flight -= gathered.size
        self.awaited = max(self.awaited, self.gathered) + len(gathered.commands)
        if was_full and not self.full:
            for resume in self._resume:
                resume()
        return gathered.answer

    def _fail(self, gathered: Gathered, failure: Failure) -> None:
        self._answering(gathered)([failure] * len(gathered.commands))

    # -- the host's side: see `Application` --

    @property
    def gathered(self) -> int:
        """How many commands wait for `before_turn`."""
        return sum([len(each.commands) for each in self._writes]) + len(self._reads.commands)

    @property
    def serving(self) -> bool:
        """Whether clients of this member wait for answers."""
        return self._in_flight > 0

    def before_turn(self) -> None:
        """Make batches and questions of what was gathered since the last turn."""
        if not self.member:
            return
        self.awaited = 0
        leader = self._node.leader
        if leader != self._leader or self._again:
            self._leader, self._again = leader, False
            for outgoing in self._outgoing:
                self._send(outgoing)
        if self._reads.commands:
            self._ask()
        if len(self._writes) > 1 or not self._answers_soon():
            while self._writes:
                self._send_new(self._writes.popleft())

    def _answers_soon(self) -> bool:
        """Say whether what was gathered had better wait for the answers of the batch under way.

        A batch costs the members much the same whatever its size, and clients that are answered
        ask again: what comes in meanwhile shares their next batch.
        """
        if not self._outgoing or self._pace_s > SOON_S:
            return False
        return time.monotonic() < self._outgoing[-1].sent_s + SOON_S

    def _ask(self) -> None:
        reads, self._reads = self._reads, Gathered()
        # Some key's time is over, which only the log may decide.
        due = self._no_writes is None and self._machine.due(self._host.now_ms())
        if self._stale:
            if due and not self._outgoing:
                self._writes.append(Gathered(self._host.now_ms()))  # a batch that moves the time
            self._execute(reads)
        elif due:
            self._writes.append(reads)
        else:
            self._question(reads)

    def _question(self, reads: Gathered) -> None:
        self._token += 1
        self._questions[self._token] = reads
        reads.asked_ms = self._host.now_ms()
        self._host.request(Read(self._token))

    def _execute(self, reads: Gathered) -> None:
        replies = self._machine.read(reads.commands, self._host.now_ms(), self._answering(reads))
        assert len(replies) == len(reads.commands), (len(replies), len(reads.commands))

    def _send_new(self, gathered: Gathered) -> None:
        if self._no_writes is not None:
            self._fail(gathered, self._no_writes)
            return
        if not self._incarnation:
            heard_of = self.sessions.incarnation(self.member)
            self._incarnation = max(self._host.now_ms(), heard_of + 1)
        outgoing = Outgoing(self._next, gathered)
        self._next += 1
        self._outgoing.append(outgoing)
        self._send(outgoing)

    def _send(self, outgoing: Outgoing) -> None:
        if (leader := self._leader) is None:
            return
        outgoing.sent(self._host.now_ms())
        value = self.sessions.encode(
            Batch(
                self.member,
                self._incarnation,
                outgoing.sequence,
                self._outgoing[0].sequence,
                outgoing.gathered.since_ms,
                outgoing.gathered.commands,
            )
        )
        if leader == self.member:
            self._host.request(Propose(value))
        else:
            self._host.send_application(leader, _FORWARD + value)

    def application_message(self, src: NodeId, payload: bytes) -> None:
        """Another member's batch to propose, or what became of one of ours."""
        if not self.member:
            return  # lost, as messages may be
        if payload.startswith(_FORWARD):
            self._host.request(Propose(payload[1:]))
        elif payload.startswith(_REFUSED):
            try:
                refused = _decode_refused(memoryview(payload)[1:])
            except msgspec.MsgspecError:
                return  # not of this version: the batch is sent again in time
            self._on_refused(refused.incarnation, refused.sequence)

    def refused(self, request: Request, reason: str) -> None:
        """The protocol took nothing: the batch or question is tried again at the next tick."""
        if isinstance(request, Propose):
            if (batch := decode_batch(request.value)) is None:
                return
            if batch.origin == self.member:
                self._on_refused(batch.incarnation, batch.sequence)
            else:
                refused = msgspec.msgpack.encode(_Refused(batch.incarnation, batch.sequence))
                self._host.send_application(batch.origin, _REFUSED + refused)
        elif isinstance(request, Read) and request.token in self._questions:
            self._questions[request.token].asked_ms = 0

    def _on_refused(self, incarnation: int, sequence: int) -> None:
        if incarnation == self._incarnation and self._outgoing:
            place = sequence - self._outgoing[0].sequence
            if 0 <= place < len(self._outgoing):
                self._outgoing[place].copies -= 1
                self._outgoing[place].refused = True

    def answered(self, request: Request, result: object) -> None:
        """The reads that asked may be executed once the machine has applied slot `result`."""
        assert isinstance(request, Read) and isinstance(result, int)
        reads = self._questions.pop(request.token, None)
        if reads is not None:  # else it was asked again, or given up
            self._answered.append((result, reads))

    def apply(self, slot: Slot, value: bytes) -> None:
        """Execute a decided batch and, when it is of this member, answer its clients."""
        if not value:
            return  # the protocol's own
        batch, fate, replies = self.sessions.apply(value, self._whom)
        if batch is not None and batch.origin == self.member:
            self._settle(batch, fate, replies)

    def _whom(self, batch: Batch) -> Told | None:
        """Return what tells the replies of `batch` to clients, if any wait for them."""
        if batch.origin != self.member or batch.incarnation != self._incarnation:
            return None  # of another, or of the process that ran here before
        # In order: what stands before it was executed too, or given up.
        if not self._outgoing or self._outgoing[0].sequence != batch.sequence:
            return None
        first = self._outgoing.popleft()
        self._pace_s += (time.monotonic() - first.sent_s - self._pace_s) / 8
        return self._answering(first.gathered)

    def _settle(self, batch: Batch, fate: Fate, replies: Sequence[Reply]) -> None:
        if batch.incarnation != self._incarnation:
            return
        if fate is Fate.REPEATED and (told := self._whom(batch)):
            told(replies)
        elif fate is Fate.EARLY and self._host.now_ms() >= self._patience_ms:
            # One before it is lost: all go again, in order, once for all that arrive early.
            self._patience_ms = self._host.now_ms() + RESEND_MS
            self._again = True
        elif fate is Fate.OUTDATED:
            self._renumber()

    def _renumber(self) -> None:
        """A later incarnation than ours was heard of: the clock was set back before we started.

        No batch of ours will ever be executed under this number, so each may get another.
        """
        self._incarnation = self.sessions.incarnation(self.member) + 1
        for sequence, outgoing in enumerate(self._outgoing, 1):
            outgoing.sequence = sequence
            outgoing.copies = outgoing.sends = 0
        self._next = len(self._outgoing) + 1
        self._again = True

    def after_turn(self) -> None:
        """Execute the reads whose slot has been applied."""
        while self._writes and self._no_writes is not None:  # a full disk may stop `before_turn`
            self._fail(self._writes.popleft(), self._no_writes)
        if self._answered:
            applied = self._host.applied
            ready = [reads for slot, reads in self._answered if slot <= applied]
            self._answered = [waiting for waiting in self._answered if waiting[0] > applied]
            for reads in ready:
                self._execute(reads)
        if self._again or (self._outgoing and self._node.leader != self._leader):
            self._host.wake()

    def snapshot(self) -> Iterator[bytes]:
        """Return sessions and machine as they are now, in chunks."""
        return self.sessions.snapshot()

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace sessions and machine; a batch of ours may turn out to be executed."""
        self.sessions.restore(chunks)
        if self._incarnation and self.sessions.incarnation(self.member) > self._incarnation:
            self._renumber()
        while self._outgoing:
            sequence = self._outgoing[0].sequence
            replies = self.sessions.replies(self.member, self._incarnation, sequence)
            if replies is None:
                break
            self._answering(self._outgoing.popleft().gathered)(replies)

    def digest(self) -> bytes:
        """Return 32 bytes that equal replicas share."""
        return self.sessions.digest()

    def write_refused(self, reason: str | None) -> None:
        """The disk takes no more writes because of `reason`; None when it does again."""
        self._no_writes = None if reason is None else Failure(f"MISCONF not executed: {reason}")

    # -- time --

    def _tick_later(self) -> None:
        self._ticking = True
        asyncio.get_running_loop().call_later(TICK_S, self._on_tick)

    def _on_tick(self) -> None:
        self._ticking = False
        self.tick(self._host.now_ms())
        if self._in_flight:
            self._tick_later()

    def tick(self, now_ms: int) -> None:
        """Send again what had no answer, give up what has waited too long."""
        too_old = now_ms - self.deadline_ms
        while self._outgoing and self._outgoing[0].gathered.since_ms < too_old:
            given_up = self._outgoing.popleft()
            self._fail(given_up.gathered, UNKNOWN if given_up.copies else NO_LEADER)
        while self._writes and self._writes[0].since_ms < too_old:
            self._fail(self._writes.popleft(), NO_LEADER)
        for outgoing in list(self._outgoing):
            if outgoing.refused:
                self._send(outgoing)
        # Of those that had no answer the first is enough: if it was lost, it brings the others
        # forth (they arrive early); if the cluster is only slow, more would make it slower.
        if self._outgoing and self._outgoing[0].resend_ms < now_ms:
            self._send(self._outgoing[0])
        for token, reads in list(self._questions.items()):
            if reads.since_ms < too_old:
                self._fail(self._questions.pop(token), NO_LEADER)
            elif reads.asked_ms < now_ms - RESEND_MS:
                self._question(self._questions.pop(token))
        too_late = [reads for _, reads in self._answered if reads.since_ms < too_old]
        self._answered = [each for each in self._answered if each[1].since_ms >= too_old]
        for reads in too_late:
            self._fail(reads, NO_LEADER)
        self._host.wake()
