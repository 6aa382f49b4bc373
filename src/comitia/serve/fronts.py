"""Which service stands before which protocol: the one place that decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from comitia import protocols
from comitia.kernel import Protocol, Replica
from comitia.serve.redis import RedisFront
from comitia.serve.registers import AbdRegisters, CasPaxosRegisters, redis_cell

Reads = Literal["lease", "index", "stale"]
REGISTERS = ("abd", "caspaxos")


def front_of(
    protocol: Protocol, reads: Reads = "lease"
) -> tuple[Protocol, Callable[[], RedisFront]]:
    """Return `protocol` as a host needs it, and what makes its Redis service.

    Raises LookupError when it cannot serve clients.
    """
    if protocol.name == "abd":
        return protocol, lambda: RedisFront.of_registers(AbdRegisters())
    if protocol.name == "caspaxos":
        made = replace(protocol, make=partial(protocol.make, transition=redis_cell))
        return made, lambda: RedisFront.of_registers(CasPaxosRegisters())
    if not keeps_log(protocol):
        raise LookupError(
            f"{protocol.name} serves no clients: it keeps neither a log nor registers; "
            f"those that do: {', '.join(served())}"
        )
    return protocol, lambda: RedisFront.of_log(reads)


def keeps_log(protocol: Protocol) -> bool:
    """Whether members of `protocol` replicate a log, hence any machine."""
    try:
        return isinstance(protocol.make(1, (1, 2, 3)), Replica)
    except ValueError:  # not for three: then it is a problem of a paper, not a service
        return False


def served() -> tuple[str, ...]:
    """Return the names of the protocols that serve clients, Raft first and logs before others."""
    logs = [name for name in protocols.names() if keeps_log(protocols.load(name))]
    return (*sorted(logs, key=lambda name: (name != "raft", name)), *REGISTERS[::-1])
