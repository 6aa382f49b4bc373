"""Commanders: figure 6 of PMMC, and what an active leader does (figure 7).

One commander sees a batch of slots through, everything that was proposed in one turn, in one P2a to
each acceptor and one answer: one round trip.  The P2a leaves before this member's own disk has it,
which is safe: it says nothing of what this acceptor holds, which is counted when it has told so
itself, through the disk; and the ballot, which was on disk before its scout went out, is never used
again after a restart.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import (
    ZERO,
    NodeId,
    Out,
    Propose,
    Reconfigure,
    Slot,
    Transfer,
    fired,
    received,
    replace,
)
from comitia.protocols.multipaxos.messages import (
    NO_OP,
    Command,
    Configuration,
    Decision,
    Heard,
    P2a,
    P2b,
)
from comitia.protocols.multipaxos.scout import Scout
from comitia.protocols.multipaxos.state import Commander


class Leader(Scout):
    """Proposing, and deciding."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.slot_in = 1  # the next slot to propose for
        self.requests: tuple[Command, ...] = ()
        self.peers: tuple[NodeId, ...] = ()  # `audience`, kept
        self.round = 0
        self.heard: Map[NodeId, int] = Map()  # the last round that each answered
        self.performed_by: Map[NodeId, Slot] = Map()
        self.told = 0  # the last slot that the peers were told is decided
        self.round_due = self.decision_due = False
        self.resend_below = 0  # what was proposed before the last heartbeat
        self.preempted_in = 0  # the round in which `preempted` was heard of
        self.transfer: Transfer | None = None
        self.transfer_told = False
        self.reconfigure: Reconfigure | None = None

    def adopted(self, out: Out) -> None:
        self.scouting, self.active = False, True
        self.promise(self.leader_ballot_num, out)
        self.slot_in = self.slot_out
        self.heard, self.performed_by = Map(), Map()
        self.told, self.resend_below, self.preempted_in = 0, 0, self.round
        self.peers = self.audience
        self.send_p1a(out)
        self.begin_lease(out)
        self.hear(self.id, out)
        self.on_heartbeat_timer(out)

    def step_down(self, reason: str, out: Out) -> None:
        """What was proposed may yet be decided; what still waited for a slot never will."""
        if not self.scouting and not self.active:
            return
        waiting, self.requests = self.requests, ()
        for command in waiting:
            if command.value:
                out.refuse(Propose(command.value), reason)
        self.end_reconfigure(any(command.configuration for command in waiting), reason, out)
        if self.active:
            out.cancel_timer("heartbeat")
            self.drop_confirming(reason, out)
            self.end_transfer(reason, out)
        self.scouting = self.active = False
        self.commanders = ()
        self.round_due = self.decision_due = False
        if self.lease_holder == self.id:
            self.lease_holder = None
        self.wait(out)

    # Proposing.

    def on_propose(self, request: Propose, out: Out) -> None:
        if not request.value:
            out.refuse(request, "an empty value says nothing")
        elif not self.active:
            out.refuse(request, "this member does not lead")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over")
        elif len(self.requests) >= self.options.max_waiting:
            out.refuse(request, "too many commands wait for a slot")
        else:
            self.requests += (Command(request.value),)

    def propose(self, out: Out) -> None:
        """The end of a leader's turn: everything that may be proposed, is."""
        if self.ahead >= self.slot_in:
            self.catch_up(self.ahead_of, out)
            return
        while commands := self.next_commands():
            first, last = self.slot_in, self.slot_in + len(commands) - 1
            p2a = P2a(self.leader_ballot_num, first, commands, self.performed, self.round)
            self.accept(p2a)
            self.slot_in = last + 1
            self.commanders += (Commander(first, last),)
            for acceptor in self.peers:
                out.send_early(acceptor, p2a)
            out.send(self.id, P2b(p2a.ballot_num, first, last, self.round))
            self.told, self.round_due = self.performed, False

    def next_commands(self) -> tuple[Command, ...]:
        """Take the commands for slot_in and what follows: one P2a, of one configuration.

        What the scout has heard of comes first, with no-ops in the holes; then clients' commands;
        and no-ops again while a configuration waits for its first slot.
        """
        first = self.slot_in
        end = self.slot_out + self.window
        configuration = self.config_at(first)
        if first >= end or not self.has_promised(configuration):
            return ()
        for later in self.configurations:
            if first < later.since < end:
                end = later.since
        fill = self.configurations[-1].since
        commands: list[Command] = []
        size = used = 0
        for slot in range(first, end):
            if slot <= self.pmax_last:
                pvalue = self.pmax.get(slot)
                command = pvalue.command if pvalue else NO_OP
            elif used < len(self.requests):
                command = self.requests[used]
            elif slot < fill:
                command = NO_OP
            else:
                break
            size += len(command.value)
            if commands and size > self.options.max_message_bytes:
                break
            if slot > self.pmax_last and used < len(self.requests):
                used += 1
                if command.configuration is not None:
                    since = self.takes_effect(slot)
                    changed = replace(command.configuration, since=since)
                    command = replace(command, configuration=changed)
            commands.append(command)
        self.requests = self.requests[used:]
        return tuple(commands)

    def takes_effect(self, slot: Slot) -> Slot:
        """Return the first slot of a configuration that is decided at `slot`."""
        return slot + self.window

    def end_of_turn(self, out: Out) -> None:
        """Propose, and tell what is decided if no P2a has told it: clients wait for it."""
        self.propose(out)
        if self.round_due or self.decision_due or self.told < self.performed:
            asked = self.round if self.round_due or self.decision_due else 0
            decision = Decision(self.leader_ballot_num, self.performed, asked, self.collectable)
            for replica in self.peers:
                out.send_early(replica, decision)
            self.told, self.round_due, self.decision_due = self.performed, False, False

    # Deciding.

    @received(P2b)
    def on_p2b(self, src: NodeId, message: P2b, out: Out) -> None:
        """Counted by distinct acceptor, for this very ballot, in the configuration of the slot."""
        if not self.active or message.ballot_num != self.leader_ballot_num:
            return
        commanders, first = self.commanders, message.first
        for index, commander in enumerate(commanders):
            if commander.first == first and commander.last == message.last:
                accepted = commander.accepted | {src}
                chosen = self.has_accepted(self.config_at(first), accepted)
                now = Commander(first, commander.last, accepted, chosen)
                self.commanders = (*commanders[:index], now, *commanders[index + 1 :])
                if chosen and not index:
                    self.decide(out)
                break
        self.note_round(src, message.round, out)

    def has_accepted(self, configuration: Configuration, accepted: frozenset[NodeId]) -> bool:
        """Is what `accepted` have accepted chosen?"""
        return configuration.quorum.is_write_quorum(accepted)

    def decide(self, out: Out) -> None:
        """Perform what is chosen, in the order of slots."""
        while self.active and self.commanders and self.commanders[0].chosen:
            commander = self.commanders[0]
            self.commanders = self.commanders[1:]
            for slot in range(self.slot_out, commander.last + 1):
                pvalue = self.pvalue_at(slot)
                assert pvalue is not None, "a leader's own acceptor holds what it proposes"
                self.perform(pvalue.command, out)
        self.on_performed(out)

    @received(Heard)
    def on_heard(self, src: NodeId, message: Heard, out: Out) -> None:
        if self.active and message.ballot_num == self.leader_ballot_num:
            if message.performed > self.performed_by.get(src, -1):
                self.performed_by = self.performed_by.set(src, message.performed)
            self.note_round(src, message.round, out)
            self.on_progress(out)

    def note_round(self, src: NodeId, round: int, out: Out) -> None:
        if round > self.heard.get(src, 0):
            self.heard = self.heard.set(src, round)
            self.on_round(out)

    # Again and again.

    @fired("heartbeat")
    def on_heartbeat_timer(self, out: Out) -> None:
        """A round; and what is not acknowledged since the last one was probably lost."""
        if not self.active:
            return
        if self.preempted > self.leader_ballot_num and self.confirmed_round() > self.preempted_in:
            self.stand(ZERO, out)
            return
        again = self.options.heartbeat_ms
        out.set_timer("heartbeat", after=(again, again))
        self.begin_round(out)
        self.decision_due = True
        self.learn_collectable(self.performed_by_majority())
        for commander in self.commanders:
            if not commander.chosen and commander.first < self.resend_below:
                self.repeat(commander, out)
        self.resend_below = self.slot_in
        if not all(map(self.has_promised, self.electorates)):
            self.send_p1a(out)

    def repeat(self, commander: Commander, out: Out) -> None:
        """Send the P2a of `commander` again to who has not accepted."""
        pvalues = self.accepted.slice(commander.first, commander.last)
        commands = tuple(pvalue.command for pvalue in pvalues if pvalue is not None)
        number = self.leader_ballot_num
        p2a = P2a(number, commander.first, commands, self.performed, self.round)
        for acceptor in self.peers:
            if acceptor not in commander.accepted:
                out.send_early(acceptor, p2a)

    def performed_by_majority(self) -> Slot:
        """Return up to which slot a majority of the replicas has performed."""
        configuration = self.config_at(self.slot_out)
        return configuration.quorum.reached(
            lambda n: self.performed if n == self.id else self.performed_by.get(n, 0)
        )

    def begin_round(self, out: Out) -> None:
        self.round += 1
        self.round_due = True
        self.measure_lease(out)
        self.note_round(self.id, self.round, out)

    def on_preemption(self, out: Out) -> None:
        self.preempted_in = self.round

    # Brought by the sections on reads, membership and hand-over.

    def begin_lease(self, out: Out) -> None:
        raise NotImplementedError

    def measure_lease(self, out: Out) -> None:
        raise NotImplementedError

    def confirmed_round(self) -> int:
        raise NotImplementedError

    def on_round(self, out: Out) -> None:
        raise NotImplementedError

    def drop_confirming(self, reason: str, out: Out) -> None:
        raise NotImplementedError

    def on_progress(self, out: Out) -> None:
        raise NotImplementedError

    def end_transfer(self, reason: str, out: Out) -> None:
        raise NotImplementedError

    def end_reconfigure(self, waits: bool, reason: str, out: Out) -> None:
        raise NotImplementedError
