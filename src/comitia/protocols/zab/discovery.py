"""Phase 1, discovery (Medeiros, algorithm 1; DSN 2011, figure 3).

The prospective leader learns the latest epoch that a quorum has accepted, proposes a later one, and
learns of the best history in the quorum.  The paper fetches that history; by Fast Leader Election
it is the leader's own, so, as ZooKeeper does, a leader that meets a better one gives up instead.
"""

from __future__ import annotations

from comitia.kernel import NodeId, Out, received
from comitia.protocols.zab.election import Election
from comitia.protocols.zab.messages import AckE, CEpoch, NewEpoch
from comitia.protocols.zab.state import FOLLOWING, LEADING


class Discovery(Election):
    """Agreeing on an epoch that is later than any before."""

    @received(CEpoch)
    def on_cepoch(self, src: NodeId, message: CEpoch, out: Out) -> None:
        """Step l.1.1: collect CEPOCH from a quorum.  A latecomer is told the epoch there is."""
        if self.role != LEADING or src not in self.configuration.members():
            return
        self.active |= {src}
        self.cepochs = self.cepochs.set(src, message.accepted_epoch)
        if self.epoch == 0:
            self.propose_epoch(out)
        elif (message.accepted_epoch, message.accepted_leader) == (self.epoch, self.id) or (
            message.accepted_epoch < self.epoch
        ):
            out.send(src, NewEpoch(self.epoch))
        else:  # it has promised itself to a later epoch and can never accept this one
            self.renew_epoch(out)

    def propose_epoch(self, out: Out) -> None:
        """Step l.1.1: an epoch later than any that a quorum has accepted.

        The leader accepts it in the same step: its NEWEPOCH leaves when that is on its disk, so
        after a crash it never proposes the same epoch again.
        """
        quorum = self.configuration.is_quorum(frozenset(self.cepochs.keys()))
        if self.epoch != 0 or self.loyal or not quorum:
            return
        self.epoch = max(self.cepochs.values()) + 1
        assert self.epoch > self.accepted_epoch
        self.accepted_epoch, self.accepted_leader = self.epoch, self.id
        for peer in sorted(self.cepochs.keys()):
            if peer != self.id:
                out.send(peer, NewEpoch(self.epoch))
        out.send(self.id, AckE(self.epoch, self.current_epoch, self.last_zxid))

    @received(NewEpoch)
    def on_new_epoch(self, src: NodeId, message: NewEpoch, out: Out) -> None:
        """Step f.1.2: accept a later epoch, from one leader only, and say what is here."""
        if self.role != FOLLOWING or src != self.leader_id:
            return
        accepted = self.accepted_epoch, self.accepted_leader
        if message.epoch > self.accepted_epoch:
            if self.loyal:
                return  # another leader may count on this server still; this one will ask again
            self.accepted_epoch, self.accepted_leader = message.epoch, src
        elif accepted != (message.epoch, src):
            self.send_cepoch(out)
            return
        if self.epoch != message.epoch:
            self.epoch, self.incoming = message.epoch, None
        if self.is_synchronised:  # it was in this epoch before
            out.cancel_timer("patience")
            self.hear(out)
        else:
            self.be_patient(out)
        out.send(src, AckE(self.epoch, self.current_epoch, self.last_zxid))

    @received(AckE)
    def on_ack_e(self, src: NodeId, message: AckE, out: Out) -> None:
        """Step l.1.2: a quorum has accepted the epoch, and nobody in it has a better history."""
        if self.role != LEADING or message.epoch != self.epoch:
            return
        self.active |= {src}
        if self.discovered:
            self.synchronise(src, message.last_zxid, out)
            return
        theirs = message.current_epoch, message.last_zxid
        if src in self.configuration.electors() and (theirs > (self.current_epoch, self.last_zxid)):
            self.look(out)  # its vote will win
            return
        self.acks_e = self.acks_e.set(src, message.last_zxid)
        if self.configuration.is_quorum(frozenset(self.acks_e.keys())):
            self.discovered = True
            self.begin_synchronisation(out)
