"""Phase 3, broadcast (Medeiros, algorithm 3; DSN 2011, section 4).

The primary gives everything proposed in one turn the next zxids and sends it in one PROPOSE a
follower; a follower logs it and acknowledges; what a quorum has logged is committed, in order.

The papers' channels are FIFO and lose nothing without breaking.  Ours may: so a PROPOSE says what
it follows, a PING says how far the leader has sent, and a follower that misses something says so.
"""

from __future__ import annotations

from comitia.kernel import Log, NodeId, Out, Propose, Slot, fired, received, replace
from comitia.protocols.zab.configuration import Configuration
from comitia.protocols.zab.messages import (
    MAX_COUNTER,
    Ack,
    Commit,
    CommitLd,
    Got,
    NewEpoch,
    Ping,
    Proposal,
    Snap,
    Txn,
    counter_of,
    epoch_of,
    zxid_of,
)
from comitia.protocols.zab.state import LEADING, NOTHING, Learner
from comitia.protocols.zab.synchronisation import Synchronisation, joined


class Broadcast(Synchronisation):
    """Delivering the primary's transactions everywhere, in its order."""

    # The primary.

    def on_propose(self, request: Propose, out: Out) -> None:
        if self.role != LEADING or not self.established:
            out.refuse(request, "this server is not the leader")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over")
        elif not request.value:
            out.refuse(request, "an empty value says nothing")
        elif self.history.last - self.committed >= self.options.max_uncommitted:
            out.refuse(request, "too many transactions are not committed yet")
        else:
            self.append(request.value, None)

    def append(self, value: bytes, configuration: Configuration | None) -> None:
        """Step l.3.1: the next zxid of this epoch."""
        assert self.role == LEADING and self.is_synchronised
        last = self.last_zxid
        counter = counter_of(last) if epoch_of(last) == self.epoch else 0
        assert counter < MAX_COUNTER, "a new epoch begins long before"
        txn = Txn(zxid_of(self.epoch, counter + 1), value, configuration)
        self.history = self.history.append((txn,))
        if configuration is not None:
            self.adopt_configurations(self.history.last - 1)

    def replicate(self, out: Out) -> None:
        """The end of a leader's turn."""
        history = self.history
        last = history.last
        for peer, learner in self.peers():
            if 0 < learner.next <= history.first:  # what it needs is compacted away meanwhile
                self.send_snap(peer, learner, out)
            elif learner.next and (learner.next <= last or not learner.told):
                self.stream(peer, learner, out)
            elif learner.committed_sent < self.committed and learner.acked >= 0:
                out.send_early(peer, Commit(self.epoch, self.committed))
                self.learners = self.learners.set(
                    peer, replace(learner, committed_sent=self.committed)
                )
        if self.own_sent < last:
            self.own_sent = last
            out.send(self.id, Ack(self.epoch, last))

    def peers(self) -> list[tuple[NodeId, Learner]]:
        """Everybody else who has accepted the epoch, ascending."""
        return [item for item in sorted(self.learners.items()) if item[0] != self.id]

    @received(Ack)
    def on_ack(self, src: NodeId, message: Ack, out: Out) -> None:
        """Step l.3.2: an acknowledgement counts in its own epoch only."""
        if self.role != LEADING or message.epoch != self.epoch:
            return
        learner = self.note_acked(src, message.slot, out)
        if learner is not None and message.round > learner.round:
            self.learners = self.learners.set(src, replace(learner, round=message.round))
            self.on_round(out)

    def note_acked(self, peer: NodeId, slot: Slot, out: Out) -> Learner | None:
        learner = self.learners.get(peer)
        if learner is None:
            return None
        if peer not in self.active:
            self.active |= {peer}
        assert slot <= self.history.last, f"n{peer} has more of this epoch than its leader"
        news = slot > learner.acked
        inflight = learner.inflight
        if inflight and inflight[0] <= slot:
            inflight = tuple(end for end in inflight if end > slot)
        elif not news:
            return learner
        # After a complaint what is sent again may be acknowledged already.
        following = max(learner.next, slot + 1) if learner.next else 0
        acked = max(slot, learner.acked)
        learner = replace(learner, acked=acked, inflight=inflight, next=following)
        self.learners = self.learners.set(peer, learner)
        if news:
            if slot > self.committed or not self.established:
                self.advance(out)
            self.on_caught_up(peer, out)
        return self.learners.get(peer)

    def acked_by(self, voter: NodeId) -> Slot:
        learner = self.learners.get(voter)
        return NOTHING if learner is None else learner.acked

    def advance(self, out: Out) -> None:
        """Commit what a quorum has on disk.

        Everybody counted has taken over this epoch's history, so it is the same up to there; and
        the first time a quorum has it at all, the leader is established.
        """
        slot = self.configuration.reached(self.acked_by)
        if slot < self.initial:
            return
        if not self.established:
            self.establish(out)
        if slot > self.committed:
            self.commit_to(slot, out)

    def commit_to(self, slot: Slot, out: Out) -> None:
        history = self.history
        assert self.committed < slot <= history.last, (self.committed, slot, history.last)
        for position in range(self.committed + 1, slot + 1):
            out.deliver(position, history[position].value)
        self.committed = slot
        if self.role == LEADING:
            self.on_committed(out)

    # The followers.

    @received(Proposal)
    def on_proposal(self, src: NodeId, message: Proposal, out: Out) -> None:
        """Step f.3.1: log it, then acknowledge."""
        if not self.is_from_leader(src, message.epoch):
            return
        if self.epoch != self.current_epoch:
            # NEWLEADER is on its way, or lost: what follows it waits with the rest.
            self.receive(message, out)
            return
        if message.base > self.history.last:
            self.say_where(out)
            return
        self.log(message.base, message.txns)
        out.send(src, Ack(self.epoch, self.history.last))
        self.commit_up_to(message.committed, out)

    def log(self, base: Slot, txns: tuple[Txn, ...]) -> None:
        """Add what is new.  Within an epoch all histories are prefixes of the leader's."""
        history: Log[Txn] = self.history
        last = history.last
        if base < history.first:  # an old copy; what is compacted is here
            txns, base = txns[history.first - base :], history.first
        longer = joined(history, base, txns)
        if longer is not history:
            assert longer.last > last, "two proposals of one zxid"
            self.history = longer
            self.adopt_configurations(last)

    def commit_up_to(self, slot: Slot, out: Out) -> None:
        slot = min(slot, self.history.last)
        if slot > self.committed:
            self.commit_to(slot, out)

    @received(Commit)
    def on_commit(self, src: NodeId, message: Commit, out: Out) -> None:
        """Step f.3.2: deliver what is committed, if it is here."""
        if self.is_from_leader(src, message.epoch) and self.is_synchronised:
            self.commit_up_to(message.slot, out)

    @received(CommitLd)
    def on_commit_ld(self, src: NodeId, message: CommitLd, out: Out) -> None:
        """Step f.2.2: deliver what is committed of the history that was taken over."""
        if self.is_from_leader(src, message.epoch) and self.is_synchronised:
            self.commit_up_to(message.slot, out)

    # Pings, and saying again what may have been lost.

    @fired("ping")
    def on_ping_timer(self, out: Out) -> None:
        assert self.role == LEADING
        out.set_timer("ping", after=(self.options.ping_ms,) * 2)
        last = self.last_zxid
        if epoch_of(last) == self.epoch and counter_of(last) > MAX_COUNTER - (1 << 20):
            self.renew_epoch(out)
            return
        if self.discovered:
            self.begin_round(out)
        for peer in self.configuration.members():
            if peer == self.id:
                continue
            if peer not in self.active:  # it may be waiting for a word, or be new
                out.send(peer, self.notification())
            if self.epoch == 0 or peer not in self.cepochs:
                continue
            learner = self.learners.get(peer)
            if learner is None or not (learner.next or learner.needs_snapshot):
                out.send(peer, NewEpoch(self.epoch))
            elif learner.needs_snapshot and peer in self.active:
                out.send_snapshot(peer, Snap(self.epoch, self.snapshot))  # goes on where it was
            if learner is not None and learner.acked < 0:
                self.repeat_synchronisation(peer, learner, out)

    def repeat_synchronisation(self, peer: NodeId, learner: Learner, out: Out) -> None:
        """Who has not taken over the history yet is not in any round of pings."""
        if learner.told and learner.next > self.history.first:  # else it is sent a snapshot
            self.send_new_leader(peer, learner.next - 1, out)
        self.learners = self.learners.set(peer, replace(learner, complained=False))
        out.send(peer, self.ping_of(learner))

    def ping_of(self, learner: Learner) -> Ping:
        return Ping(self.epoch, self.ping_round, learner.next - 1, self.committed)

    @received(Ping)
    def on_ping(self, src: NodeId, message: Ping, out: Out) -> None:
        if not self.is_from_leader(src, message.epoch):
            return
        here = self.received_history().last
        if self.epoch == self.current_epoch:
            self.hear(out)
            out.send(src, Ack(self.epoch, here, message.round))
            self.commit_up_to(message.committed, out)
        else:
            self.be_patient(out)
            out.send(src, Got(self.epoch, here))
        if message.last > here:
            self.say_where(out)

    # Brought by reads.

    def on_round(self, out: Out) -> None:
        raise NotImplementedError
