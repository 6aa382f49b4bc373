"""A run as a list of what happened to it, without times or chance: what `Replay` takes.

`Recording` is a simulation that notes every input of its world.  An input says all that the world
needs to do the same again, so a part of the list is itself a run: that is what shrinking uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from comitia.kernel import Message, NodeId, Request, Timer
from comitia.sim.host import Host, Received
from comitia.sim.simulation import Simulation
from comitia.sim.workload import Op


class Input(NamedTuple):
    """One thing that happened to a cluster."""

    name: str
    """The method of `World`, or `note`."""
    host: NodeId
    """Whose; 0 for clients and notes."""
    arguments: tuple[Any, ...]
    """The method's own; of `sync` and `crash` how many of the last writes are *not* on disk then:
    that stays true when writes before them are left out.
    """
    time: int
    clock: int
    """What the host's own clock showed."""
    held: bool = False
    """The turn stayed open: more input was awaited."""
    instant: bool = False
    """What the step wrote was on disk at once."""


class Recording(Simulation):
    """A simulation that keeps its tape."""

    def __init__(self, *arguments: Any) -> None:
        self.tape: list[Input] = []
        self.depth = 0
        super().__init__(*arguments)

    def _note(self, name: str, host: Host, *arguments: Any) -> None:
        """Record what happens to `host`, unless it follows from what is happening already."""
        if self.depth == 0:
            self.tape.append(Input(name, host.id, arguments, self.time, host.now))
        self.depth += 1

    def _over(self) -> None:
        self.depth -= 1

    def receive(self, host: Host, src: NodeId, message: Message) -> None:
        self._note("receive", host, src, message)
        super().receive(host, src, message)
        self._over()

    def receive_snapshot(self, host: Host, src: NodeId, received: Received) -> None:
        self._note("receive_snapshot", host, src, received)
        super().receive_snapshot(host, src, received)
        self._over()

    def fire(self, host: Host, timer: Timer) -> None:
        self._note("fire", host, timer)
        super().fire(host, timer)
        self._over()

    def request(self, host: Host, request: Request) -> None:
        self._note("request", host, request)
        super().request(host, request)
        self._over()

    def attempt(self, op: Op, host: Host) -> None:
        self._note("attempt", host, op)
        super().attempt(op, host)
        self._over()

    def save(self, host: Host) -> None:
        self._note("save", host)
        super().save(host)
        self._over()

    def saved(self, host: Host) -> None:
        self._note("saved", host)
        super().saved(host)
        self._over()

    def crash(self, host: Host, survive: int) -> None:
        self._note("crash", host, len(host.pending) - survive)
        super().crash(host, survive)
        self._over()

    def start(self, host: Host) -> None:
        self._note("start", host)
        super().start(host)
        self._over()

    def upgrade(self, host: Host, options: Mapping[str, Any]) -> None:
        self._note("upgrade", host, options)
        super().upgrade(host, options)
        self._over()

    def forget(self, host: Host) -> None:
        self._note("forget", host)
        super().forget(host)
        self._over()

    def sync(self, host: Host, count: int) -> None:
        if self.depth:
            self.tape[-1] = self.tape[-1]._replace(instant=True)
        self._note("sync", host, len(host.pending) - count)
        super().sync(host, count)
        self._over()

    def turn_over(self, host: Host) -> None:
        self._note("turn_over", host)
        super().turn_over(host)
        self._over()

    def hold_turn(self, host: Host) -> None:
        self.tape[-1] = self.tape[-1]._replace(held=True)
        super().hold_turn(host)

    def invoke(self, op: Op) -> None:
        self.tape.append(Input("invoke", 0, (op,), self.time, 0))
        super().invoke(op)

    def end(self, op: Op, happened: str) -> None:
        self.tape.append(Input("end", 0, (op, happened), self.time, 0))
        super().end(op, happened)

    def note(self, kind: str, host: NodeId, text: str) -> None:
        self.tape.append(Input("note", host, (kind, text), self.time, 0))
