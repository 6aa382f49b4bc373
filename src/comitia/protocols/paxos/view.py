"""A member of Synod or Fast Paxos, as people see it."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.paxos.fast import FastPaxos
from comitia.protocols.paxos.synod import Synod


def view(node: Synod) -> View:
    """Return what a Synod member shows; `epoch` is the round it has promised."""
    return View(
        role=("acceptor", "proposer, phase 1", "proposer, phase 2")[node.phase],
        epoch=node.max_bal.round,
        leader=node.max_bal.proposer or None,
        last=1 if node.max_val is not None else 0,
        committed=1 if node.chosen is not None else 0,
        voters=tuple(node.system),
        facts=(
            ("promised", f"{node.max_bal.round}.{node.max_bal.proposer}"),
            ("accepted", _value(node.max_val)),
            ("chosen", _value(node.chosen)),
        ),
    )


def fast_view(node: FastPaxos) -> View:
    """Return what a Fast Paxos member shows."""
    return View(
        role=("acceptor", "coordinator, phase 1", "coordinator, phase 2")[node.phase],
        epoch=node.rnd.count,
        leader=node.rnd.coordinator or None,
        last=1 if node.vval is not None else 0,
        committed=1 if node.chosen is not None else 0,
        voters=tuple(node.system),
        facts=(
            ("round", "fast" if node.rnd.fast else "classic"),
            ("voted", _value(node.vval)),
            ("chosen", _value(node.chosen)),
        ),
    )


def _value(v: bytes | None) -> str:
    return "-" if v is None else v.decode(errors="replace")
