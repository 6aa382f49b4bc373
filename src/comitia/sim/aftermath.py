"""What a tape leads to when everything then heals: for promises that only a recovery can break.

A part of a tape is played without chance, and the cluster that it leaves behind goes on as a
simulation without faults, in which it must recover.  So what made it impossible to recover can be
shortened like the tape of any other failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from comitia.sim.events import CLIENT
from comitia.sim.ledger import Violation
from comitia.sim.recovery import CALM_SEEDS, Latest, recover
from comitia.sim.replay import Replay
from comitia.sim.simulation import Simulation
from comitia.sim.tape import Input, Recording

STRANGERS = 1_000_000
"""The clients of the aftermath have numbers from here: those before them gave up."""


class Aftermath(Replay):
    """A world to which a tape happens, and then nothing bad any more."""

    sim: Recording
    """What came after the tape, with a tape of its own."""

    def __init__(
        self,
        recording: Recording,
        latest: Callable[[Simulation], Latest],
        bound: int,
        luck: int,
    ) -> None:
        """Of the cluster of `recording`, which is over, and which must recover within `bound` times
        its patience; who was dead in the end stays so.  `latest` is what `recover` asks; `luck`
        changes what comes of chance after the tape.
        """
        super().__init__(
            list(recording.hosts),
            recording.make,
            [type(promise)() for promise in recording.watch.promises],
            recording.workload,
            recording.liars,
        )
        self.recording, self.latest, self.bound = recording, latest, bound
        self.seed = recording.seed + luck * CALM_SEEDS

    def play(self, tape: Sequence[Input]) -> Violation | None:
        violation = super().play(tape)
        if violation is not None:
            return violation
        self.sim = self.go_on()
        try:
            recover(self.sim, self.latest(self.sim), self.bound)
        # As in a tape: whatever a node raises is a finding.
        except Exception as error:  # noqa: BLE001
            return self.sim.name(error)
        return None

    def go_on(self) -> Recording:
        """Return a simulation of the cluster as it is; what was under way is lost."""
        was = self.recording
        plan = replace(
            was.plan,
            faults=tuple(name for name in was.plan.faults if name == "membership"),
            delay=(was.plan.delay[0], 2),
            sync=(0, 0),
            batch=0,
        )
        sim = Recording(self.seed, plan, was.make, (), was.workload, was.view)
        sim.keep_pace(was.unit)
        sim.hosts, sim.nodes, sim.watch = self.hosts, self.nodes, self.watch
        sim.ledger, sim.time, sim.tokens = self.ledger, self.time, self.tokens
        sim.chaos.rotten = set(was.chaos.rotten)
        for op, _ in list(self.ledger.open.values()):
            sim.end(op, "info")
        for host in self.hosts.values():
            host.offset = self.shown.get(host.id, 0)
            host.world = sim
            timers, host.timers = host.timers, {}
            for timer, after in timers.items():
                sim.arm(host, timer, after)
            if host.node is not None:
                sim.turn_over(host)
        for number, client in enumerate(sim.clients):
            client.process = STRANGERS + number
            sim.at(1 + number, CLIENT, None, client, 0)
        sim.by_process = {client.process: client for client in sim.clients}
        return sim
