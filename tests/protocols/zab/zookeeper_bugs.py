"""Servers that make ZooKeeper's mistakes: each takes a step apart that the paper takes at once.

Named after the tickets of ZooKeeper's tracker.  What ZooKeeper does with threads and files is here
a second write (`Node.apart`), a message to oneself or a timer: between the two the simulator
crashes, or something else comes in.
"""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Log, NodeId, Out, Slot, fired
from comitia.protocols.zab import Txn, ZabServer
from comitia.protocols.zab.messages import Ack, AckLd, Commit, CommitLd, NewLeader, Proposal
from comitia.protocols.zab.state import FOLLOWING


class Zookeeper4643(ZabServer):
    """NEWLEADER: the epoch is on disk before the history.

    A crash between the two leaves an old history under a new epoch; it wins an election against
    those that hold more.
    """

    apart: ClassVar[tuple[tuple[str, ...], ...]] = (("current_epoch",),)


class LogsLater(ZabServer):
    """NEWLEADER: the epoch is on disk and ACK-LD leaves, but the history is still to be written."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.unwritten: Log[Txn] | None = None

    def on_new_leader(self, src: NodeId, message: NewLeader, out: Out) -> None:
        if self.unwritten is not None or not self.is_from_leader(src, message.epoch):
            return
        log = self.received_history()
        here = log.first <= message.slot <= log.last
        if self.is_synchronised or not here or log[message.slot].zxid != message.zxid:
            super().on_new_leader(src, message, out)
            return
        self.unwritten = log.cut_after(message.slot)
        self.current_epoch = self.epoch
        out.send(src, AckLd(self.epoch, message.slot))
        self.write_later(message, out)

    def write_later(self, message: NewLeader, out: Out) -> None:
        raise NotImplementedError

    def on_message(self, src: NodeId, message: object, out: Out) -> None:
        if isinstance(message, NewLeader) and src == self.id:
            self.write(message, out)
        elif self.unwritten is None or not isinstance(message, Proposal | Commit):
            super().on_message(src, message, out)  # type: ignore[arg-type]

    def write(self, message: NewLeader, out: Out) -> None:
        """What was to be written is."""
        if self.unwritten is not None and self.epoch == message.epoch:
            history, self.unwritten = self.unwritten, None
            self.take_over(history, out)

    def leave_phase(self, reason: str, out: Out) -> None:
        self.unwritten = None
        super().leave_phase(reason, out)


class Zookeeper4646(LogsLater):
    """The thread that logs has the history in its queue when ACK-LD leaves."""

    def write_later(self, message: NewLeader, out: Out) -> None:
        out.send(self.id, message)


class Zookeeper3911(LogsLater):
    """What a DIFF brought is logged when UPTODATE (COMMIT-LD) comes, not before ACK-LD."""

    def write_later(self, message: NewLeader, out: Out) -> None:
        pass

    def on_commit_ld(self, src: NodeId, message: CommitLd, out: Out) -> None:
        if self.unwritten is not None:
            self.write(NewLeader(message.epoch, 0, 0), out)
        super().on_commit_ld(src, message, out)


class Zookeeper4785(LogsLater):
    """The transactions of a DIFF are logged one after the other while ACK-LD is on its way: a
    server that is bounced meanwhile has some of them, under the new epoch.
    """

    def write_later(self, message: NewLeader, out: Out) -> None:
        out.send(self.id, message)

    def write(self, message: NewLeader, out: Out) -> None:
        log = self.unwritten
        if log is None or self.epoch != message.epoch:
            return
        shared = self.history.shared_until(log)
        if shared + 1 >= log.last:
            super().write(message, out)
        else:
            self.history = log.cut_after(max(shared, self.committed) + 1)
            self.adopt_configurations(self.snapshot.slot)
            out.send(self.id, message)


class Zookeeper2845(ZabServer):
    """The database in memory is kept when a server goes back to looking: its last zxid, which
    leaves out what is logged and not committed, is what the server votes and synchronises with; so
    nobody tells it to truncate its log, and after a restart that is back.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.retained = False

    @property
    def last_zxid(self) -> int:
        if self.retained and self.role == FOLLOWING and not self.is_synchronised:
            return self.history[self.committed].zxid
        return super().last_zxid

    def leave_phase(self, reason: str, out: Out) -> None:
        self.retained = self.retained or self.is_synchronised
        super().leave_phase(reason, out)

    def on_new_leader(self, src: NodeId, message: NewLeader, out: Out) -> None:
        log, slot = self.history, message.slot
        ahead = self.retained and self.incoming is None and log.first <= slot < log.last
        awaited = self.is_from_leader(src, message.epoch) and not self.is_synchronised
        if ahead and awaited and log[slot].zxid == message.zxid:
            self.take_over(log, out)  # an empty DIFF: nothing to do, nothing to truncate
        super().on_new_leader(src, message, out)


