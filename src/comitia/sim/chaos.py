"""The faults of a run: each strikes again and again, at moments from the seed, until healed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from comitia.kernel import NodeId, Reconfigure, Replica, Transfer
from comitia.sim.dice import ALWAYS, Dice
from comitia.sim.disk import misdirects, reread, rots
from comitia.sim.events import CHAOS, SAVED
from comitia.sim.host import Host

if TYPE_CHECKING:
    from comitia.sim.simulation import Simulation

LASTING = ("partition", "oneway", "bridge", "flap")
"""Faults that cut links: a new one replaces the last."""

STRIKES = (
    *LASTING,
    "clog",
    "crash",
    "blackout",
    "pause",
    "jump",
    "backwards",
    "slow_disk",
    "full",
    "compact",
    "membership",
    "transfer",
    "amnesia",
    "upgrade",
)

DAMAGES = {"rot": rots, "misdirected": misdirects}
"""What may have become of a record when it is read back after a crash."""

THE_END = "the faults are over"
"""The note of the moment from which everything must recover."""

RARER = {"blackout": 4, "membership": 2, "transfer": 2, "amnesia": 2, "upgrade": 4}
"""So many times rarer than the others."""


class Chaos:
    """What goes wrong, and when."""

    def __init__(self, simulation: Simulation, rolling: Mapping[str, Sequence[Any]]) -> None:
        self.sim, self.plan = simulation, simulation.plan
        self.dice = Dice(simulation.seed, "chaos")
        self.on = set(self.plan.faults)
        self.rotten: set[NodeId] = set()
        """Hosts that found a damaged record and will not start again."""
        self.cuts = 0
        self.pairs: set[tuple[NodeId, NodeId]] = set()
        """The links that are cut."""

        self.eager = False
        """An operator waits for the next leader."""

        self.rolling = rolling
        self.wires = dict.fromkeys(simulation.hosts, 0)
        """Which version of the wire's format each host speaks."""
        self.wire = 0
        self.options: dict[str, Any] = {}
        self.outdated: list[NodeId] = []
        """Whose turn in the upgrade under way is still to come."""

    def begin(self) -> None:
        """The cluster has started: set what is constant in a run, and the first strikes."""
        sim, dice = self.sim, self.dice
        sim.loss, sim.duplicate, sim.hold = self.plan.loss, self.plan.duplicate, self.plan.batch
        if "slow" in self.on:
            for link in range(len(sim.slow)):
                sim.slow[link] = dice.choose((1, 1, 1, 4, 20))
        if "clock" in self.on:
            for host in sim.hosts.values():
                host.offset += dice.between(0, 1_000_000 * sim.unit)
                self.set_rate(host, 1024 + dice.between(-20, 20))
                if dice.below(2):
                    sim.at(self.lasting(), CHAOS, None, "swing", host)
        for name in STRIKES:
            if name in self.on:
                self.again(name)

    def set_rate(self, host: Host, rate: int) -> None:
        """Let the clock of `host` run at another speed from now on, without a jump."""
        shown = host.now
        host.rate = rate
        host.offset += shown - host.now

    def again(self, name: str) -> None:
        """Let `name` strike after a while."""
        mean = self.plan.calm * self.sim.unit * RARER.get(name, 1)
        if name == "membership" and self.dice.below(4):
            mean = 100 * self.sim.unit  # changes come in bursts: one after the other, or refused
        self.sim.at(1 + self.dice.waiting(mean), CHAOS, None, name, None)

    def strike(self, name: str, target: Any) -> None:
        """The moment of `name` has come; once the chaos is over only restarts still happen."""
        if name in ("restart", "mend"):
            getattr(self, f"do_{name}")(target)
        elif self.sim.chaos_on and name == "cut":
            self.cut(target, 1 + self.dice.waiting(self.sim.unit * 100))
        elif self.sim.chaos_on and name == "swing":
            self.set_rate(target, 2048 - target.rate)  # as much too slow as it was too fast
            self.sim.at(self.lasting(), CHAOS, None, "swing", target)
        elif self.sim.chaos_on and name == "roll":
            self.roll()
        elif self.sim.chaos_on and name == "await":
            self.do_await(target)
        elif self.sim.chaos_on:
            getattr(self, f"do_{name}")()
            self.again(name)

    def lasting(self) -> int:
        """Return how long something lasts."""
        return 1 + self.dice.waiting(self.plan.long * self.sim.unit)

    def up(self) -> list[Host]:
        """The hosts whose process is up."""
        return [host for host in self.sim.hosts.values() if host.node is not None]

    def victim(self) -> Host | None:
        """Return a host that is up, half of the time one that leads: there it hurts most."""
        up, leaders, often = self.up(), self._leaders(), self.dice.below(2)
        if not up:
            return None
        return self.dice.choose(leaders if leaders and often else up)

    # Network.

    def cut(self, pairs: set[tuple[NodeId, NodeId]], lasts: int) -> None:
        """Cut exactly these links, for a while."""
        sim = self.sim
        self.pairs = pairs
        self.link()
        self.cuts += 1
        sim.note("partition", 0, ", ".join(f"n{src} to n{to}" for src, to in sorted(pairs)))
        sim.at(lasts, CHAOS, None, "mend", self.cuts)

    def link(self) -> None:
        """Block exactly what is cut and whom another version keeps from understanding."""
        sim, wires = self.sim, self.wires
        sim.blocked = bytearray(len(sim.blocked))
        for src in wires:
            for to in wires:
                if (src, to) in self.pairs or wires[src] != wires[to]:
                    sim.blocked[src * sim.width + to] = 1

    def do_mend(self, cut: int) -> None:
        if cut == self.cuts:
            self.sim.note("heal", 0, "every link works")
            self.pairs = set()
            self.link()

    def _halves(self) -> tuple[list[NodeId], list[NodeId]]:
        ids = list(self.sim.hosts)
        part = self.dice.some(ids, self.dice.between(1, len(ids) - 1))
        if self.dice.below(2) and (alone := self.victim()):
            part = [alone.id]
        return part, [id for id in ids if id not in part]

    def do_partition(self) -> None:
        here, there = self._halves()
        pairs = {(a, b) for a in here for b in there}
        self.cut(pairs | {(b, a) for a, b in pairs}, self.lasting())

    def do_oneway(self) -> None:
        here, there = self._halves()
        if self.dice.below(2):
            here, there = there, here
        self.cut({(a, b) for a in here for b in there}, self.lasting())

    def do_bridge(self) -> None:
        a, b = self.dice.some(list(self.sim.hosts), 2)
        self.cut({(a, b), (b, a)}, self.lasting())

    def do_flap(self) -> None:
        here, there = self._halves()
        pairs = {(a, b) for a in here for b in there}
        both = pairs | {(b, a) for a, b in pairs}
        for _ in range(self.dice.between(2, 6)):
            self.sim.at(self.dice.waiting(self.sim.unit * 1000), CHAOS, None, "cut", both)

    def do_clog(self) -> None:
        sim = self.sim
        src, to = self.dice.some(list(sim.hosts), 2)
        if self.dice.below(2):
            src, to = to, src
        sim.clear_at[src * sim.width + to] = sim.time + self.lasting()

    # Processes.

    def do_crash(self) -> None:
        writing, often = [host for host in self.up() if host.pending], self.dice.below(2)
        if writing and often:
            self.crash(self.dice.choose(writing))  # there it hurts as well
        elif victim := self.victim():
            self.crash(victim)

    def do_blackout(self) -> None:
        for host in self.up():
            self.crash(host)

    def crash(self, host: Host) -> None:
        """Kill the process; a supervisor starts it again after a while."""
        sim, dice = self.sim, self.dice
        survive = dice.between(0, len(host.pending))
        if "torn" in self.on:
            reread(host, survive, dice)
        damages = [damage for name, damage in DAMAGES.items() if name in self.on]
        if damages and self._may_rot(host) and dice.chance(ALWAYS // 8):
            noticed = dice.choose(damages)(host, survive, dice)
            assert noticed, f"n{host.id} did not notice a damaged record"
            self.rotten.add(host.id)
        sim.crash(host, survive)
        if host.id not in self.rotten:
            long = self.lasting() if dice.below(2) else 1 + dice.waiting(sim.unit * 30)
            sim.at(long, CHAOS, None, "restart", host)

    def _may_rot(self, host: Host) -> bool:
        # Enough disks stay good that nothing decided is lost: then every loss is a bug.
        enough = len(self.rotten) < (self.plan.voters - 1) // 2
        return enough and "membership" not in self.on and host.durable is not None

    def do_restart(self, host: Host) -> None:
        if host.node is None and host.id not in self.rotten:
            self.sim.stopped[host.id] = 0
            self.sim.start(host)

    def do_amnesia(self) -> None:
        if up := self.up():
            host = self.dice.choose(up)
            self.sim.crash(host, 0)
            self.sim.forget(host)
            self.sim.at(self.lasting(), CHAOS, None, "restart", host)

    def do_pause(self) -> None:
        if host := self.victim():
            lasts = self.lasting()
            self.sim.stopped[host.id] = self.sim.time + lasts
            self.sim.note("pause", host.id, f"for {lasts // 1000} ms")

    def do_jump(self) -> None:
        host = self.sim.hosts[self.dice.between(1, len(self.sim.hosts))]
        self.jump(host, self.lasting())

    def do_backwards(self) -> None:
        host = self.sim.hosts[self.dice.between(1, len(self.sim.hosts))]
        self.jump(host, -self.lasting())

    def jump(self, host: Host, by: int) -> None:
        """Let the clock of `host` jump."""
        host.offset += by
        self.sim.note("clock", host.id, f"jumps by {by // 1000} ms")

    # Disks.

    def do_slow_disk(self) -> None:
        host = self.sim.hosts[self.dice.between(1, len(self.sim.hosts))]
        self.sim.slow_sync[host.id] = self.dice.choose((1, 10, 100))

    def do_full(self) -> None:
        """Nothing is written before space is made; what waits for the disk waits on."""
        if up := self.up():
            host = self.dice.choose(up)
            self.sim.disk_free_at[host.id] = self.sim.time + self.lasting()

    # Operators and hosts.

    def do_compact(self) -> None:
        """A host begins a snapshot; it is on disk a while later, and the node is told then."""
        idle = [host for host in self.up() if host.applied > host.newest and not host.saving]
        if idle:
            host = self.dice.choose(idle)
            self.sim.save(host)
            delay = self.dice.waiting(self.sim.unit * 50)
            self.sim.at(delay, SAVED, host, host.incarnation, None)

    def _leaders(self) -> list[Host]:
        return [host for host in self.up() if getattr(host.node, "leader", None) == host.id]

    def do_upgrade(self) -> None:
        """A new version: other options, and half of the time another wire format as well."""
        if not self.outdated:
            dice = self.dice
            self.options = {name: dice.choose(values) for name, values in self.rolling.items()}
            self.wire += dice.below(2)
            ids, first = list(self.sim.hosts), dice.below(len(self.sim.hosts))
            self.outdated = ids[first:] + ids[:first]
            self.roll()

    def roll(self) -> None:
        """The next host stops, as it is told to, and comes back soon with the new version."""
        if self.outdated:
            host = self.sim.hosts[self.outdated.pop()]
            self.install(host)
            sim, dice = self.sim, self.dice
            sim.at(1 + dice.waiting(sim.unit * 30), CHAOS, None, "restart", host)
            sim.at(self.lasting(), CHAOS, None, "roll", None)

    def install(self, host: Host) -> None:
        """Stop `host` if it is up, and let it start with the new version."""
        if host.node is not None:
            self.sim.crash(host, len(host.pending))
        self.sim.upgrade(host, self.options)
        self.wires[host.id] = self.wire
        self.link()

    def do_membership(self) -> None:
        """An operator changes the members: now, or as soon as the next leader is elected."""
        if leaders := self._leaders():
            if self.dice.below(2):
                self.reconfigure(self.dice.choose(leaders))
            elif not self.eager:
                self.eager = True
                self.do_await(max(self.sim.view(host.node).epoch for host in leaders))
        elif asked := [host for host in self.up() if not isinstance(host.node, Replica)]:
            # Nobody ever leads: any member may be asked, for one node more or one less.
            host = self.dice.choose(asked)
            members = getattr(host.node, "members", ())
            other = self.dice.between(1, len(self.sim.hosts))
            if host.id in members:
                self.sim.tokens += 1
                target = frozenset(members) ^ {other}
                self.sim.ask(host, Reconfigure(self.sim.tokens, target))

    def do_await(self, epoch: int) -> None:
        """Ask the first leader of a later epoch, at once; it may not know yet what is committed."""
        later = [host for host in self._leaders() if self.sim.view(host.node).epoch > epoch]
        if later:
            self.eager = False
            self.reconfigure(self.dice.choose(later))
        else:
            self.sim.at(5 * self.sim.unit, CHAOS, None, "await", epoch)

    def reconfigure(self, leader: Host) -> None:
        """Ask `leader` for one member more or less, half of the time, or for any others."""
        sim, ids = self.sim, list(self.sim.hosts)
        if self.dice.below(2):
            # Than this leader knows of: an operator looks before.
            known = sim.view(leader.node).voters
            voters = sorted({*known} ^ {self.dice.choose(ids)}) or ids
        else:
            count = self.dice.between(min(2, self.plan.voters), len(ids))
            voters = self.dice.some(ids, count)
        rest = [id for id in ids if id not in voters]
        learners = self.dice.some(rest, self.dice.between(0, len(rest)))
        sim.tokens += 1
        sim.ask(leader, Reconfigure(sim.tokens, frozenset(voters), frozenset(learners)))

    def do_transfer(self) -> None:
        if leaders := self._leaders():
            self.sim.tokens += 1
            to = self.dice.between(1, len(self.sim.hosts))
            self.sim.ask(self.dice.choose(leaders), Transfer(self.sim.tokens, to))

    # The end of it.

    def heal(self) -> list[NodeId]:
        """Mend everything that can be mended; return who must be served and agree."""
        sim = self.sim
        sim.chaos_on = False
        sim.note("heal", 0, THE_END)
        for id in self.outdated:
            self.install(sim.hosts[id])
        self.pairs = set()
        self.link()
        sim.loss = sim.duplicate = 0
        sim.slow = [1] * len(sim.slow)
        sim.clear_at = [min(at, sim.time) for at in sim.clear_at]
        sim.delay_tail = min(sim.delay_tail, 5 * sim.unit)
        sim.slow_sync = dict.fromkeys(sim.slow_sync, 1)
        sim.disk_free_at = dict.fromkeys(sim.disk_free_at, 0)
        for host in sim.hosts.values():
            sim.stopped[host.id] = min(sim.stopped[host.id], sim.time)
        core = [id for id in sim.hosts if id not in self.rotten]
        if "minority" in self.on and "membership" not in self.on:
            core = self.dice.some(core, self.plan.voters // 2 + 1)
        for host in sim.hosts.values():
            if host.id in core and host.node is None:
                self.do_restart(host)
            elif host.id not in core and host.node is not None:
                self.rotten.add(host.id)
                sim.crash(host, len(host.pending))
            elif host.id not in core:
                self.rotten.add(host.id)
        return core
