"""Deletion: how a tombstone, in the end, leaves no trace (section 3.1).

Some keys at a time: (a) each tombstone is accepted by every acceptor; (b) every proposer forgets
its cached promises, passes the tombstones' ballots and grows an age; (c) every acceptor refuses
messages of younger ages; (d) every acceptor erases the registers.  Each step may be repeated.  A
member that is down stops the collection, never a client: the keys stay tombstones until later.
"""

from __future__ import annotations

from comitia.kernel import Ballot, Message, NodeId, Out, Record, Request, Timer, replace
from comitia.protocols.caspaxos.messages import (
    Accepted,
    Age,
    AgesKept,
    Erase,
    Erased,
    Invalidate,
    Invalidated,
    Key,
    RefuseYounger,
    Tombs,
)
from comitia.protocols.caspaxos.operation import WAITING, Identity, Operation
from comitia.protocols.caspaxos.proposer import CONFIGURATION_KEY, Proposer

GARBAGE_LIMIT = 10_000
KEYS_A_COLLECTION = 100
COLLECT = "collect"


class Collection(Record):
    """The keys being erased, and who has answered in the present step."""

    number: int
    keys: frozenset[Key]
    """Keys whose tombstone is not yet everywhere."""
    votes: tuple[tuple[Key, Ballot, frozenset[NodeId]], ...] = ()
    """Of these: the ballot of the tombstone, and who has accepted it."""
    step: str = "a"
    tombs: Tombs = ()
    ages: tuple[tuple[NodeId, Age], ...] = ()
    done: frozenset[NodeId] = frozenset()


class Collector(Proposer):
    """A proposer that sweeps behind itself."""

    def watch_garbage(self, collect_ms: tuple[int, int]) -> None:
        """Set up: collect after `collect_ms`, and try a stopped collection again as late."""
        self.collect_ms = collect_ms
        self.garbage: tuple[Key, ...] = ()  # keys that hold a tombstone, as far as this node knows
        self.collection: Collection | None = None
        self.collecting = False  # the timer is armed

    def on_tombstone(self, key: Key) -> None:
        if len(self.garbage) < GARBAGE_LIMIT and key != CONFIGURATION_KEY:
            self.garbage = (*self.garbage, key)

    def on_turn(self, out: Out) -> None:
        super().on_turn(out)
        if self.garbage and not self.collecting:
            self.collecting = True
            out.set_timer(COLLECT, after=self.collect_ms)

    def on_timer(self, timer: Timer, out: Out) -> None:
        if timer == COLLECT:
            if self.proposes:
                self.collect()
            self.collecting = False
        else:
            super().on_timer(timer, out)

    def collect(self) -> None:
        """Step (a), for the keys that have waited longest.

        Unless it ends before, a collection is given up for the next one, with other keys first.
        """
        keys = tuple(dict.fromkeys(self.garbage))
        some, self.garbage = keys[:KEYS_A_COLLECTION], keys[KEYS_A_COLLECTION:]
        self.garbage = (*self.garbage, *some)
        self.round += 1  # a number never used before, also in an earlier life
        self.collection = Collection(self.round, frozenset(some))
        for key in some:
            operation = self.operations.get(key, Operation())
            if Identity(key, collecting=True) not in (*operation.batch, *operation.queue):
                self.enqueue(key, Identity(key, collecting=True))

    def on_own(self, key: Key, request: Request, operation: Operation, out: Out) -> None:
        if not isinstance(request, Identity) or not request.collecting:
            super().on_own(key, request, operation, out)
            return
        c = self.collection
        if operation.state.value is not None:  # written again: no garbage any more
            self.garbage = tuple(other for other in self.garbage if other != key)
            if c is not None:
                self.step_a(replace(c, keys=c.keys - {key}), out)
        elif c is not None and c.step == "a" and key in c.keys:
            votes = tuple(vote for vote in c.votes if vote[0] != key)
            tomb = (key, operation.ballot, operation.votes)
            self.step_a(replace(c, votes=(*votes, tomb)), out)

    def step_a(self, c: Collection, out: Out) -> None:
        """Go on when every tombstone is accepted by every acceptor."""
        full = [vote for vote in c.votes if vote[0] in c.keys and vote[2] >= set(self.system)]
        c = replace(
            c,
            keys=c.keys - {key for key, _, _ in full},
            tombs=(*c.tombs, *((key, ballot) for key, ballot, _ in full)),
        )
        if not c.keys and c.tombs:
            c = replace(c, step="b")
            out.broadcast(self.system, Invalidate(c.number, c.tombs))
        self.collection = c

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        c = self.collection
        match message:
            case Accepted(key, ballot):
                super().on_message(src, message, out)
                # A client waits for a quorum, and so does this change; the collection for all.
                if (c := self.collection) and c.step == "a":
                    votes = tuple(
                        (k, b, who | {src} if (k, b) == (key, ballot) else who)
                        for k, b, who in c.votes
                    )
                    self.step_a(replace(c, votes=votes), out)
            case Invalidate(number, tombs):
                self.invalidate(src, number, tombs, out)
            case Invalidated(number, age, busy) if c and (c.number, c.step) == (number, "b"):
                ages = {**dict(c.ages), src: age}
                tombs = tuple(tomb for tomb in c.tombs if tomb[0] not in busy)
                self.collection = c = replace(c, tombs=tombs, ages=tuple(sorted(ages.items())))
                if ages.keys() >= set(self.system):
                    self.collection = replace(c, step="c")
                    out.broadcast(self.system, RefuseYounger(number, c.ages))
            case AgesKept(number) if c and (c.number, c.step) == (number, "c"):
                self.collection = c = replace(c, done=c.done | {src})
                if c.done >= set(self.system):
                    self.collection = replace(c, step="d", done=frozenset())
                    out.broadcast(self.system, Erase(number, c.tombs))
            case Erased(number, kept) if c and (c.number, c.step) == (number, "d"):
                tombs = tuple(tomb for tomb in c.tombs if tomb[0] not in kept)
                self.collection = c = replace(c, tombs=tombs, done=c.done | {src})
                if c.done >= set(self.system):
                    erased = {key for key, _ in c.tombs}
                    self.garbage = tuple(key for key in self.garbage if key not in erased)
                    self.collection = None
            case Invalidated() | AgesKept() | Erased():
                return  # an answer in a step that is over
            case _:
                super().on_message(src, message, out)

    def restart_rounds(self, out: Out) -> None:
        # Who comes into the membership now would not know of the collection under way.
        self.collection = None
        super().restart_rounds(out)

    def invalidate(self, src: NodeId, number: int, tombs: Tombs, out: Out) -> None:
        """Step (b), at each proposer.

        A key is busy while a change of it was sent and may or may not have taken effect: once the
        register is erased its mark would be gone, and the change would be applied twice.
        """
        busy = []
        for key, ballot in tombs:
            operation = self.operations.get(key)
            if operation is not None and operation.attempts:
                busy.append(key)
            self.cache = self.cache.delete(key)
            self.round = max(self.round, ballot.round)
        self.age += 1
        for key, _ in tombs:
            # What was promised and reported before the deletion is void, like the cache: or the
            # answers counted so far would carry the old value past the age that is told here.
            operation = self.operations.get(key)
            if operation is not None and key not in busy and operation.phase != WAITING:
                self.prepare(key, operation, out)
        out.send(src, Invalidated(number, self.age, tuple(busy)))