class CountsPackets(ZabServer):
    """Keeps a list of proposals that wait for their COMMIT, as ZooKeeper's followers do."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.not_committed: frozenset[Slot] = frozenset()

    def on_start(self, out: Out) -> None:
        super().on_start(out)
        self.not_committed = frozenset(range(self.committed + 1, self.history.last + 1))

    def take_over(self, history: Log[Txn], out: Out) -> None:
        super().take_over(history, out)
        self.not_committed = frozenset(range(self.committed + 1, history.last + 1))

    def log(self, base: Slot, txns: tuple[Txn, ...]) -> None:
        before = self.history.last
        super().log(base, txns)
        self.not_committed |= {*range(before + 1, self.history.last + 1)}

    def commit_up_to(self, slot: Slot, out: Out) -> None:
        for committed in range(self.committed + 1, min(slot, self.history.last) + 1):
            assert committed in self.not_committed, f"null: COMMIT of {committed}, but no PROPOSAL"
        super().commit_up_to(slot, out)


class Zookeeper4394(CountsPackets):
    """NEWLEADER empties the list, also of proposals whose COMMIT is yet to come: that COMMIT then
    finds nothing (a NullPointerException).
    """

    def take_over(self, history: Log[Txn], out: Out) -> None:
        super().take_over(history, out)
        self.not_committed = frozenset()


class LogsByAThread(ZabServer):
    """What is proposed is queued, and logged and acknowledged by somebody else a moment later."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.queue: tuple[Proposal, ...] = ()

    def on_proposal(self, src: NodeId, message: Proposal, out: Out) -> None:
        if not self.is_from_leader(src, message.epoch) or not self.is_synchronised:
            super().on_proposal(src, message, out)
            return
        self.queue += (message,)
        out.set_timer("sync_thread", after=(1, 400))

    @fired("sync_thread")
    def on_sync_thread_timer(self, out: Out) -> None:
        queue, self.queue = self.queue, ()
        for message in queue:
            self.log_queued(message, out)

    def log_queued(self, message: Proposal, out: Out) -> None:
        if self.leader_id is not None:
            super().on_proposal(self.leader_id, message, out)

    def leave_phase(self, reason: str, out: Out) -> None:
        self.queue = ()
        super().leave_phase(reason, out)


class Zookeeper4712(LogsByAThread):
    """A follower that shuts down leaves its logging thread running: what an old leader proposed is
    logged behind the history of a new one.
    """

    def leave_phase(self, reason: str, out: Out) -> None:
        queue = self.queue
        super().leave_phase(reason, out)
        self.queue = queue

    def log_queued(self, message: Proposal, out: Out) -> None:
        if message.epoch == self.epoch or message.base != self.history.last:
            super().log_queued(message, out)
        else:
            self.history = self.history.append(message.txns)
            if self.leader_id is not None:
                out.send(self.leader_id, Ack(message.epoch, self.history.last))


class Zookeeper4925(ZabServer):
    """What a server received while it synchronised is missing from the list that it serves DIFFs
    from; as a leader it hands the hole on to whoever lacks the same.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.unlisted: frozenset[int] = frozenset()

    def take_over(self, history: Log[Txn], out: Out) -> None:
        new = history.slice(self.history.shared_until(history) + 1, history.last)
        self.unlisted |= {txn.zxid for txn in new}
        super().take_over(history, out)

    def txns_from(self, first: Slot) -> tuple[Txn, ...]:
        txns = super().txns_from(first)
        return tuple(txn for txn in txns if txn.zxid not in self.unlisted) or txns

    def on_new_leader(self, src: NodeId, message: NewLeader, out: Out) -> None:
        log = self.received_history()
        awaited = self.is_from_leader(src, message.epoch) and not self.is_synchronised
        if awaited and self.incoming is not None and log[log.last].zxid == message.zxid:
            self.take_over(log, out)  # only the last zxid is looked at
        super().on_new_leader(src, message, out)
