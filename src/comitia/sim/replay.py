"""Run a tape again, whole or in part, without chance: the same steps, or as many as still can be.

An input that makes no sense any more (a message that nobody sent, a timer that nobody set) is
skipped.  A message that was sent with other contents than on the tape, because something before it
was left out, is taken in its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

from comitia.kernel import Micros, NodeId, Promise, Propose, Request, Timer
from comitia.sim.host import Host, Received
from comitia.sim.ledger import Violation
from comitia.sim.tape import Input
from comitia.sim.workload import Op, Workload
from comitia.sim.world import Make, World


class Replay(World):
    """A world to which a tape happens."""

    def __init__(
        self,
        ids: Sequence[NodeId],
        make: Make,
        promises: Sequence[Promise],
        workload: Workload,
        liars: frozenset[NodeId] = frozenset(),
    ) -> None:
        """What `liars` send need not have been sent by their nodes."""
        super().__init__(ids, make, promises, workload, False, liars)
        self.in_flight: dict[tuple[NodeId, NodeId], list[Any]] = defaultdict(list)
        self.arrived: dict[tuple[NodeId, NodeId], list[Any]] = defaultdict(list)
        self.input = Input("note", 0, ("note", ""), 0, 0)
        self.shown: dict[NodeId, Micros] = {}
        """How far the clock of each host was ahead of true time when something happened to it."""
        self.applied: list[Input] = []
        """The inputs that made sense, up to the violation if there is one."""

    def play(self, tape: Sequence[Input]) -> Violation | None:
        """Let `tape` happen; return the first violation."""
        for self.input in tape:
            self.time = self.input.time
            self.shown[self.input.host] = self.input.clock - self.time
            try:
                sensible = self._apply(self.input)
            # As in `simulate`: whatever a node raises is a finding.
            except Exception as error:  # noqa: BLE001
                self.applied.append(self.input)
                return self.name(error)
            if sensible:
                self.applied.append(self.input)
        try:
            self.ledger.judge()
        except Violation as violation:
            return violation
        return None

    def _apply(self, input: Input) -> bool:
        name, arguments = input.name, input.arguments
        if input.host == 0 or name == "note":
            return self._apply_outside(name, input)
        host = self.hosts[input.host]
        if name in ("start", "forget", "upgrade"):
            if host.node is not None:
                return False
            getattr(self, name)(host, *arguments)
            return True
        if host.node is None:
            return False
        match name:
            case "receive" | "receive_snapshot":
                src, wanted = arguments
                message = self._take(src, host.id, wanted)
                if message is None:
                    return False
                getattr(self, name)(host, src, message)
            case "fire" if arguments[0] not in host.timers:
                return False
            case "attempt":
                op: Op = arguments[0]
                waiting = self.ledger.open.get(op.client)
                if waiting is None or waiting[0] is not op:
                    return False
                self.attempt(op, host)
            case "request" if not self._was_asked(arguments[0]):
                return False
            case "saved" if host.saving is None:
                return False
            case "sync" | "crash":
                count = max(0, len(host.pending) - arguments[0])
                if name == "sync" and count == 0:
                    return False
                getattr(self, name)(host, count)
            case _:
                getattr(self, name)(host, *arguments)
        return True

    def _was_asked(self, request: Request) -> bool:
        return not isinstance(request, Propose) or request.value in self.ledger.asked

    def _apply_outside(self, name: str, input: Input) -> bool:
        if name == "note":
            self.note(input.arguments[0], input.host, input.arguments[1])
            return True
        op = input.arguments[0]
        waiting = self.ledger.open.get(op.client)
        if name == "end":
            if waiting is None or waiting[0] is not op:
                return False
            self.end(*input.arguments)
            return True
        if waiting is not None:
            self.end(waiting[0], "info")  # on the tape it had been answered
        self.invoke(op)
        return True

    def _take(self, src: NodeId, to: NodeId, wanted: Any) -> Any:
        """Return what arrives in the place of `wanted`: itself, a copy, or the one most like it."""
        waiting = self.in_flight[src, to]
        if wanted in waiting:
            waiting.remove(wanted)
            self.arrived[src, to].append(wanted)
            return wanted
        if src in self.liars or wanted in self.arrived[src, to]:
            return wanted
        kind = _kind(wanted)
        alike = [message for message in waiting if _kind(message) is kind]
        if not alike:
            return None
        message = max(reversed(alike), key=partial(_likeness, wanted))  # of equals the latest
        waiting.remove(message)
        self.arrived[src, to].append(message)
        return message

    # What a world needs.

    def post(self, src: NodeId, to: NodeId, message: Any) -> None:
        if src not in self.liars:
            self.in_flight[src, to].append(message)

    def forward(self, src: NodeId, to: NodeId, op: Op) -> None:
        """The tape says when it arrives: as a request."""

    def arm(self, host: Host, timer: Timer, after: tuple[int, int]) -> None:
        host.timers[timer] = after

    def wrote(self, host: Host) -> None:
        if self.input.instant:
            self.sync(host, len(host.pending))

    def finish(self, host: Host) -> None:
        if self.input.held:
            self.hold_turn(host)
        else:
            self.end_turn(host)

    def clock(self, host: Host) -> Micros:
        return self.input.clock if self.input.host == host.id else self.time


def _kind(message: Any) -> type:
    return type(message.message) if isinstance(message, Received) else type(message)


def _likeness(wanted: Any, message: Any) -> int:
    """In how many fields two messages of one kind are the same."""
    return sum(
        getattr(wanted, name) == getattr(message, name) for name in type(wanted).__struct_fields__
    )
