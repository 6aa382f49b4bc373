"""Many transactions in few processes, under crashes and losses in thousands of random orders."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

import pytest

from comitia.kernel import Message, Node, NodeId, Out, Request
from comitia.kernel.laws import ValuesLaw
from comitia.protocols.commit import transactions
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    Attend,
    Finished,
    Start,
    Task,
    Willing,
)
from comitia.protocols.commit.transactions import ACCEPTOR, RESOURCE, Transactions

IDS = (1, 2, 3)


class Voice(Out):
    def __init__(self, world: World, id: NodeId) -> None:
        self.world, self.id = world, id

    def send(self, to: NodeId, message: Message) -> None:
        self.world.flying.append((self.id, to, message))

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        self.world.timers[self.id, timer] = None

    def cancel_timer(self, timer: str) -> None:
        self.world.timers.pop((self.id, timer), None)

    def answer(self, request: Request, result: object) -> None:
        self.world.answer(self.id, request, result)


class World:
    """Three processes and their owners; what happens next is drawn from a seed."""

    def __init__(self, seed: int, make: type[Transactions] = Transactions, **options: bool) -> None:
        self.random, self.make, self.options = random.Random(seed), make, options
        self.flying: list[tuple[NodeId, NodeId, Message]] = []
        self.timers: dict[tuple[NodeId, str], None] = {}
        self.open: list[tuple[NodeId, Request]] = []
        self.outcomes: dict[int, object] = {}
        self.ends: dict[tuple[NodeId, int], dict[NodeId, str]] = defaultdict(dict)
        self.refused: set[tuple[NodeId, int]] = set()
        self.asked: dict[tuple[NodeId, int], set[NodeId]] = defaultdict(set)
        self.named: dict[tuple[NodeId, int], bytes] = {}
        self.laws = seed % 16 == 0
        self.down: set[NodeId] = set()
        self.nodes: dict[NodeId, Transactions] = {}
        self.token = 0
        for id in IDS:
            self.start(id)

    def start(self, id: NodeId) -> None:
        before = self.nodes.get(id)
        node = self.nodes[id] = self.make(id, IDS, **self.options)
        if before is not None:
            for name in node.stable:
                setattr(node, name, getattr(before, name))
        self.down.discard(id)
        self.turn(id, lambda node, out: node.on_start(out))
        self.ask(id, Attend(0))

    def crash(self, id: NodeId) -> None:
        self.down.add(id)
        self.open = [each for each in self.open if each[0] != id]
        for key in [key for key in self.timers if key[0] == id]:
            del self.timers[key]

    def turn(self, id: NodeId, step: Callable[[Node, Out], None]) -> None:
        law = ValuesLaw(self.nodes[id]) if self.laws else None
        step(self.nodes[id], Voice(self, id))
        if law is not None:
            law.check()

    def ask(self, id: NodeId, request: Request) -> None:
        self.turn(id, lambda node, out: node.on_request(request, out))

    def begin(self, id: NodeId) -> None:
        self.token += 1
        parts = tuple((i, b"part of %d" % self.token) for i in self.random.sample(IDS, 2))
        self.ask(id, Start(self.token, parts))

    def answer(self, id: NodeId, request: Request, result: object) -> None:
        if isinstance(request, Start):
            self.outcomes[request.token] = result
            return
        assert isinstance(result, Task)
        key = result.transaction
        if result.do == "prepare":
            named = self.named.setdefault(key, result.part)
            assert named == result.part, f"two transactions are called {key}"
            self.asked[key].add(id)
            willing = self.random.random() < 0.8
            if not willing:
                self.refused.add(key)
            self.open.append((id, Willing(*key, willing)))
        else:
            told = self.ends[key].setdefault(id, result.do)
            assert told == result.do, "told one thing, then the other"
            assert len(set(self.ends[key].values())) == 1, f"{key} ends differently"
            assert result.do == "abort" or key not in self.refused, "a part was not willing"
            self.open.append((id, Finished(*key)))
        self.open.append((id, Attend(0)))

    def happen(self, faults: bool) -> None:
        """One thing happens."""
        draw = self.random.random()
        if faults and draw < 0.02:
            id = self.random.choice(IDS)
            self.start(id) if id in self.down else self.crash(id)
        elif self.open and (draw < 0.3 or not self.flying):
            id, request = self.open.pop(self.random.randrange(len(self.open)))
            self.ask(id, request)
        elif self.timers and (draw < 0.36 if faults else not self.flying and not self.open):
            id, timer = self.random.choice(list(self.timers))
            del self.timers[id, timer]
            self.turn(id, lambda node, out: node.on_timer(timer, out))
        elif self.flying:
            index = self.random.randrange(len(self.flying))
            src, to, message = self.flying.pop(index)
            lost = faults and self.random.random() < 0.1
            if not lost and to not in self.down:
                self.turn(to, lambda node, out: node.on_message(src, message, out))

    def assert_all_told(self) -> None:
        for key, ids in self.asked.items():
            assert ids <= self.ends[key].keys(), f"who prepared {key} is not told how it ended"

    def unfinished(self) -> int:
        return sum(
            not kept.finished
            for node in self.nodes.values()
            for seat, kept in node.kept.items()
            if seat[2] == RESOURCE
        )


def run(seed: int, make: type[Transactions] = Transactions, **options: bool) -> World:
    """Faults, then everybody comes back and all ends."""
    world = World(seed, make, **options)
    for step in range(900):
        if step % 150 == 0 and (up := sorted(set(IDS) - world.down)):
            world.begin(world.random.choice(up))
        world.happen(faults=True)
    for id in sorted(world.down):
        world.start(id)
    for _ in range(20_000):
        world.happen(faults=False)
        if not (world.flying or world.open or world.unfinished()):
            world.assert_all_told()
            return world
    raise AssertionError(f"seed {seed}: {world.unfinished()} parts have not ended")


@pytest.mark.parametrize("two_phase", [False, True], ids=["Paxos Commit", "two-phase commit"])
def test_all_parts_of_a_transaction_end_alike_and_all_end(two_phase: bool) -> None:
    ends: set[str] = set()
    for seed in range(40):
        world = run(seed, two_phase=two_phase)
        assert set(world.outcomes.values()) <= {COMMITTED, ABORTED}
        ends |= {end for told in world.ends.values() for end in told.values()}
    assert ends == {"commit", "abort"}


def without_coordinator(two_phase: bool) -> World:
    """The coordinator dies when every part has voted."""
    world = World(1, two_phase=two_phase)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing
    world.ask(1, Start(1, ((2, b"part"), (3, b"part"))))
    while len(prepared(world)) < 2:
        if world.open:
            id, request = world.open.pop(0)
            world.ask(id, request)
        else:
            src, to, message = world.flying.pop(0)
            world.turn(to, lambda node, out, s=src, m=message: node.on_message(s, m, out))
    world.crash(1)
    world.random = random.Random(2)
    for _ in range(3_000):
        if not world.unfinished():
            break
        world.happen(faults=False)
    return world


def prepared(world: World) -> list[NodeId]:
    return [
        id
        for id, node in world.nodes.items()
        for seat, kept in node.kept.items()
        if (seat[2], kept.state) == (RESOURCE, "prepared")
    ]


def test_paxos_commit_ends_without_its_coordinator() -> None:
    world = without_coordinator(two_phase=False)
    assert world.ends == {(1, 1): {2: "commit", 3: "commit"}}


def test_two_phase_commit_waits_until_its_coordinator_is_back() -> None:
    world = without_coordinator(two_phase=True)
    assert not world.ends
    assert prepared(world) == [2, 3]
    world.start(1)
    while world.unfinished():
        world.happen(faults=False)
    # Its decision had not been written down, so nobody was told to commit, nor ever will be.
    assert world.ends == {(1, 1): {2: "abort", 3: "abort"}}


class VotesWithoutAsking(Transactions):
    """Whatever the owner answers, the part is prepared."""

    def answered(self, coordinator: NodeId, number: int, willing: bool, out: Out) -> None:
        super().answered(coordinator, number, True, out)


class ForgetsWhatItPrepared(Transactions):
    """Nothing is on disk but the numbers given."""

    stable = ("begun",)


class NumbersAgain(Transactions):
    """The numbers of transactions are not on disk."""

    stable = ("kept",)


@pytest.mark.parametrize(
    "mutant", [VotesWithoutAsking, ForgetsWhatItPrepared, NumbersAgain], ids=lambda m: m.__name__
)
def test_a_mutant_is_killed(mutant: type[Transactions]) -> None:
    for seed in range(60):
        try:
            run(seed, mutant)
        except AssertionError as death:
            print(f"seed {seed}: {death}")
            return
    pytest.fail(f"{mutant.__doc__} lives")


def test_of_transactions_long_over_only_the_last_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "KEEP", 5)
    world = World(3)
    for _ in range(30):
        world.begin(1)
        for _ in range(2_000):
            world.happen(faults=False)
            if not (world.flying or world.open or world.unfinished()):
                break
    assert len(world.outcomes) == 30
    assert all(len(node.kept) <= 3 * 7 for node in world.nodes.values())


def test_who_comes_back_after_all_others_forgot_is_told_nothing_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "KEEP", 3)
    world = World(1)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing

    def settle(until: Callable[[], bool]) -> None:
        while not until():
            if world.open:
                id, request = world.open.pop(0)
                world.ask(id, request)
            else:
                src, to, message = world.flying.pop(0)
                if to not in world.down:
                    world.turn(to, lambda node, out, s=src, m=message: node.on_message(s, m, out))

    def is_quiet() -> bool:
        return not (world.flying or world.open)

    world.ask(1, Start(1, ((1, b"part"), (3, b"part"))))
    settle(lambda: 3 in prepared(world) and (1, 1, ACCEPTOR) in world.nodes[3].kept)
    world.crash(3)  # it has voted, is ready to lead, and hears of nothing any more
    settle(is_quiet)
    assert world.ends == {(1, 1): {1: "commit"}}
    for token in range(2, 9):
        world.ask(1, Start(token, ((1, b"part"), (2, b"part"))))
        settle(is_quiet)
    assert (1, 1, RESOURCE) not in world.nodes[1].kept
    world.start(3)
    for _ in range(500):
        world.happen(faults=False)
    assert world.ends[1, 1] == {1: "commit"}
    assert prepared(world) == [3]
