"""Reconfiguration and hand-over.

Paxos Made Simple, section 3: the set of servers is part of the state, and a command that changes it
at slot s decides who decides from slot s + WINDOW on.  Quorums of different configurations never
decide the same slot, so they need not meet, and any set may follow any other.  A leader fills the
slots in between with no-ops, so that a change takes effect although nobody asks for anything.

A change is proposed when a majority of the new acceptors has promised and caught up.  It is done
when a majority of them has performed every slot of the old ones: then those who leave may be
stopped.
"""

from __future__ import annotations

from comitia.kernel import ZERO, NodeId, Out, Reconfigure, Transfer, fired, received
from comitia.protocols.multipaxos.messages import (
    Command,
    Configuration,
    Decision,
    Inherit,
    Inherited,
    TakeOver,
)
from comitia.protocols.multipaxos.reads import Reads

NEWCOMERS_MS = 30_000
"""How long newcomers may take to catch up."""


class Membership(Reads):
    """Who takes part, and who leads when asked."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.proposed = False  # the change that is wanted has got its place among the requests
        self.heirs: frozenset[NodeId] = frozenset()  # who needs not be told that it is acceptor

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        voters, learners = tuple(sorted(request.voters)), tuple(sorted(request.learners))
        now = self.configurations[-1]
        if not self.active:
            out.refuse(request, "this member does not lead")
        elif self.reconfigure is not None or len(self.configurations) > 1:
            out.refuse(request, "a change of membership is under way")
        elif not self.settled:
            out.refuse(request, "this leader does not know yet what earlier ones had decided")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over")
        elif not voters:
            out.refuse(request, "a cluster needs a voter")
        elif both := sorted(request.voters & request.learners):
            out.refuse(request, f"both voter and learner: {both}")
        elif (voters, learners) == (now.voters, now.learners):
            out.answer(request, None)
        else:
            self.reconfigure, self.proposed = request, False
            # From which slot on is known when it gets a slot itself.
            self.wanted = Configuration(0, voters, learners)
            self.peers = self.audience
            out.set_timer("newcomers", after=(NEWCOMERS_MS, NEWCOMERS_MS))
            self.send_p1a(out)
            self.begin_round(out)
            self.decision_due = True
            self.propose_change(out)

    def propose_change(self, out: Out) -> None:
        """A change is proposed when a majority of who will decide has promised and caught up.

        Else the log would stop WINDOW slots later, until they have.
        """
        wanted = self.wanted
        if wanted is not None and not self.proposed and self.has_promised(wanted):
            ready = frozenset(wanted.voters).difference(self.behind(wanted))
            if wanted.quorum.is_write_quorum(ready):
                self.proposed = True
                out.cancel_timer("newcomers")
                self.requests += (Command(configuration=wanted),)

    def behind(self, wanted: Configuration) -> tuple[NodeId, ...]:
        """Return which voters have not answered, or lag so much that they could not accept."""
        warm = self.performed - self.window
        known = self.performed_by.set(self.id, self.performed)
        return tuple(n for n in wanted.voters if n not in known or known[n] < warm)

    @fired("newcomers")
    def on_newcomers_timer(self, out: Out) -> None:
        if self.wanted is not None and not self.proposed:
            names = ", ".join(f"n{n}" for n in self.behind(self.wanted)) or "the new voters"
            self.end_reconfigure(True, f"{names} did not catch up; do they run?", out)
            self.peers = self.audience

    def end_reconfigure(self, waits: bool, reason: str, out: Out) -> None:
        """Refused if it got no slot; else its outcome is open, and the next leader's business."""
        request, self.reconfigure, self.wanted = self.reconfigure, None, None
        if request is not None:
            out.cancel_timer("newcomers")
            if waits or not self.proposed:
                out.refuse(request, reason)

    def on_configuration(self, configuration: Configuration, out: Out) -> None:
        if self.active:
            self.wanted = None
            self.peers = self.audience
            self.forget_lease()  # it takes the newcomers' word as well from now on
            self.begin_round(out)
            self.send_p1a(out)

    def on_in_force(self, out: Out) -> None:
        """The old configuration has no slot left: those who leave hear that, and no more."""
        if self.active:
            before, self.peers = self.peers, self.audience
            said = Decision(self.leader_ballot_num, self.performed, 0, self.collectable)
            for member in before:
                if member not in self.peers:
                    out.send_early(member, said)

    def on_performed(self, out: Out) -> None:
        if self.active:
            self.slot_in = max(self.slot_in, self.slot_out)  # some may have been learnt
            if self.transfer is not None and self.slot_in == self.slot_out:
                self.begin_round(out)  # is the heir as far?
            self.on_progress(out)
        elif self.lease_holder is None and not self.patient and self.may_lead():
            self.wait(out)  # an acceptor since just now, and nobody leads

    def on_progress(self, out: Out) -> None:
        """Slots were performed, here or elsewhere, or somebody promised: what waited for that?"""
        if self.transfer is not None and self.may_be_told(self.transfer):
            self.tell_to_take_over(self.transfer, out)
        self.propose_change(out)
        leaves = self.id not in self.configurations[0].voters
        if len(self.configurations) > 1 or self.wanted is not None:
            return
        if self.reconfigure is None and not leaves:
            return
        now = self.configurations[0]
        if self.has_promised(now) and self.performed_by_majority() >= now.since - 1:
            self.changed(now, out)

    def changed(self, now: Configuration, out: Out) -> None:
        """`now` decides, and a majority of it knows all that was decided before."""
        request, self.reconfigure = self.reconfigure, None
        if request is not None:
            out.answer(request, None)
        if self.id not in now.voters:  # whoever is no acceptor has no business leading
            heir = max(now.voters, key=lambda n: (self.performed_by.get(n, 0), -n))
            self.lease_given_up = True
            out.send(heir, TakeOver(self.leader_ballot_num))
            self.step_down("this member leaves", out)

    # Those who left may be the only ones to know who came.

    def tell_heirs(self, out: Out) -> None:
        """Nobody leads: make sure that the acceptors in force know that they are, then be silent.

        The leader that saw the change through may have died before it told any of them.
        """
        self.step_down("this member is no acceptor any more", out)
        heirs = self.configurations[-1]
        if self.performed and not heirs.quorum.is_read_quorum(self.heirs):
            out.broadcast(heirs.voters, Inherit(self.performed))
            self.wait(out)

    @received(Inherit)
    def on_inherit(self, src: NodeId, message: Inherit, out: Out) -> None:
        if message.performed > self.performed:
            self.catch_up(src, out)
        else:
            out.send(src, Inherited(self.performed))

    @received(Inherited)
    def on_inherited(self, src: NodeId, message: Inherited, out: Out) -> None:
        if message.performed >= self.performed:
            self.heirs |= {src}

    # Hand-over.

    def on_transfer(self, request: Transfer, out: Out) -> None:
        if not self.active:
            out.refuse(request, "this member does not lead")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over already")
        elif request.to not in self.config_at(self.slot_in).voters:
            out.refuse(request, f"n{request.to} is not a voter")
        elif request.to == self.id:
            out.answer(request, None)
        else:
            # Nothing is proposed meanwhile, so that nothing is left in an unknown state.
            self.transfer, self.transfer_told = request, False
            out.set_timer("transfer", after=(self.options.lease_ms, self.options.lease_ms))
            self.begin_round(out)  # asks, too, how far the heir is
            self.on_progress(out)

    def may_be_told(self, request: Transfer) -> bool:
        """Is nothing under way, and the heir as far as this leader?

        One that lags, having joined of late, would not know yet that it may lead.
        """
        if self.transfer_told or self.slot_in != self.slot_out:
            return False
        return self.performed_by.get(request.to, 0) >= self.performed

    def tell_to_take_over(self, request: Transfer, out: Out) -> None:
        """Everything proposed is decided.  From now on acceptors may promise to others, whenever
        the message arrives: no lease of this ballot counts any more.
        """
        self.transfer_told = True
        self.lease_given_up = True
        out.send(request.to, TakeOver(self.leader_ballot_num))
        out.answer(request, None)

    @received(TakeOver)
    def on_take_over(self, src: NodeId, message: TakeOver, out: Out) -> None:
        if message.ballot_num >= self.ballot_num and not self.active and self.may_lead():
            self.stand(message.ballot_num, out)

    @fired("transfer")
    def on_transfer_timer(self, out: Out) -> None:
        """Nobody took over: lead on, with a new ballot, whose leases count."""
        if self.active and self.transfer is not None:
            told = self.transfer_told
            self.end_transfer("what was proposed was not decided in time", out)
            if told:
                self.stand(ZERO, out)

    def end_transfer(self, reason: str, out: Out) -> None:
        request, told = self.transfer, self.transfer_told
        self.transfer, self.transfer_told = None, False
        if request is not None:
            out.cancel_timer("transfer")
            if not told:
                out.refuse(request, reason)
