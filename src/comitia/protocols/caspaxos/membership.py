"""Changes of membership, one node at a time (section 2.3).

Every change is a walk over configurations of which any two neighbours may be in force together.
The next one is agreed on in a register of its own, so that two operators cannot walk in different
directions; then every proposer is told of it, and only then comes the next step.

Where a cluster has an even number of members its states may lie on one acceptor fewer than a
quorum, namely when it came from an odd number by removing one.  So before anything else is changed
every key is written again ("rescan"): the paper demands it before the cluster grows, and it is just
as necessary before it shrinks (3 to 2 to 1 would lose what only the second one removed held).
"""

from __future__ import annotations

import msgspec

from comitia.kernel import Message, NodeId, Out, Reconfigure, Record, Request, Timer, replace
from comitia.protocols.caspaxos.messages import (
    Change,
    Configuration,
    Configure,
    Done,
    Fence,
    Join,
    Key,
    Keys,
    ListKeys,
)
from comitia.protocols.caspaxos.operation import Claim, Identity, Operation
from comitia.protocols.caspaxos.proposer import CONFIGURATION_KEY, Proposer
from comitia.quorums import QuorumSystem

STEP = "membership step"
RESCAN_WINDOW = 64
NOBODY: frozenset[NodeId] = frozenset()
FENCE_SHIFT = 32  # ages above this many bits come from membership, the lower ones from deletions

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Configuration).decode


def settled(version: int, members: tuple[NodeId, ...]) -> Configuration:
    """Return the regular configuration of `members`: majorities in both phases."""
    need = len(members) // 2 + 1
    return Configuration(version, members, need, members, need)


def walk(now: Configuration, target: tuple[NodeId, ...]) -> tuple[str | Configuration, ...]:
    """Return the steps from `now` to the regular configuration of `target`.

    Raises ValueError when more than one node comes or goes.
    """
    version = now.version + 1
    here, there = set(now.accept), set(target)
    if now.prepare != now.accept:  # a change was left half-way: on or back, both are one step
        if there == set(now.accept):
            return "rescan", settled(version, now.accept)
        if there == set(now.prepare):
            return "rescan", settled(version, now.prepare)
        raise ValueError(f"finish the change under way first: to {now.accept} or to {now.prepare}")
    if len(here ^ there) != 1 or not there:
        raise ValueError("members come and go one at a time")
    odd, even = sorted((here, there), key=lambda members: len(members) % 2 == 0)
    if len(odd) > len(even):
        # 2F+2 members are 2F+3 of whom one was down from the beginning.
        return ("rescan", settled(version, target)) if there == odd else (settled(version, target),)
    between = Configuration(
        version,
        tuple(sorted(odd)),
        len(odd) // 2 + 1,
        tuple(sorted(even)),
        len(even) // 2 + 1,
    )
    return "rescan", between, "rescan", settled(version + 1, target)


class Walk(Record):
    """A change under way at the member that was asked for it."""

    request: Reconfigure
    steps: tuple[str | Configuration, ...]
    version: int
    """The version of the configuration being left."""
    staying: frozenset[NodeId]
    """The proposers that must carry out a step before the next one is taken, ..."""
    joining: frozenset[NodeId]
    """... and then, when they are new, these."""
    leaving: frozenset[NodeId]
    """Told, but not waited for."""
    step: str = ""
    done: frozenset[NodeId] = frozenset()
    parts: frozenset[tuple[NodeId, int, int]] = frozenset()
    keys: tuple[Key, ...] = ()
    """Keys to be written again, ..."""
    position: int = 0
    """... of which so many have been asked for, ..."""
    asked: frozenset[Key] = frozenset()
    """... and these are on their way."""
    round: int = 0
    """The greatest counter of a proposer heard of: newcomers start above it, so that no tombstone
    erased before they came has a greater ballot than their first change (section 3.1)."""

    @property
    def waits_for(self) -> frozenset[NodeId]:
        """Who must answer in the step "configure": the newcomers last."""
        return self.joining if self.done >= self.staying else self.staying


