"""States, messages and requests of CASPaxos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from comitia.kernel import ZERO, Ballot, Message, NodeId, Record, Request

Key = bytes
Age = int

Transition = Callable[[bytes | None, bytes], tuple[bytes | None, object]]
"""The change function: (value, command) -> (new value, reply); None is "no value".  Pure."""


class State(Record):
    """What a register holds: a value, and which attempt of each proposer it descends from.

    The marks let a proposer that tries again see whether an earlier try took effect after all, so
    that a change is applied once although it was sent twice.
    """

    value: bytes | None = None
    marks: tuple[tuple[NodeId, Ballot], ...] = ()

    def mark(self, proposer: NodeId) -> Ballot:
        """Return the ballot of the last change by `proposer` that this state descends from."""
        return next((ballot for node, ballot in self.marks if node == proposer), ZERO)

    def changed(self, value: bytes | None, proposer: NodeId, ballot: Ballot) -> State:
        """Return the state after a change by `proposer` in `ballot`."""
        others = [mark for mark in self.marks if mark[0] != proposer]
        return State(value, tuple(sorted([*others, (proposer, ballot)])))


EMPTY = State()
"""The paper's empty state: of a register never written, and of a tombstone."""


class Register(Record):
    """An acceptor's memory of one key, with the columns of the paper's table (section 3.1)."""

    promise: Ballot = ZERO
    ballot: Ballot = ZERO
    state: State = EMPTY

    @property
    def seen(self) -> Ballot:
        """The greatest ballot seen: below it everything is a conflict."""
        return max(self.promise, self.ballot)


class Configuration(Record):
    """Who is asked, and how many must agree: a quorum system made of counts (section 2.3).

    Phase 1 and phase 2 differ only in the middle of a change.
    """

    version: int
    prepare: tuple[NodeId, ...]
    prepare_need: int
    accept: tuple[NodeId, ...]
    accept_need: int

    @property
    def members(self) -> tuple[NodeId, ...]:
        """Everybody who takes part in either phase."""
        return tuple(sorted({*self.prepare, *self.accept}))

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self.members)

    def is_read_quorum(self, who: AbstractSet[NodeId]) -> bool:
        return len(who & frozenset(self.prepare)) >= self.prepare_need

    def is_write_quorum(self, who: AbstractSet[NodeId]) -> bool:
        return len(who & frozenset(self.accept)) >= self.accept_need


class Change(Request):
    """Apply `command` to the value under `key`; answered with the transition's reply."""

    token: int
    key: Key
    command: bytes


class Prepare(Message):
    """Promise `ballot` for `key`; `age` is the proposer's (section 3.1)."""

    key: Key
    ballot: Ballot
    age: Age


class Promised(Message):
    """Confirmation of a prepare: `state` was accepted in ballot `accepted`, if any was."""

    key: Key
    ballot: Ballot
    accepted: Ballot
    state: State


class Accept(Message):
    """Accept `state` in `ballot`, and promise `next` already: the one-round-trip optimisation."""

    key: Key
    ballot: Ballot
    state: State
    next: Ballot
    age: Age


class Accepted(Message):
    """Confirmation of an accept, and of the promise of its `next`."""

    key: Key
    ballot: Ballot


class Conflict(Message):
    """`ballot` is refused: a greater one, `seen`, or a younger age of this proposer is known."""

    key: Key
    ballot: Ballot
    seen: Ballot


Tombs = tuple[tuple[Key, Ballot], ...]
"""Keys to erase, each with the ballot in which every acceptor accepted its tombstone."""


class Invalidate(Message):
    """To every proposer (section 3.1, step 2b): forget what is cached for these keys, and pass
    these ballots.  `number` tells collections apart.
    """

    number: int
    tombs: Tombs


class Invalidated(Message):
    """Done, but for the `busy` keys; older messages of this proposer have an age below `age`."""

    number: int
    age: Age
    busy: tuple[Key, ...]


class RefuseYounger(Message):
    """To every acceptor (step 2c): refuse messages of proposers below these ages."""

    number: int
    ages: tuple[tuple[NodeId, Age], ...]


class AgesKept(Message):
    """Done."""

    number: int


class Erase(Message):
    """To every acceptor (step 2d): forget each key that holds the tombstone of its ballot."""

    number: int
    tombs: Tombs


class Erased(Message):
    """Done, but for the keys `kept`, which hold something else now."""

    number: int
    kept: tuple[Key, ...]


class Fence(Message):
    """Before `node` is removed: refuse its proposer below `age`, in case it is not dead."""

    version: int
    node: NodeId
    age: Age


class Join(Message):
    """A new acceptor begins empty, as if it had been down for ever (section 2.3)."""

    version: int
    age: Age
    round: int


class Configure(Message):
    """To every proposer: from now on use `configuration`, and ballots above `round`."""

    configuration: Configuration
    round: int


class ListKeys(Message):
    """Before a rescan: which keys do you hold?"""

    version: int


class Keys(Message):
    """Part `part` of `parts` of an acceptor's keys."""

    version: int
    part: int
    parts: int
    keys: tuple[Key, ...]


class Done(Message):
    """A `Fence`, a `Join` or a `Configure` of `version` was carried out; `round` is the proposer's
    counter, so that newcomers start above it.
    """

    version: int
    step: str
    round: int
