"""Acceptors: figure 4 of PMMC.  An acceptor remembers what it promised and what it accepted.

It also grants leases (Paxos Made Live, section 5.2): having heard a leader, it promises nothing to
others for `lease_ms`, counted from when the message arrived.  After a restart it may have done so
just before, so it keeps quiet for as long: a lease can only be that of the ballot it had promised.
"""

from __future__ import annotations

from comitia.kernel import ZERO, Ballot, NodeId, Out, fired, received
from comitia.protocols.multipaxos.messages import P1a, P1b, P2a, P2b, Preempted, PValue
from comitia.protocols.multipaxos.state import State


class Acceptor(State):
    """Promises and accepts."""

    @received(P1a)
    def on_p1a(self, src: NodeId, message: P1a, out: Out) -> None:
        """Phase 1: promise, if the ballot is higher, and tell what was accepted."""
        if message.window != self.window:
            return  # founded with another WINDOW: it would propose where it may not
        ballot_num = message.ballot_num
        if self.lease_holder not in (None, src) and message.given_up != self.ballot_num:
            return  # its scout gives up, or asks again when the lease is over
        if ballot_num < self.ballot_num:
            out.send(src, Preempted(self.ballot_num))
            return
        self.promise(ballot_num, out)
        if src != self.id:
            self.wait(out)
        first = max(message.first, self.slot_out)
        pvalues: tuple[PValue, ...] = ()
        if first <= self.accepted.last:
            held = self.accepted.slice(first, self.accepted.last)
            pvalues = tuple(pvalue for pvalue in held if pvalue is not None)
        out.send(src, P1b(ballot_num, message.first, self.performed, pvalues))

    def promise(self, ballot_num: Ballot, out: Out) -> None:
        """Accept nothing below `ballot_num` from now on; this member's own leader is told."""
        assert ballot_num >= self.ballot_num, "a promise is never taken back"
        if ballot_num > self.ballot_num:
            self.ballot_num = ballot_num
            self.lease_holder = None
            if ballot_num > self.leader_ballot_num:
                self.step_down(f"preempted by n{ballot_num.proposer}", out)

    @received(P2a)
    def on_p2a(self, src: NodeId, message: P2a, out: Out) -> None:
        """Phase 2: accept unless a higher ballot is promised; accepting is promising, too."""
        if not self.follow(src, message.ballot_num, out):
            return
        self.learn_decided(src, message.ballot_num, message.decided, out)
        # Whoever lags by more than the WINDOW catches up first: a gap has a bound.
        if message.first < self.slot_out + self.window:
            self.accept(message)
            last = message.first + len(message.commands) - 1
            out.send(src, P2b(message.ballot_num, message.first, last, message.round))

    def follow(self, src: NodeId, ballot_num: Ballot, out: Out) -> bool:
        """A leader speaks: is there none later?  If so it has a lease from now on."""
        if ballot_num < self.ballot_num:
            out.send(src, Preempted(self.ballot_num))
            return False
        self.promise(ballot_num, out)
        if self.scouting:
            self.step_down(f"n{src} leads", out)
        self.hear(src, out)
        return True

    def accept(self, message: P2a) -> None:
        """Hold these pvalues.  What is performed already is decided, hence the same."""
        first, commands = message.first, message.commands
        if first < self.slot_out:
            commands = commands[self.slot_out - first :]
            first = self.slot_out
        if commands:
            number = message.ballot_num
            self.put(
                first, tuple(PValue(number, slot, c) for slot, c in enumerate(commands, first))
            )

    # Leases, and how long silence is borne.

    def hear(self, leader: NodeId, out: Out) -> None:
        """`leader` is alive: nobody else is promised anything for `lease_ms` from now on."""
        self.lease_holder = leader
        if self.patient:
            self.patient = False
            out.cancel_timer("patience")
        out.set_timer("lease", after=(self.options.lease_ms, self.options.lease_ms))

    @fired("lease")
    def on_lease_timer(self, out: Out) -> None:
        """The lease has ended.  A leader that heard no majority for so long leads no more."""
        self.lease_holder = None
        if self.active:
            self.step_down("this leader has lost its majority", out)
        self.wait(out)

    def wait(self, out: Out) -> None:
        """Try to lead if nobody does for a while, which is random so that few try at once."""
        self.patient = True
        out.set_timer("patience", after=(self.options.heartbeat_ms, self.options.lease_ms))

    def wake_acceptor(self, out: Out) -> None:
        """Just started: what leases were granted before is forgotten, but not to whom."""
        holder = self.ballot_num.proposer
        if self.ballot_num == ZERO or holder == self.id:
            self.wait(out)
        else:
            self.hear(holder, out)

    # Brought by the replica.

    def learn_decided(self, src: NodeId, ballot_num: Ballot, decided: int, out: Out) -> None:
        raise NotImplementedError