class Membership(Proposer):
    """A proposer that can be asked to change who the members are."""

    walk: Walk | None
    step_ms: tuple[int, int]
    joined: int
    """The acceptor's: the version of the configuration that this node joined with."""

    def on_request(self, request: Request, out: Out) -> None:
        match request:
            case Change() if not self.proposes:
                out.refuse(request, "this node is no member")
            case Reconfigure() if self.walk is not None:
                out.refuse(request, "a change of membership is under way here")
            case Reconfigure(learners=learners) if learners:
                out.refuse(request, "CASPaxos has no learners")
            case Reconfigure(voters=voters) if {self.id} - voters or not self.proposes:
                out.refuse(request, "ask a member that stays")
            case Reconfigure():
                # First learn the configuration in force: claiming nothing reads it.
                stub = self.current
                self.walk = Walk(request, (), stub.version, NOBODY, NOBODY, NOBODY, step="learn")
                self.enqueue(CONFIGURATION_KEY, Claim(replace(stub, version=0)))
                out.set_timer(STEP, after=self.step_ms)
            case _:
                super().on_request(request, out)

    @property
    def current(self) -> Configuration:
        """The configuration in force, as this proposer knows it."""
        members = tuple(self.initial.members)
        return settled(0, members) if self.configuration is None else self.configuration

    @property
    def proposes(self) -> bool:
        """May this proposer begin anything?

        Not unless it is a member of the configuration it knows, and not after it has joined as an
        acceptor until it hears of the configuration that it joined: what it knows before is an
        older one, whose quorums may consist of members long removed.
        """
        return self.id in self.system.members and self.current.version >= self.joined

    @property
    def members(self) -> tuple[NodeId, ...]:
        """Who takes part, as far as this proposer knows; any of them can be asked to change it."""
        return tuple(self.system.members)

    def claim(self, value: bytes | None, wanted: Configuration) -> tuple[bytes | None, object]:
        now = self.current if value is None else _decode(value)
        if wanted.version == now.version + 1:
            return _encode(wanted), wanted
        return value, now

    def on_own(self, key: Key, request: Request, operation: Operation, out: Out) -> None:
        w = self.walk
        match request:
            case Claim(wanted) if w is not None:
                index = operation.batch.index(request)
                now = operation.replies[index]
                assert isinstance(now, Configuration)
                self.on_claimed(w, wanted, now, out)
            case Identity() if w is not None and w.step == "rescan" and not request.collecting:
                self.walk = replace(w, asked=w.asked - {key})
                self.rescan(out)
            case _:
                super().on_own(key, request, operation, out)

    def on_claimed(self, w: Walk, wanted: Configuration, now: Configuration, out: Out) -> None:
        """The register of configurations holds `now`."""
        if w.step == "learn":
            try:
                steps = walk(now, tuple(sorted(w.request.voters)))
            except ValueError as error:
                self.walk = None
                out.cancel_timer(STEP)
                if set(now.members) == w.request.voters and now.prepare == now.accept:
                    out.answer(w.request, None)  # done before
                else:
                    out.refuse(w.request, str(error))
                return
            here, voters = frozenset(now.members), w.request.voters
            # Whoever walked here before may not have told everybody.
            first: tuple[str | Configuration, ...] = (now,) if now.version else ()
            before = ("fence",) if here - voters else ("join",) if voters - here else ()
            self.walk = replace(
                w,
                steps=(*first, *before, *steps),
                version=now.version,
                staying=here & voters,
                joining=voters - here,
                leaving=here - voters,
            )
            self.next_step(out)
        elif w.step == "claim":
            if now != wanted:
                # Steps were taken already, so this is no refusal: the outcome is unknown here.
                self.walk = None
                out.cancel_timer(STEP)
            else:
                self.walk = replace(w, step="configure", done=frozenset())
                self.repeat(out)

    def next_step(self, out: Out) -> None:
        """Begin the first of the steps left."""
        w = self.walk
        assert w is not None
        if not w.steps:
            self.walk = None
            out.cancel_timer(STEP)
            out.answer(w.request, None)
            return
        match w.steps[0]:
            case Configuration() as wanted if wanted.version > w.version:
                self.walk = replace(w, step="claim")
                self.enqueue(CONFIGURATION_KEY, Claim(wanted))
            case Configuration():
                self.walk = replace(w, step="configure", done=frozenset())
            case "rescan":
                self.walk = replace(w, step="list", done=frozenset(), parts=frozenset(), keys=())
            case name:
                self.walk = replace(w, step=name, done=frozenset())
        self.repeat(out)

    def repeat(self, out: Out) -> None:
        """Send what the present step sends, again and again until everybody has answered."""
        w = self.walk
        assert w is not None
        out.set_timer(STEP, after=self.step_ms)
        age = (w.version + 1) << FENCE_SHIFT
        match w.step:
            case "fence":
                (leaving,) = w.leaving
                fence = Fence(w.version, leaving, age)
                out.broadcast([node for node in self.system if node != leaving], fence)
            case "join":
                out.broadcast(sorted(w.joining), Join(w.version + 1, age, self.round))
            case "configure":
                assert isinstance(w.steps[0], Configuration)
                configure = Configure(w.steps[0], w.round)
                out.broadcast(sorted(w.waits_for | w.leaving), configure)
            case "list":
                out.broadcast(self.system, ListKeys(w.version))

    def step_over(self, out: Out) -> None:
        """The first step is done."""
        w = self.walk
        assert w is not None
        self.walk = replace(w, steps=w.steps[1:])
        self.next_step(out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if timer != STEP:
            super().on_timer(timer, out)
        elif self.walk is not None:
            self.repeat(out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        w = self.walk
        match message:
            case Configure(configuration, least):
                self.round = max(self.round, least)
                if configuration.version > self.current.version:
                    self.configuration = configuration
                    # What was promised under another configuration proves nothing under this one.
                    self.restart_rounds(out)
                out.send(src, Done(configuration.version, "configure", self.round))
            case Join(version, age, least):
                self.age, self.round = max(self.age, age), max(self.round, least)
                if not self.proposes:
                    self.restart_rounds(out)  # what is under way uses an older configuration
                out.send(src, Done(version, "join", self.round))
            case Done(version, step, least) if w is not None and w.step == step:
                self.walk = w = replace(w, done=w.done | {src}, round=max(w.round, least))
                self.on_done(w, version, out)
            case Keys(version, part, parts, keys) if w is not None and w.step == "list":
                self.on_keys(src, w, (version, part, parts, keys), out)
            case Done() | Keys():
                return  # an answer in a step that is over
            case _:
                super().on_message(src, message, out)

    def on_done(self, w: Walk, version: int, out: Out) -> None:
        """One more has carried out the present step."""
        quorums: QuorumSystem = self.system
        match w.step:
            case "fence":
                # A member that does not answer may still serve the one who leaves, but no quorum
                # of either phase is left to it.
                left = set(quorums) - w.done
                if not quorums.is_read_quorum(left) and not quorums.is_write_quorum(left):
                    self.step_over(out)
            case "join":
                if w.done >= w.joining:
                    self.step_over(out)
            case _:
                wanted = w.steps[0]
                assert isinstance(wanted, Configuration)
                if version != wanted.version:
                    return
                # `now`, told again, concerns members only.
                joining = w.joining if wanted.version > w.version else NOBODY
                if w.done >= w.staying | joining:
                    self.walk = replace(w, version=version)
                    self.step_over(out)
                elif w.done >= w.staying:
                    self.repeat(out)

    def on_keys(
        self, src: NodeId, w: Walk, keys: tuple[int, int, int, tuple[Key, ...]], out: Out
    ) -> None:
        """Gather the keys of a read quorum: no state that was acknowledged is missing there."""
        version, part, parts, some = keys
        if version != w.version:
            return
        everything = frozenset(w.keys).union(some)
        w = replace(w, parts=w.parts | {(src, part, parts)}, keys=tuple(everything))
        whole = {
            node
            for node, _, parts in w.parts
            if all((node, part, parts) in w.parts for part in range(parts))
        }
        self.walk = w
        if self.system.is_read_quorum(whole):
            self.walk = replace(
                w, step="rescan", keys=tuple(sorted(everything)), position=0, asked=frozenset()
            )
            self.rescan(out)

    def rescan(self, out: Out) -> None:
        """Have every key accepted again, some at a time."""
        w = self.walk
        assert w is not None
        if w.position == len(w.keys) and not w.asked:
            self.step_over(out)
        elif len(w.asked) <= RESCAN_WINDOW // 2:
            until = min(len(w.keys), w.position + RESCAN_WINDOW - len(w.asked))
            more = w.keys[w.position : until]
            self.walk = replace(w, position=until, asked=w.asked.union(more))
            for key in more:
                self.enqueue(key, Identity(key))
