"""A few nodes and the messages between them, moved by hand: for stories with a known plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from comitia.kernel import Message, Node, NodeId, Out, Request
from comitia.protocols.caspaxos.messages import Change
from comitia.protocols.caspaxos.node import CasPaxos

Match = Callable[[NodeId, NodeId, Message], bool]


class Voice(Out):
    """What one node says goes into the story."""

    def __init__(self, story: Story, id: NodeId) -> None:
        self.story, self.id = story, id

    def send(self, to: NodeId, message: Message) -> None:
        self.story.flying.append((self.id, to, message))

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        self.story.timers[self.id, timer] = after

    def cancel_timer(self, timer: str) -> None:
        self.story.timers.pop((self.id, timer), None)

    def answer(self, request: Request, result: object) -> None:
        self.story.answers[request] = result

    def refuse(self, request: Request, reason: str) -> None:
        self.story.refusals[request] = reason


class Story:
    """Messages wait in `flying` until somebody lets them arrive."""

    def __init__(
        self, voters: Iterable[NodeId], make: Any = CasPaxos, spares: Iterable[NodeId] = ()
    ) -> None:
        self.flying: list[tuple[NodeId, NodeId, Message]] = []
        self.held: list[tuple[NodeId, NodeId, Message]] = []
        self.timers: dict[tuple[NodeId, str], tuple[int, int]] = {}
        self.answers: dict[Request, object] = {}
        self.refusals: dict[Request, str] = {}
        self.down: set[NodeId] = set()
        self.delivered = 0
        self.tokens = 0
        voters = tuple(voters)
        self.nodes: dict[NodeId, Node] = {id: make(id, voters) for id in (*voters, *spares)}

    def turn(self, id: NodeId, step: Callable[[Node, Voice], None]) -> None:
        voice = Voice(self, id)
        step(self.nodes[id], voice)
        self.nodes[id].on_turn(voice)

    def ask(self, id: NodeId, request: Request) -> Request:
        self.turn(id, lambda node, out: node.on_request(request, out))
        return request

    def change(self, id: NodeId, command: bytes, key: bytes = b"k") -> Request:
        self.tokens += 1
        return self.ask(id, Change(self.tokens, key, command))

    def hold(self, match: Match) -> None:
        """Messages that match stay in flight, from now on, until `release`."""
        self.held += [flight for flight in self.flying if match(*flight)]
        self.flying = [flight for flight in self.flying if not match(*flight)]

    def release(self, match: Match = lambda src, to, message: True) -> None:
        self.flying += [flight for flight in self.held if match(*flight)]
        self.held = [flight for flight in self.held if not match(*flight)]

    def run(self, holding: Match = lambda src, to, message: False) -> None:
        """Let everything arrive, in order, that is not held."""
        for _ in range(100_000):
            self.hold(holding)
            if not self.flying:
                return
            src, to, message = self.flying.pop(0)
            if to in self.nodes and not {src, to} & self.down:
                self.delivered += 1
                self.turn(
                    to,
                    lambda node, out, src=src, message=message: node.on_message(src, message, out),
                )
        raise AssertionError("the story does not end")

    def ring(self, id: NodeId, timer: str) -> None:
        """A timer fires."""
        del self.timers[id, timer]
        self.turn(id, lambda node, out: node.on_timer(timer, out))

    def settle(self, holding: Match = lambda src, to, message: False, rounds: int = 60) -> None:
        """Let everything arrive and all timers fire, again and again."""
        for _ in range(rounds):
            self.run(holding)
            for id, timer in list(self.timers):
                if (id, timer) in self.timers and id not in self.down:
                    self.ring(id, timer)
        self.run(holding)

    def read(self, id: NodeId, key: bytes = b"k") -> object:
        asked = self.change(id, b"", key)
        self.settle(rounds=8)
        return self.answers[asked]
