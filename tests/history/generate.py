"""Random histories: served by a correct object at random moments, then perhaps spoiled."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from comitia.history import UNKNOWN, Event, Operation
from comitia.history import operations as pair

Serve = Callable[[str, Any], Any]
"""Applies (function, argument) to the object and returns its answer."""


def events(
    rng: random.Random,
    clients: int,
    length: int,
    draw: Callable[[random.Random], tuple[str, Any]],
    serve: Serve,
    lost: float = 0.0,
) -> Iterator[Event]:
    """Yield a history of `length` operations, linearizable by construction.

    Each operation is served at a random moment between its call and its return; a share `lost` of
    them never returns, and half of those is never served.
    """
    idle = list(range(clients))
    waiting: dict[int, tuple[str, Any]] = {}
    served: dict[int, tuple[str, Any]] = {}
    fresh = clients
    while length or waiting or served:
        choices = (["call"] if length and idle else []) + ["serve"] * bool(waiting)
        step = rng.choice(choices + ["return"] * bool(served))
        if step == "call":
            length -= 1
            client = idle.pop(rng.randrange(len(idle)))
            waiting[client] = draw(rng)
            yield Event("invoke", client, *waiting[client])
        elif step == "serve":
            client = rng.choice(list(waiting))
            f, value = waiting.pop(client)
            if rng.random() < lost:
                if rng.random() < 0.5:
                    serve(f, value)
                idle.append(fresh)  # a crashed client comes back under another name
                fresh += 1
            else:
                served[client] = f, serve(f, value)
        else:
            client = rng.choice(list(served))
            f, output = served.pop(client)
            idle.append(client)
            yield Event("ok", client, f, output)


def spoil(rng: random.Random, history: list[Operation], outputs: list[Any]) -> list[Operation]:
    """Return `history` with the output of one operation replaced by another."""
    returned = [i for i, o in enumerate(history) if o.end is not None and o.output is not None]
    if not returned or not outputs:
        return history
    at = rng.choice(returned)
    return [_with(o, rng.choice(outputs)) if i == at else o for i, o in enumerate(history)]


def _with(o: Operation, output: Any) -> Operation:
    return Operation(o.process, o.f, o.value, output, o.call, o.end, o.key)


class Objects:
    """Correct objects to serve from; each `draw` makes operations fit for its model."""

    def __init__(self, values: int = 3, unique: bool = False) -> None:
        self.fresh = 0
        self.values, self.unique = values, unique
        self.value: Any = None
        self.items: list[Any] = []
        self.members: set[Any] = set()

    def new(self, rng: random.Random) -> int:
        """Return a value to write: never the same twice when unique."""
        self.fresh += 1
        return self.fresh if self.unique else rng.randrange(self.values)

    def draw_register(self, rng: random.Random) -> tuple[str, Any]:
        f = rng.choice(("read", "read", "write", "cas"))
        if f == "cas":
            old = rng.randrange(self.fresh + 1) if self.unique else rng.randrange(self.values)
            return f, (old, self.new(rng))
        return f, self.new(rng) if f == "write" else None

    def register(self, f: str, value: Any) -> Any:
        if f == "write":
            self.value = value
        elif f == "cas":
            if self.value != value[0]:
                return False
            self.value = value[1]
            return True
        else:
            return self.value
        return None

    def draw_store(self, rng: random.Random) -> tuple[str, Any]:
        f = rng.choice(("get", "get", "append", "append", "put"))
        return f, None if f == "get" else f"<{self.new(rng)}>"

    def store(self, f: str, value: Any) -> Any:
        now = self.value or ""
        if f == "get":
            return now
        self.value = value if f == "put" else now + value
        return None

    def draw_log(self, rng: random.Random) -> tuple[str, Any]:
        f = rng.choice(("read", "append"))
        return f, None if f == "read" else self.new(rng)

    def log(self, f: str, value: Any) -> Any:
        if f == "append":
            self.items.append(value)
            return None
        return tuple(self.items)

    def draw_container(self, rng: random.Random) -> tuple[str, Any]:
        f = rng.choice(("push", "pop"))
        return f, self.new(rng) if f == "push" else None

    def queue(self, f: str, value: Any) -> Any:
        if f == "push":
            self.items.append(value)
            return None
        return self.items.pop(0) if self.items else None

    def stack(self, f: str, value: Any) -> Any:
        if f == "push":
            self.items.append(value)
            return None
        return self.items.pop() if self.items else None

    def draw_priority(self, rng: random.Random) -> tuple[str, Any]:
        f, value = self.draw_container(rng)
        if value is not None and self.unique:
            value = value * 7919 % 1_000_003
        return f, value

    def priority(self, f: str, value: Any) -> Any:
        if f == "push":
            self.items.append(value)
            return None
        if not self.items:
            return None
        self.items.remove(least := min(self.items))
        return least

    def draw_set(self, rng: random.Random) -> tuple[str, Any]:
        return rng.choice(("add", "remove", "contains")), rng.randrange(self.values)

    def set(self, f: str, value: Any) -> Any:
        there = value in self.members
        if f == "add":
            self.members.add(value)
            return not there
        if f == "remove":
            self.members.discard(value)
        return there

    def draw_counter(self, rng: random.Random) -> tuple[str, Any]:
        return rng.choice((("read", None), ("add", 1), ("add", 2)))

    def counter(self, f: str, value: Any) -> Any:
        self.value = (self.value or 0) + (value or 0)
        return self.value if f == "read" else None

    def draw_lock(self, rng: random.Random) -> tuple[str, Any]:
        return rng.choice(("acquire", "release")), rng.randrange(self.values)

    def lock(self, f: str, value: Any) -> Any:
        if f == "acquire":
            if self.value is not None:
                return False
            self.value = value
            self.fresh += 1
            return self.fresh + 1
        if self.value != value:
            return False
        self.value = None
        return True


def history(
    seed: int,
    kind: str,
    *,
    clients: int = 3,
    length: int = 7,
    values: int = 3,
    unique: bool = False,
    lost: float = 0.0,
    spoiled: bool = False,
) -> list[Operation]:
    """Return a random history of an object of this kind."""
    rng = random.Random(seed)
    objects = Objects(values, unique)
    draws = {"queue": "container", "stack": "container"}
    draw = getattr(objects, f"draw_{draws.get(kind, kind)}")
    found = pair(events(rng, clients, length, draw, getattr(objects, kind), lost))
    if spoiled:
        found = spoil(rng, found, [o.output for o in found if o.output is not UNKNOWN])
    return found
