"""Phase 0: Fast Leader Election (Medeiros, section 4.1), ZooKeeper's oracle.

Who looks for a leader tells its vote to everybody, and takes over any greater one: the latest epoch
wins, then the latest zxid, then the greatest id.  So the winner has the best history of a quorum.
Votes belong to rounds; who is behind catches up.  Nothing here is on disk and nothing depends on it
but liveness: whoever is chosen, phase 1 alone makes a leader.

`loyal` is not of the papers: reads under a lease need it.  It says that less than a timeout may
have passed since this server told a leader that it follows it.  It is set by that, and by a start
(what was promised before is forgotten), and cleared by the timer "silence" alone.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import NodeId, Out, fired, received
from comitia.protocols.zab.messages import CEpoch, Notification, Vote
from comitia.protocols.zab.state import FOLLOWING, LEADING, LOOKING, State


class Election(State):
    """Choosing whom to follow."""

    def own_vote(self) -> Vote:
        """Return the vote for oneself."""
        voter = self.id in self.configuration.voters
        return Vote(self.current_epoch, self.last_zxid, voter, self.id)

    def leave_phase(self, reason: str, out: Out) -> None:
        """Drop what belongs to the leader that was followed, or to having been one."""
        for timer in ("ping", "quorum", "patience", "resend", "notify", "settle"):
            out.cancel_timer(timer)
        self.end_transfer(reason, out)
        self.drop_reads(reason, out)
        self.reconfigure = None  # what became of it is unknown
        self.leader_id, self.epoch, self.incoming = None, 0, None
        self.discovered = self.established = False
        self.cepochs, self.acks_e, self.learners = Map(), Map(), Map()
        self.rounds, self.lease_from = (), None

    def look(self, out: Out) -> None:
        """Begin a round of votes, with a vote for oneself."""
        self.leave_phase("no leader is known", out)
        self.role = LOOKING
        self.round += 1
        self.received, self.referred = Map(), frozenset()
        self.vote = self.own_vote()
        if self.may_lead():
            self.tell_vote(out)

    def tell_vote(self, out: Out) -> None:
        """Tell everybody, now and again: somebody may not have been looking, or listening."""
        self.received = self.received.set(self.id, self.vote)
        self.referred = frozenset()
        # The candidate may be no voter as far as this server knows, and need this vote even so.
        to = sorted({*self.others(), self.vote.leader} - {self.id})
        out.broadcast(to, self.notification())
        ping_ms = self.options.ping_ms
        out.set_timer("notify", after=(ping_ms, 2 * ping_ms))
        self.count_votes(out)

    def notification(self) -> Notification:
        vote = self.vote
        if self.role != LOOKING and self.leader_id is not None:
            vote = Vote(self.current_epoch, self.last_zxid, True, self.leader_id)
        return Notification(self.round, vote, self.role)

    def others(self) -> tuple[NodeId, ...]:
        """Everybody else who votes."""
        return tuple(n for n in self.configuration.electors() if n != self.id)

    @fired("notify")
    def on_notify_timer(self, out: Out) -> None:
        if self.role == LOOKING:
            self.tell_vote(out)

    @received(Notification)
    def on_notification(self, src: NodeId, message: Notification, out: Out) -> None:
        if message.state == LEADING:
            # Its word is enough: it gives up by itself when no quorum follows it.
            if self.role == LOOKING:
                self.round = message.round  # so that a later one means that it has given up
                self.follow(src, out)
            return
        if message.state == FOLLOWING:
            self.on_follower(src, message, out)
            return
        if self.role == FOLLOWING and src == self.leader_id:
            if message.round > self.round:
                self.look(out)  # it has given up
            elif message.round == self.round and self.epoch == 0 and message.vote.leader != src:
                self.look_on(out)
        if self.role != LOOKING:
            if src in self.configuration.members():
                out.send(src, self.notification())
        elif not self.may_lead():
            self.second(src, message, out)
        else:
            self.on_vote(src, message, out)

    def look_on(self, out: Out) -> None:
        """Who is followed votes for somebody better in this very round, and so will not lead.

        This server may have decided too early: where electorates differ, all whom it knows agree
        before those have voted whom it does not know.
        """
        self.leave_phase("the leader votes for another", out)
        self.role = LOOKING

    def on_follower(self, src: NodeId, message: Notification, out: Out) -> None:
        """`src` follows somebody already: ask there; or it has decided for this very server.

        Two that by mistake follow each other would each send the question on to the other for
        ever: nobody is asked twice before all are told the vote again.
        """
        leader = message.vote.leader
        if self.role != LOOKING:
            return
        if leader != self.id:
            if leader not in self.referred:
                self.referred |= {leader}
                out.send(leader, self.notification())
        elif self.vote.leader == self.id and self.may_lead() and message.round == self.round:
            self.received = self.received.set(src, self.vote)
            self.count_votes(out)

    def second(self, src: NodeId, message: Notification, out: Out) -> None:
        """An observer, or who was told to leave, may be a voter without knowing: it adds its voice
        to any vote that is not worse than its own history."""
        if message.vote >= Vote(self.current_epoch, self.last_zxid, False, 0):
            out.send(src, message)

    def on_vote(self, src: NodeId, message: Notification, out: Out) -> None:
        if message.round < self.round:
            out.send(src, self.notification())
            return
        before = self.vote, self.round
        if message.round > self.round:
            self.round = message.round
            self.received = Map()
            self.vote = self.own_vote()
        self.vote = max(self.vote, message.vote)
        # Within a round votes only grow: a smaller one is an old one that was overtaken.
        known = self.received.get(src)
        if known is None or known < message.vote:
            self.received = self.received.set(src, message.vote)
        if (self.vote, self.round) != before:
            out.cancel_timer("settle")
            self.tell_vote(out)
        else:
            self.count_votes(out)

    def supporters(self) -> frozenset[NodeId]:
        """Who has this server's vote in this round."""
        return frozenset(n for n, vote in self.received.items() if vote == self.vote)

    def count_votes(self, out: Out) -> None:
        """A quorum agrees: wait a little for a better vote, unless everybody has voted."""
        supporters = self.supporters()
        if supporters.issuperset(self.configuration.electors()):
            self.decide(out)
        elif self.configuration.is_quorum(supporters):
            out.set_timer("settle", after=(self.options.settle_ms,) * 2)

    @fired("settle")
    def on_settle_timer(self, out: Out) -> None:
        if self.role == LOOKING and self.configuration.is_quorum(self.supporters()):
            self.decide(out)

    def decide(self, out: Out) -> None:
        if self.vote.leader == self.id:
            self.lead(out)
        else:
            self.follow(self.vote.leader, out)

    # Into phase 1.

    def follow(self, leader: NodeId, out: Out) -> None:
        assert leader != self.id
        self.leave_phase("the leader changes", out)
        self.role, self.leader_id = FOLLOWING, leader
        self.be_patient(out)
        self.send_cepoch(out)

    def send_cepoch(self, out: Out) -> None:
        assert self.leader_id is not None
        out.send(self.leader_id, CEpoch(self.accepted_epoch, self.accepted_leader))
        out.set_timer("resend", after=(self.options.ping_ms,) * 2)

    @fired("resend")
    def on_resend_timer(self, out: Out) -> None:
        """CEPOCH or NEWEPOCH was lost, or the leader is not leading yet."""
        if self.role == FOLLOWING and self.epoch == 0:
            self.send_cepoch(out)

    def lead(self, out: Out) -> None:
        self.leave_phase("the leader changes", out)
        self.role, self.leader_id = LEADING, self.id
        self.active = frozenset({self.id})
        self.cepochs = Map({self.id: self.accepted_epoch})
        out.set_timer("quorum", after=(self.options.timeout_ms,) * 2)
        self.on_ping_timer(out)
        self.propose_epoch(out)

    # Losing patience.

    def be_patient(self, out: Out) -> None:
        """Phases 1 and 2 go on as long as the leader is heard."""
        out.set_timer("patience", after=(self.options.timeout_ms,) * 2)

    @fired("patience")
    def on_patience_timer(self, out: Out) -> None:
        if self.role == FOLLOWING:
            self.look(out)

    def hear(self, out: Out) -> None:
        """Phase 3: the leader will learn that it is followed, and may count on it for a while."""
        self.loyal = True
        out.set_timer("silence", after=(self.options.timeout_ms,) * 2)

    @fired("silence")
    def on_silence_timer(self, out: Out) -> None:
        self.loyal = False
        if self.role == FOLLOWING and self.is_synchronised:
            self.look(out)
        elif self.role == LEADING:
            self.propose_epoch(out)

    @fired("quorum")
    def on_quorum_timer(self, out: Out) -> None:
        """A leader that no quorum answers gives up: others may have found another."""
        assert self.role == LEADING
        if not self.configuration.is_quorum(self.active):
            self.look(out)
            return
        self.active = frozenset({self.id})
        out.set_timer("quorum", after=(self.options.timeout_ms,) * 2)

    # Brought by the phases that follow.

    def propose_epoch(self, out: Out) -> None:
        raise NotImplementedError

    def on_ping_timer(self, out: Out) -> None:
        raise NotImplementedError
