"""Many transactions in few processes, under crashes and losses in thousands of random orders."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from comitia.kernel import Message, Node, NodeId, Out, Request
from comitia.kernel.laws import ValuesLaw
from comitia.protocols.commit import ending
from comitia.protocols.commit.messages import (
    ABORTED,
    COMMITTED,
    Abort,
    Attend,
    Finished,
    Inquire,
    Of,
    Start,
    Task,
    Transaction,
    Willing,
)
from comitia.protocols.commit.seats import LEADER, RESOURCE
from comitia.protocols.commit.transactions import Transactions

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

    def refuse(self, request: Request, reason: str) -> None:
        self.world.refusals.append(reason)


class World:
    """Three processes and their owners; what happens next is drawn from a seed."""

    def __init__(self, seed: int, make: type[Transactions] = Transactions, **options: bool) -> None:
        self.random, self.make, self.options = random.Random(seed), make, options
        self.flying: list[tuple[NodeId, NodeId, Message]] = []
        self.timers: dict[tuple[NodeId, str], None] = {}
        self.open: list[tuple[NodeId, Request]] = []
        self.outcomes: dict[int, object] = {}
        self.refusals: list[str] = []
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

    stable = ("kept", "past")


class ForgetsTooEarly(Transactions):
    """A commit is forgotten when one manager knows it."""

    def is_acknowledged(self, about: Transaction, by: frozenset[NodeId]) -> bool:
        return True


class PresumesTooMuch(Transactions):
    """What was never heard of is taken for an abort."""

    def on_inner(self, src: NodeId, message: Of, out: Out) -> None:
        if isinstance(message.message, Inquire) and message.about.seat(LEADER) not in self.kept:
            out.send(src, Of(message.about, Abort()))
        super().on_inner(src, message, out)


@pytest.mark.parametrize(
    "mutant",
    [VotesWithoutAsking, ForgetsWhatItPrepared, NumbersAgain, ForgetsTooEarly, PresumesTooMuch],
    ids=lambda m: m.__name__,
)
def test_a_mutant_is_killed(mutant: type[Transactions]) -> None:
    for seed in range(60):
        try:
            run(seed, mutant)
        except AssertionError as death:
            print(f"seed {seed}: {death}")
            return
    pytest.fail(f"{mutant.__doc__} lives")


def settle(world: World, until: Callable[[], bool]) -> None:
    """Everything happens in order, but for timers, until it has come to that."""
    while not until():
        if world.open:
            id, request = world.open.pop(0)
            world.ask(id, request)
        else:
            src, to, message = world.flying.pop(0)
            if to not in world.down:
                world.turn(to, lambda node, out, s=src, m=message: node.on_message(s, m, out))


def quiet(world: World) -> Callable[[], bool]:
    return lambda: not (world.flying or world.open)


def transfer(world: World, token: int, at: NodeId, *managers: NodeId) -> None:
    world.ask(at, Start(token, tuple((manager, b"part") for manager in managers)))


def everything_forgotten(world: World) -> bool:
    return not any(len(node.kept) for node in world.nodes.values())


both = pytest.mark.parametrize("two_phase", [False, True], ids=["Paxos Commit", "two-phase commit"])


@both
def test_what_has_ended_everywhere_is_forgotten_everywhere(two_phase: bool) -> None:
    world = World(3, two_phase=two_phase)
    for _ in range(30):
        world.begin(world.random.choice(IDS))
        for _ in range(60):
            world.happen(faults=False)
    for _ in range(20_000):
        if everything_forgotten(world):
            break
        world.happen(faults=False)
    assert everything_forgotten(world)
    assert len(world.outcomes) == 30
    assert set(world.outcomes.values()) == {COMMITTED, ABORTED}
    assert not any(node.mine or node.acknowledged or node.parts for node in world.nodes.values())
    assert not any(node.running for node in world.nodes.values())


@both
def test_who_was_away_for_any_number_of_transactions_is_told_of_its_commit(two_phase: bool) -> None:
    world = World(1, two_phase=two_phase)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing
    transfer(world, 1, 1, 1, 3)
    settle(world, lambda: 3 in prepared(world) and any(src == 3 for src, _, _ in world.flying))
    world.crash(3)  # it has voted, and hears of nothing any more
    settle(world, quiet(world))
    assert world.ends == {(1, 1): {1: "commit"}}
    for token in range(2, 60):
        transfer(world, token, 1, 1, 2)
        settle(world, quiet(world))
    tick(world)
    assert {seat[1] for id in (1, 2) for seat in world.nodes[id].kept} == {1}
    world.start(3)
    for _ in range(2_000):
        world.happen(faults=False)
    assert world.ends[1, 1] == {1: "commit", 3: "commit"}
    assert everything_forgotten(world)


@both
def test_who_has_not_heard_of_an_abort_long_forgotten_is_told_of_it(two_phase: bool) -> None:
    world = World(1, two_phase=two_phase)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing
    transfer(world, 1, 1, 1, 3)
    settle(world, lambda: 3 in prepared(world))
    world.flying = [each for each in world.flying if each[0] != 3]  # its vote is lost
    world.crash(3)
    while 1 not in world.outcomes:
        settle(world, quiet(world))
        for id, timer in [key for key in world.timers if key[1].endswith("patience")]:
            del world.timers[id, timer]
            world.turn(id, lambda node, out, timer=timer: node.on_timer(timer, out))
    settle(world, quiet(world))
    tick(world)
    assert world.outcomes == {1: ABORTED}
    assert not len(world.nodes[1].kept) and not len(world.nodes[2].kept)
    world.start(3)
    for _ in range(2_000):
        world.happen(faults=False)
    assert world.ends[1, 1] == {1: "abort", 3: "abort"}
    assert everything_forgotten(world)


def tick(world: World) -> None:
    """Those that are up ask each other what is over."""
    for id in [id for id in IDS if id not in world.down]:
        world.timers.pop((id, "tidy"), None)
        world.turn(id, lambda node, out: node.on_timer("tidy", out))
    settle(world, quiet(world))


def test_when_too_many_are_owed_their_end_no_more_are_begun_and_it_is_said_who_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "MOST_OPEN", 3)
    world = World(1)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing
    idle: list[tuple[NodeId, Request]] = []

    def lazily() -> bool:
        """The owner at n2 never finishes with a commit."""
        idle.extend(each for each in world.open if each[0] == 2 and isinstance(each[1], Finished))
        world.open = [each for each in world.open if each not in idle]
        return quiet(world)()

    for token in range(1, 4):
        transfer(world, token, 1, 1, 2)
        settle(world, lazily)
    assert set(world.outcomes.values()) == {COMMITTED}
    tick(world)
    transfer(world, 4, 1, 1, 3)
    assert world.refusals == [
        "3 transactions begun here are not over; the oldest, 1.1, waits for n2 to commit its part"
    ]
    transfer(world, 5, 3, 1, 3)  # others begin as they like
    settle(world, quiet(world))
    assert world.outcomes[5] == COMMITTED
    world.open += idle[:1]
    settle(world, quiet(world))
    transfer(world, 6, 1, 1, 3)
    settle(world, quiet(world))
    assert world.outcomes[6] == COMMITTED
    assert len(world.refusals) == 1


def test_a_start_has_only_those_take_a_step_that_have_something_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(1)
    world.random.random = lambda: 0.5  # type: ignore[method-assign]  # everybody is willing
    for token in range(1, 6):
        transfer(world, token, 1, 2, 3)
        settle(world, quiet(world))
    transfer(world, 6, 1, 2, 3)
    settle(world, lambda: 2 in prepared(world))
    stepped: list[tuple[int, str]] = []
    step = Transactions.step

    def noted(self: Transactions, about: Transaction, role: str, act: Any, out: Out) -> None:
        stepped.append((about.number, role))
        step(self, about, role, act, out)

    world.crash(2)
    monkeypatch.setattr(Transactions, "step", noted)
    world.start(2)
    assert len(world.nodes[2].kept) >= 3 * 5
    assert stepped == [(6, RESOURCE)]
