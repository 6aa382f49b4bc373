"""Replicas: figure 1 of PMMC.  A replica performs what is decided, slot by slot.

`slot_in` is the leader's here, since the host sends clients' commands to it alone.  Decisions are
told as a number: every slot up to `decided` is decided, those that the ballot proposed as it
proposed them.  So a replica that accepted them needs nothing more; one that did not asks.

The section on garbage collection: an acceptor may forget a slot when a majority of the replicas has
performed it.  Here it also must have the slot in its own snapshot, which is what it gives to those
who ask for less.
"""

from __future__ import annotations

from comitia.kernel import Ballot, Compact, Log, NodeId, Out, Slot, fired, received
from comitia.protocols.multipaxos.acceptor import Acceptor
from comitia.protocols.multipaxos.messages import (
    CatchUp,
    Command,
    Configuration,
    Decision,
    Decisions,
    Heard,
    InstallSnapshot,
    PValue,
    Snapshot,
    size_of,
)


class Learner(Acceptor):
    """Performs decisions, catches up, and forgets."""

    def wake_replica(self, out: Out) -> None:
        """Just started: everything that was known to be decided is here."""
        self.slot_out = self.snapshot.slot + 1
        self.configurations = self.snapshot.configurations
        for slot in range(self.slot_out, self.decided + 1):
            pvalue = self.accepted[slot]
            assert pvalue is not None, f"slot {slot} was performed and is not held"
            self.perform(pvalue.command, out)

    def perform(self, command: Command, out: Out) -> None:
        """`command` is decided for slot_out."""
        slot = self.slot_out
        self.slot_out += 1
        out.deliver(slot, command.value)
        configuration = command.configuration
        if configuration is not None and configuration.since > self.configurations[-1].since:
            self.configurations = (*self.configurations, configuration)
            self.on_configuration(configuration, out)
        if len(self.configurations) > 1 and self.configurations[1].since <= self.slot_out:
            self.configurations = in_force(self.configurations, self.slot_out)
            self.on_in_force(out)

    def learn_decided(self, src: NodeId, ballot_num: Ballot, decided: Slot, out: Out) -> None:
        """`src`, leader of `ballot_num`, knows that all up to `decided` is decided."""
        accepted, before = self.accepted, self.slot_out
        while self.slot_out <= min(decided, accepted.last):
            pvalue = accepted[self.slot_out]
            # Of an older ballot it may be another command than the one decided.
            if pvalue is None or pvalue.ballot_num != ballot_num:
                break
            self.perform(pvalue.command, out)
        if self.slot_out <= decided:
            self.catch_up(src, out)
        if self.slot_out != before:
            self.on_performed(out)

    @received(Decision)
    def on_decision(self, src: NodeId, message: Decision, out: Out) -> None:
        if not self.follow(src, message.ballot_num, out):
            return
        self.learn_decided(src, message.ballot_num, message.decided, out)
        self.learn_collectable(message.collectable)
        if message.round:
            out.send(src, Heard(message.ballot_num, message.round, self.performed))

    # Catching up.

    def catch_up(self, of: NodeId, out: Out) -> None:
        """Ask `of` for what was decided, one question at a time."""
        if not self.catching_up:
            self.catching_up = True
            out.send(of, CatchUp(self.performed))
            again = self.options.heartbeat_ms
            out.set_timer("catch_up", after=(again, 2 * again))

    @fired("catch_up")
    def on_catch_up_timer(self, out: Out) -> None:
        """No answer: the next heartbeat, or the scout, asks again."""
        self.catching_up = False
        if self.scouting:
            self.try_adopt(out)

    @received(CatchUp)
    def on_catch_up(self, src: NodeId, message: CatchUp, out: Out) -> None:
        """Whoever knows may answer, for what is decided never changes."""
        first = message.performed + 1
        if first < self.accepted.first:
            out.send_snapshot(src, InstallSnapshot(self.snapshot))
        elif first < self.slot_out:
            log = self.accepted.cut_after(self.performed)
            last, _ = log.fitting(first, size_of, self.options.max_message_bytes)
            out.send(src, Decisions(tuple(filter(None, log.slice(first, last))), self.performed))

    @received(Decisions)
    def on_decisions(self, src: NodeId, message: Decisions, out: Out) -> None:
        before = self.slot_out
        for pvalue in message.pvalues:
            if pvalue.ballot_num > self.leader_ballot_num:
                self.step_down(f"n{pvalue.ballot_num.proposer} leads", out)
            # A leader performs what it has proposed itself, and in its own batches.
            if pvalue.slot == self.slot_out and not self.commanders:
                self.learn(pvalue, out)
        if self.slot_out == before:
            return
        self.decided = self.performed  # of what is held now, nothing but this may be of a ballot
        self.caught_up(out)  # above the promise
        if self.slot_out <= message.decided:
            self.catch_up(src, out)
        self.on_performed(out)

    def learn(self, pvalue: PValue, out: Out) -> None:
        """`pvalue` is decided, whoever proposed it; the acceptor holds it from now on.

        Safe, since every higher ballot proposes the same: what the acceptor held of a higher ballot
        is equal, and what it held of a lower one can matter no more.
        """
        held = self.pvalue_at(pvalue.slot)
        if held is None or held.ballot_num < pvalue.ballot_num:
            self.put(pvalue.slot, (pvalue,))
        else:
            assert held.command == pvalue.command, f"{pvalue} is decided, {held} came later"
        self.perform(pvalue.command, out)

    def caught_up(self, out: Out) -> None:
        """An answer came: ask again at once if there is more."""
        self.catching_up = False
        out.cancel_timer("catch_up")
        if self.scouting:
            self.try_adopt(out)

    @received(InstallSnapshot)
    def on_install_snapshot(self, src: NodeId, message: InstallSnapshot, out: Out) -> None:
        """Paxos Made Live, section 5.5.  What was accepted for later slots stays accepted."""
        snapshot = message.snapshot
        if snapshot.slot <= self.performed:
            return
        self.step_down("this replica lags", out)
        out.install(snapshot.slot)
        first = snapshot.slot + 1
        behind = self.accepted.last >= snapshot.slot
        self.accepted = self.accepted.cut_before(first) if behind else Log((), first)
        self.snapshot = snapshot
        self.slot_out = first
        self.configurations = snapshot.configurations
        self.decided = snapshot.slot
        self.caught_up(out)
        self.on_performed(out)

    # Forgetting.

    def on_compact(self, request: Compact, out: Out) -> None:
        """The host's snapshot at `request.slot` is on disk."""
        slot = request.slot
        assert slot <= self.performed, "a snapshot of what was never delivered"
        if slot <= self.snapshot.slot:
            return
        known = self.snapshot.configurations
        for pvalue in self.accepted.slice(self.snapshot.slot + 1, slot):
            assert pvalue is not None, "what was performed is held until it is collected"
            configuration = pvalue.command.configuration
            if configuration is not None and configuration.since > known[-1].since:
                known = (*known, configuration)
        self.snapshot = Snapshot(slot, in_force(known, slot + 1), self.window)
        self.decided = max(self.decided, slot)
        if request.trailing:
            self.collect()
        else:  # nothing may be kept: as where a snapshot is installed
            self.accepted = self.accepted.cut_before(slot + 1)

    def learn_collectable(self, slot: Slot) -> None:
        """A majority has performed everything up to `slot`."""
        if slot > self.collectable:
            waiting = self.collectable < self.snapshot.slot
            self.collectable = slot
            if waiting:
                self.collect()

    def collect(self) -> None:
        """Forget what the snapshot and a majority have, but for what laggards may soon need."""
        options, log = self.options, self.accepted
        end = min(self.snapshot.slot, self.collectable)
        first = log.trailing(end, options.trailing_slots, size_of, options.trailing_bytes)
        if first > log.first:
            self.accepted = log.cut_before(first)


def in_force(configurations: tuple[Configuration, ...], slot: Slot) -> tuple[Configuration, ...]:
    """Return those of `configurations` that decide `slot` or a later one."""
    first = max(i for i, c in enumerate(configurations) if c.since <= slot)
    return configurations[first:]
