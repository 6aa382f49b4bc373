"""Bounded models: the small worlds of a protocol that can be explored whole.

A protocol's `models.py` holds one function a model; `PROTOCOL.models` lists them.  The parameters
of such a function, all with defaults, are the bounds that people may turn:

    def agreement(acceptors: int = 3, ballots: int = 2) -> Model:
        '''Two proposers, each with its own value.'''

In a model a node takes one input a turn, timers fire whenever they are armed, messages take any
time, and clocks stand still (so leave leases to the simulator).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from comitia.kernel.message import Message
from comitia.kernel.node import Node, NodeId, Timer
from comitia.kernel.promise import Promise
from comitia.kernel.request import Request

Nodes = Mapping[NodeId, Any]
"""The nodes that are up, by id; what `sometimes` and `eventually` are asked about."""

Rename = Callable[[NodeId], NodeId]

Script = tuple[tuple[NodeId, Request], ...]
"""What one client asks, of whom: each request once the one before it was answered or delivered.

A refused request had no effect and may be tried again at any time.
"""


class Fate(StrEnum):
    """What may become of a node."""

    CRASH = "crash"
    """It starts again with what is stable."""
    STOP = "stop"
    """It dies for good."""


Line = (
    tuple[NodeId, Timer | Request | Message | type[Message] | Fate]
    | tuple[NodeId, Message | type[Message], NodeId]
)
"""One step of a run: a node, and what it is told.  The name of one of its timers; a request of its
clients; a message on its way to it, or only the class of that message, and its sender where that
leaves a choice; or its fate.

    (1, "election"), (2, RequestVote), (1, RequestVoteResponse, 2), (1, Propose(b"x")),
    (2, Fate.CRASH)
"""


class Network(StrEnum):
    """What the network does to messages in flight, apart from losing them."""

    SET = "set"
    """Any order, each at most once; a copy of a message that is still in flight merges with it."""
    BAG = "bag"
    """Any order, every copy at most once."""
    DUPLICATING = "duplicating"
    """Any order, any number of times, for ever."""
    FIFO = "fifo"
    """In order on every link, each at most once; a crash loses what was on the way to the node."""


@dataclass(frozen=True)
class Symmetry:
    """Nodes that may change places without anybody noticing."""

    nodes: frozenset[NodeId]
    renames: Mapping[type, Callable[[Any, Rename], Mapping[str, Any]]] = field(default_factory=dict)
    """For each class of node, message, request or promise that mentions ids of `nodes`: the
    attributes that do, renamed.  `Node.id` and the two ends of a message need no mention.

        {Proposer: lambda p, new: {"votes": frozenset(map(new, p.votes))}}
    """


def anything(node: Any) -> bool:
    """Return True: a model without a bound of its own."""
    return True


@dataclass(frozen=True)
class Model:
    """A world to explore.  Make the reachable states few: small bounds find most bugs."""

    nodes: Mapping[NodeId, Callable[[], Node]]
    """Who takes part, each made fresh, as before its first start."""
    clients: tuple[Script, ...] = ()
    """What is asked; no request is listed twice."""
    within: Callable[[Any], bool] = anything
    """The bound: a step after which `within(node)` is False is not taken.  Terms, ballots, ..."""
    network: Network = Network.SET
    lossy: bool = False
    """May messages be lost?  Without it none is, but any may be late, which is the same to safety
    except on a FIFO network."""
    crashes: int = 0
    """How many times, in all, a node may crash and start again with what is stable."""
    stops: int = 0
    """How many nodes may die for good."""
    promises: tuple[Callable[[], Promise], ...] = ()
    """What must hold, besides the promises of the protocol."""
    sometimes: Mapping[str, Callable[[Nodes], bool]] = field(default_factory=dict)
    """What must be true in some reachable state, or the model shows nothing."""
    eventually: Mapping[str, Callable[[Nodes], bool]] = field(default_factory=dict)
    """What must become true in every run in which no message, timer or request waits for ever."""
    prologue: tuple[Line, ...] = ()
    """What happens before the search begins, which is then about what may follow.  The crashes and
    stops in it do not count.
    """
    final: bool = False
    """Is the bound the end of the world?  Then what it cuts off is owed to nobody: a timer that
    would lead beyond it does not fire any more, and a run may end there without what must happen.
    """
    symmetry: Symmetry | None = None
    dead: Mapping[type, Callable[[Any], Mapping[str, Any]]] = field(default_factory=dict)
    """For a class of node: attributes that no step of this model will read again, each with the
    value that stands for all.  The search holds the claim against every step; no promise may look
    at them.
    """
    breaks: str = ""
    """For a configuration known to be wrong: the promise, or the `eventually`, that must fail."""
