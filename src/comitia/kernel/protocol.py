"""A protocol as the tools see it: one record, which a protocol's folder exports as `PROTOCOL`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comitia.kernel.codec import Codec
from comitia.kernel.model import Model
from comitia.kernel.node import Node
from comitia.kernel.promise import Promise
from comitia.kernel.request import Request
from comitia.kernel.view import View


@dataclass(frozen=True)
class Protocol:
    """Everything a runtime is handed, so that none ever imports a protocol."""

    name: str
    """The folder's name, and what people type: raft, paxos, pbft."""
    source: str
    """Author, title, year."""
    codec: Codec
    make: Callable[..., Node]
    """make(id, voters, **options): a fresh node of a cluster of `voters` (a tuple of ids).

    An id outside `voters` makes a node that waits to be added.  Options are the protocol's own and
    have defaults fit for production.
    """
    promises: tuple[Callable[[], Promise], ...]
    view: Callable[[Any], View]
    stress: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of options under which rare paths are common; a simulator draws among them."""
    alike: tuple[str, ...] = ()
    """Options of `stress` that all members must share for ever; in the others they may differ, as
    they do while an operator changes one and restarts the members one by one."""
    ask: Callable[[int, str, str, bytes], Request] | None = None
    """For protocols without a log: ask(token, verb, key, value) makes a client's request.

    It is answered with the bytes read, None where there are none.
    """
    verbs: tuple[str, ...] = ("read", "write")
    """What `ask` knows to do."""
    models: tuple[Callable[..., Model], ...] = ()
    """Bounded models, see `comitia.kernel.model`; the first is the one people check by default."""
