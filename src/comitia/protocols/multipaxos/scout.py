"""Scouts: figure 6 of PMMC, and when a leader sends one out (figure 7).

A leader whose scout hears a majority proposes, for every slot of which it hears, the command of the
highest ballot; what nobody accepted can have been chosen by nobody and becomes a no-op (Paxos Made
Simple, section 3).  Acceptors report only what they do not know to be decided, so a scout first
catches up with the one that knows most.

Slots may be decided by different configurations, each of which has to promise.  A leader is active
as soon as the configuration of the next slot has; it proposes for the slots of a later one when
that has, too.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import ZERO, Ballot, NodeId, Out, fired, received
from comitia.protocols.multipaxos.messages import Configuration, P1a, P1b, Preempted
from comitia.protocols.multipaxos.replica import Learner


class Scout(Learner):
    """Becoming the leader."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.ahead = 0  # what the acceptor that knows most, `ahead_of`, knows to be decided
        self.ahead_of = 0
        self.pmax_last = 0  # the last slot in pmax
        self.preempted = ZERO  # the highest ballot that was held against this leader

    @fired("patience")
    def on_patience_timer(self, out: Out) -> None:
        """Nobody leads, or the scout that did go out has not come back."""
        self.patient = False
        if self.active:
            return
        if self.may_lead():
            self.stand(ZERO, out)
        else:
            self.tell_heirs(out)

    def stand(self, given_up: Ballot, out: Out) -> None:
        """Send out a scout with a ballot higher than all that this member has seen."""
        seen = max(self.ballot_num, self.leader_ballot_num, self.preempted)
        self.step_down("a new ballot begins", out)
        self.leader_ballot_num = seen.next(self.id)
        self.scouting, self.given_up = True, given_up
        self.scout_first = self.slot_out
        self.promised = frozenset()
        self.pmax, self.pmax_last, self.ahead = Map(), 0, 0
        self.wait(out)
        self.send_p1a(out)
        self.try_adopt(out)

    def send_p1a(self, out: Out) -> None:
        """Ask every acceptor that has not promised, but this member's own last.

        Else one that is cut off would, ballot by ballot, shut itself out of the one in which the
        others live on.
        """
        for acceptor in sorted({n for c in self.electorates for n in c.voters}):
            last = acceptor == self.id and not self.active
            if acceptor not in self.promised and not last:
                out.send(acceptor, self.p1a())

    def p1a(self) -> P1a:
        return P1a(self.leader_ballot_num, self.scout_first, self.window, self.given_up)

    @received(P1b)
    def on_p1b(self, src: NodeId, message: P1b, out: Out) -> None:
        """A promise counts once, for the ballot it was given to and from the slots it covers on."""
        if (
            message.ballot_num != self.leader_ballot_num
            or message.first > self.scout_first
            or src in self.promised
            or not (self.scouting or self.active)
            or all(map(self.has_promised, self.electorates))
        ):
            return
        self.promised |= {src}
        for pvalue in message.pvalues:
            known = self.pmax.get(pvalue.slot)
            if known is None or pvalue.ballot_num > known.ballot_num:
                self.pmax = self.pmax.set(pvalue.slot, pvalue)
                self.pmax_last = max(self.pmax_last, pvalue.slot)
        if message.decided > self.ahead:
            self.ahead, self.ahead_of = message.decided, src
        if self.scouting:
            self.try_adopt(out)
        else:
            self.on_performed(out)

    def has_promised(self, configuration: Configuration) -> bool:
        """Has a majority of `configuration` promised this leader's ballot?"""
        return self.is_enough(configuration, self.promised)

    def is_enough(self, configuration: Configuration, promised: frozenset[NodeId]) -> bool:
        """Is whatever was chosen reported when `promised` have promised?"""
        return configuration.quorum.is_read_quorum(promised)

    def try_adopt(self, out: Out) -> None:
        if self.ahead > self.performed:
            self.catch_up(self.ahead_of, out)
            return
        configuration = self.config_at(self.slot_out)
        if self.has_promised(configuration):
            self.adopted(out)
        elif self.is_enough(configuration, self.promised | {self.id}):
            out.send(self.id, self.p1a())

    @received(Preempted)
    def on_preempted(self, src: NodeId, message: Preempted, out: Out) -> None:
        """Some acceptor follows a higher ballot.  A scout gives up for a while.

        A leader that a majority follows goes on, and takes that acceptor back with a higher ballot
        of its own, see `on_heartbeat_timer`.
        """
        if message.ballot_num > max(self.leader_ballot_num, self.preempted):
            self.preempted = message.ballot_num
            self.on_preemption(out)
        if self.scouting and message.ballot_num > self.leader_ballot_num:
            self.step_down(f"preempted by n{message.ballot_num.proposer}", out)

    # Brought by commanders.

    def adopted(self, out: Out) -> None:
        """Figure 7: this leader is active from now on."""
        raise NotImplementedError

    def tell_heirs(self, out: Out) -> None:
        """Membership: this member is no acceptor any more, and nobody leads."""
        raise NotImplementedError

    def on_preemption(self, out: Out) -> None:
        """An acceptor refused what an active leader sent."""
        raise NotImplementedError
