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

from comitia.kernel.node import Node, NodeId
from comitia.kernel.promise import Promise
from comitia.kernel.request import Request

Nodes = Mapping[NodeId, Any]
"""The nodes that are up, by id; what `sometimes` and `eventually` are asked about."""

Rename = Callable[[NodeId], NodeId]

Script = tuple[tuple[NodeId, Request], ...]
"""What one client asks, of whom: each request once the one before it was answered or delivered.

A refused request had no effect and may be tried again at any time.
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
    symmetry: Symmetry | None = None
    breaks: str = ""
    """For a configuration known to be wrong: the promise, or the `eventually`, that must fail."""
