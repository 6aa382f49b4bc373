"""Phase 2, synchronisation (Medeiros, algorithm 2 and section 4.2: DIFF, TRUNC, SNAP).

The leader's history becomes everybody's.  A zxid determines all that precedes it: so where two
histories hold the same zxid they are equal up to there.  A follower whose last zxid the leader
holds is sent what follows (DIFF); one that has something else is first told to leave it out
(TRUNC), again until they meet; one that lacks what is compacted away gets a snapshot (SNAP).

What a follower receives replaces its history at NEWLEADER and not before: then history and epoch
change in one step, as the paper has it, and ACK-LD leaves when both are on disk.  ZooKeeper took
that step apart, and lost data in every way it can be taken apart: see `tests/protocols/zab`.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import Log, NodeId, Out, Slot, received, replace
from comitia.protocols.zab.discovery import Discovery
from comitia.protocols.zab.messages import (
    Ack,
    AckLd,
    CommitLd,
    Diff,
    Got,
    NewLeader,
    Proposal,
    Snap,
    SyncPoint,
    Trunc,
    Txn,
    Zxid,
    size_of,
)
from comitia.protocols.zab.state import LEADING, Learner


def last_at_most(history: Log[Txn], zxid: Zxid) -> Slot:
    """Return the last slot whose zxid is at most `zxid`; `history.first - 1` if there is none.

    Zxids rise along a history, so this halves.
    """
    low, high = history.first - 1, history.last
    while low < high:
        middle = (low + high + 1) // 2
        if history[middle].zxid <= zxid:
            low = middle
        else:
            high = middle - 1
    return low


def joined(log: Log[Txn], base: Slot, txns: tuple[Txn, ...]) -> Log[Txn]:
    """Return `log` with `txns` behind `base`, up to which they follow it; what is here stays."""
    known = min(log.last - base, len(txns))
    while known > 0 and log[base + known].zxid != txns[known - 1].zxid:
        known -= 1
    if known == len(txns):
        return log
    return log.cut_after(base + known).append(txns[known:])


class Synchronisation(Discovery):
    """Making the leader's history everybody's."""

    # The leader.

    def begin_synchronisation(self, out: Out) -> None:
        """Step l.2.1.  Its own NEWLEADER the leader accepts at once."""
        self.current_epoch = self.epoch
        self.initial = self.own_sent = self.history.last
        self.learners = Map({self.id: Learner(next=self.initial + 1, told=True)})
        out.send(self.id, AckLd(self.epoch, self.initial))
        for peer, zxid in sorted(self.acks_e.items()):
            self.synchronise(peer, zxid, out)

    def synchronise(self, peer: NodeId, zxid: Zxid, out: Out) -> None:
        """Find where the histories part; the end of the turn sends what follows (`stream`).

        From now on `peer` is sent every proposal, long before it acknowledges the new leader.
        """
        if peer == self.id:
            return
        learner = self.learners.get(peer) or Learner()
        slot = last_at_most(self.history, zxid)
        if slot < self.history.first:
            self.send_snap(peer, learner, out)
            return
        if self.history[slot].zxid == zxid:
            # What it acknowledged in this epoch it holds, even if this is an old answer.
            learner = replace(
                learner,
                next=max(slot, learner.acked) + 1,
                needs_snapshot=False,
                inflight=(),
                told=learner.acked >= 0,
            )
        else:
            learner = replace(learner, next=0, needs_snapshot=False, inflight=(), told=False)
            out.send(peer, Trunc(self.epoch, self.history[slot].zxid))
        self.learners = self.learners.set(peer, learner)

    def send_snap(self, peer: NodeId, learner: Learner, out: Out) -> None:
        """What `peer` needs next is compacted away."""
        out.send_snapshot(peer, Snap(self.epoch, self.snapshot))
        learner = replace(learner, next=0, needs_snapshot=True, inflight=(), told=False)
        self.learners = self.learners.set(peer, learner)

    @received(SyncPoint)
    def on_sync_point(self, src: NodeId, message: SyncPoint, out: Out) -> None:
        """The answer to TRUNC and SNAP; or something did not follow what `src` has: begin again,
        but not for each of many messages that were under way."""
        if self.role != LEADING or message.epoch != self.epoch:
            return
        self.active |= {src}
        learner = self.learners.get(src)
        if learner is None or (learner.next and learner.complained):
            return
        if learner.next:
            self.learners = self.learners.set(src, replace(learner, complained=True))
        self.synchronise(src, message.zxid, out)

    def stream(self, peer: NodeId, learner: Learner, out: Out) -> None:
        """Send what `peer` lacks: as DIFF, then NEWLEADER, then as PROPOSE."""
        before, history = learner, self.history
        while 0 < learner.next <= history.last and (
            len(learner.inflight) < self.options.max_inflight
        ):
            base = learner.next - 1
            txns = self.txns_from(learner.next)
            base_zxid = history[base].zxid
            # Early: they say nothing of this server's disk, and its epoch is on it since NEWEPOCH.
            if learner.told:
                proposal = Proposal(self.epoch, base, base_zxid, txns, self.committed)
                out.send_early(peer, proposal)
                learner = replace(learner, committed_sent=self.committed)
            else:
                out.send_early(peer, Diff(self.epoch, base, base_zxid, txns))
            end = base + len(txns)
            learner = replace(learner, next=end + 1, inflight=(*learner.inflight, end))
        if learner.next > history.last and not learner.told:
            self.send_new_leader(peer, learner.next - 1, out)
            learner = replace(learner, told=True)
        if learner is not before:
            self.learners = self.learners.set(peer, learner)

    def send_new_leader(self, peer: NodeId, slot: Slot, out: Out) -> None:
        """Step l.2.1: NEWLEADER(e', I_e'), to a latecomer with what was proposed since."""
        assert slot >= self.initial
        out.send(peer, NewLeader(self.epoch, slot, self.history[slot].zxid))

    def txns_from(self, first: Slot) -> tuple[Txn, ...]:
        """Return transactions from `first` on, at least one, as many as fit into a message."""
        last, _ = self.history.fitting(first, size_of, self.options.max_message_bytes)
        return self.history.slice(first, last)

    @received(Got)
    def on_got(self, src: NodeId, message: Got, out: Out) -> None:
        if self.role == LEADING and message.epoch == self.epoch:
            self.active |= {src}
            learner = self.learners.get(src)
            if learner is not None and learner.inflight:
                left = tuple(end for end in learner.inflight if end > message.slot)
                self.learners = self.learners.set(src, replace(learner, inflight=left))

    @received(AckLd)
    def on_ack_ld(self, src: NodeId, message: AckLd, out: Out) -> None:
        """Step l.2.2: a quorum of them establishes the leader; each counts as an ACK of all."""
        if self.role == LEADING and message.epoch == self.epoch:
            latecomer = self.established
            learner = self.note_acked(src, message.slot, out)
            if latecomer and learner is not None:
                out.send(src, CommitLd(self.epoch, self.committed))

    def establish(self, out: Out) -> None:
        """Step l.2.2: COMMIT-LD to whoever acknowledged; phase 3 begins."""
        self.established = True
        for peer, learner in sorted(self.learners.items()):
            if learner.acked >= 0 and peer != self.id:
                out.send(peer, CommitLd(self.epoch, self.initial))
        self.begin_round(out)

    # The followers.

    def received_history(self) -> Log[Txn]:
        """Return what is here of the history to take over."""
        return self.history if self.incoming is None else self.incoming

    def say_where(self, out: Out) -> None:
        """Tell the leader up to where its history is here, as far as this server knows."""
        assert self.leader_id is not None
        log = self.received_history()
        out.send(self.leader_id, SyncPoint(self.epoch, log[log.last].zxid))

    @received(Trunc)
    def on_trunc(self, src: NodeId, message: Trunc, out: Out) -> None:
        """Nothing leaves the disk: what was left out may be needed if this leader fails."""
        if not self.is_from_leader(src, message.epoch) or self.is_synchronised:
            return
        self.be_patient(out)
        slot = last_at_most(self.history, message.zxid)
        self.incoming = self.history.cut_after(max(slot, self.history.first))
        self.say_where(out)

    @received(Diff)
    def on_diff(self, src: NodeId, message: Diff, out: Out) -> None:
        if not self.is_from_leader(src, message.epoch):
            return
        if self.is_synchronised:
            out.send(src, Ack(self.epoch, self.history.last))
            return
        self.be_patient(out)
        self.receive(message, out)

    def receive(self, message: Diff | Proposal, out: Out) -> None:
        """Add to what is here, if that is equal to the leader's up to `base`."""
        log, base = self.received_history(), message.base
        if not log.first <= base <= log.last or log[base].zxid != message.base_zxid:
            self.say_where(out)
            return
        if self.incoming is None:
            log = log.cut_after(base)
        self.incoming = joined(log, base, message.txns)
        assert self.leader_id is not None
        out.send(self.leader_id, Got(self.epoch, self.incoming.last))

    @received(Snap)
    def on_snap(self, src: NodeId, message: Snap, out: Out) -> None:
        """All of it is committed, so it may be taken over at once."""
        if not self.is_from_leader(src, message.epoch):
            return
        snapshot, history = message.snapshot, self.history
        slot = snapshot.slot
        if slot > self.committed:
            if slot <= history.last and history[slot].zxid == snapshot.zxid:
                self.commit_to(slot, out)
            else:
                out.install(slot)
                self.snapshot, self.committed = snapshot, slot
                self.history = Log((Txn(snapshot.zxid),), first=slot)
                self.incoming = None
                self.adopt_configurations(slot)
        if self.is_synchronised:
            out.send(src, Ack(self.epoch, self.history.last))
        else:
            self.be_patient(out)
        self.say_where(out)

    @received(NewLeader)
    def on_new_leader(self, src: NodeId, message: NewLeader, out: Out) -> None:
        """Step f.2.1: the history, then its epoch, then ACK-LD; all in one step and on disk before
        the answer leaves.
        """
        if not self.is_from_leader(src, message.epoch):
            return
        if not self.is_synchronised:
            log, slot = self.received_history(), message.slot
            if not log.first <= slot <= log.last or log[slot].zxid != message.zxid:
                self.be_patient(out)
                self.say_where(out)
                return
            self.take_over(log.cut_after(slot) if self.incoming is None else log, out)
        out.send(src, AckLd(self.epoch, self.history.last))

    def take_over(self, history: Log[Txn], out: Out) -> None:
        """f.h := I_e' and f.a := e', atomically."""
        assert history.last >= self.committed, "a leader without something committed"
        self.history, self.incoming = history, None
        self.current_epoch = self.epoch
        self.adopt_configurations(self.snapshot.slot)
        out.cancel_timer("patience")
        out.cancel_timer("resend")
        self.hear(out)
