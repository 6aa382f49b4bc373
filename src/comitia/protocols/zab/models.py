"""ZAB as bounded models: every order of messages, crashes, and changes of mind.

Phase 0 may say anything at any time without harm (DSN 2011, section 2: the oracle), so here it
does: whoever looks for a leader may be told any, by a timer, and whoever has one may lose it.
Pings and what is said again are left out: they carry nothing that a late message does not carry.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

from immutables import Map

from comitia.kernel import Model, NodeId, Out, Propose, Timer, replace
from comitia.kernel.model import Line, Nodes
from comitia.protocols.zab.messages import (
    AckE,
    CEpoch,
    NewEpoch,
    NewLeader,
    Snapshot,
    Txn,
    zxid_of,
)
from comitia.protocols.zab.options import Options
from comitia.protocols.zab.server import ZabServer
from comitia.protocols.zab.state import LEADING, LOOKING

OPTIONS = Options(reads="index", trailing_txns=0)

ESTABLISHED = "a leader is established"
COMMITTED = "a value is committed"
HANDED_ON = "who lacked a transaction has it"
SUCCEEDED = "the second leader leads, and a value is committed"


class OracleServer(ZabServer):
    """A server whose phase 0 is an oracle: it may be told to follow any of `leaders`."""

    leaders: tuple[NodeId, ...] = ()
    looked = 0
    """How often phase 0 began in this life."""

    def look(self, out: Out) -> None:
        self.looked += 1
        self.leave_phase("no leader is known", out)
        self.role = LOOKING
        for leader in self.leaders:
            out.set_timer(str(leader), after=(1, 1))

    def on_timer(self, timer: Timer, out: Out) -> None:
        if timer.isdecimal():
            for leader in self.leaders:
                out.cancel_timer(str(leader))
            if int(timer) == self.id:
                self.lead(out)
            else:
                self.follow(int(timer), out)
        else:
            super().on_timer(timer, out)

    def on_quorum_timer(self, out: Out) -> None:
        """A leader may give up at any time, too."""
        self.look(out)

    def on_ping_timer(self, out: Out) -> None:
        """Nothing is ever lost here."""

    def begin_round(self, out: Out) -> None:
        """No clocks, no leases."""

    def hear(self, out: Out) -> None:
        """Nobody is loyal: leases need clocks.  But patience ends here as well."""
        out.set_timer("silence", after=(1, 1))

    def send_cepoch(self, out: Out) -> None:
        super().send_cepoch(out)
        out.cancel_timer("resend")


def broadcast(servers: int = 3, txns: int = 1, crashes: int = 0) -> Model:
    """n1 leads epoch 1 and its clients propose."""
    return model(
        dict.fromkeys(range(1, servers + 1), OracleServer),
        (1,),
        Model(
            nodes={},
            clients=tuple(((1, Propose(b"%d" % txn)),) for txn in range(txns)),
            crashes=crashes,
            sometimes={ESTABLISHED: established, COMMITTED: committed},
        ),
    )


def recovery(crashes: int = 0) -> Model:
    """n1 and n2 hold a transaction of epoch 1, which was delivered, n3 does not; n2 or n3 lead."""
    return model(
        {1: Survivor, 2: Survivor, 3: OracleServer},
        (2, 3),
        Model(
            nodes={}, crashes=crashes, sometimes={ESTABLISHED: established, HANDED_ON: handed_on}
        ),
    )


class InTurn(OracleServer):
    """Is told of one leader, then of another: each leads the epoch of its number.

    Who comes back from a crash is told of the second.
    """

    first = 1

    def look(self, out: Out) -> None:
        if self.incarnation > 1:
            self.looked = max(self.looked, 1)
        self.leaders = (self.first + self.looked,)
        super().look(out)


class Latecomer(InTurn):
    """Has missed epoch 1."""

    looked = 1


class Survivor(OracleServer):
    """A server that delivered a transaction in epoch 1, of n1, before the model begins."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        txn = Txn(zxid_of(1, 1), b"0")
        self.history = self.history.append((txn,))
        self.snapshot = Snapshot(1, txn.zxid, self.configuration)
        self.accepted_epoch, self.accepted_leader, self.current_epoch = 1, 1, 1


class Second(InTurn):
    """Epoch 1 is over."""

    first = 2


class Heir(Survivor, Second):
    """The same, and it delivered a transaction in epoch 1."""


class EpochFirst(Second):
    """Writes its epoch and then the history that goes with it (ZOOKEEPER-4643)."""

    apart: ClassVar[tuple[tuple[str, ...], ...]] = (("current_epoch",),)


ESTABLISHED_1: tuple[Line, ...] = (
    (1, "1"),
    (2, "1"),
    (1, CEpoch),
    (2, NewEpoch),
    (1, AckE, 1),
    (1, AckE, 2),
    (2, NewLeader),
)
"""n1 leads epoch 1, and n2 has taken over its history: the acknowledgements are on their way."""


def epochs(txns: int = 1, crashes: int = 0) -> Model:
    """n1 leads epoch 1 and its clients propose, n2 leads epoch 2; anybody may miss either."""
    return in_turn(dict.fromkeys((1, 2, 3), InTurn), txns, crashes)


def succession(txns: int = 1, crashes: int = 1) -> Model:
    """The same from when n1 leads; n3 has missed epoch 1.  A crash may fall within a step."""
    servers = {1: InTurn, 2: InTurn, 3: Latecomer}
    return dataclasses.replace(in_turn(servers, txns, crashes), prologue=ESTABLISHED_1)


def relapse(crashes: int = 1) -> Model:
    """n1 and n2 delivered a transaction in epoch 1; n2 leads epoch 2 and n3, which lacked it, 3."""
    return in_turn({1: Heir, 2: Heir, 3: Second}, 0, crashes)


def epoch_first(crashes: int = 1) -> Model:
    """Must fail: a crash leaves n3 the epoch of n2 without its history, so n3 is elected."""
    model = in_turn({1: Heir, 2: Heir, 3: EpochFirst}, 0, crashes)
    return dataclasses.replace(model, sometimes={}, breaks="PrimaryIntegrity")


def in_turn(servers: dict[NodeId, type[InTurn]], txns: int, crashes: int) -> Model:
    """Return the model of two epochs of these servers."""
    voters = tuple(servers)
    last = servers[1].first + 1
    return Model(
        nodes={id: partial(server, id, voters, OPTIONS) for id, server in servers.items()},
        clients=tuple(((1, Propose(b"%d" % txn)),) for txn in range(txns)),
        within=lambda node: node.accepted_epoch <= last and node.looked <= 2,
        crashes=crashes,
        dead=dict.fromkeys(servers.values(), dead),
        sometimes={SUCCEEDED: partial(succeeded, last)},
    )


def dead(server: ZabServer) -> dict[str, Any]:
    """Return what nothing reads without pings and a full window; and what a leader needed in a
    phase that is over.
    """
    values: dict[str, Any] = {
        "active": frozenset(),
        "learners": Map(
            {peer: replace(learner, inflight=()) for peer, learner in server.learners.items()}
        ),
    }
    if server.epoch != 0:
        values["cepochs"] = Map()
    if server.discovered:
        values["acks_e"] = Map()
    if server.role != LEADING:
        values |= {"own_sent": 0, "initial": 0}
    return values


def model(
    servers: dict[NodeId, type[OracleServer]], leaders: tuple[NodeId, ...], of: Model
) -> Model:
    """Return the model `of` these servers, each of which chooses once whom to follow; one epoch
    more than there was.
    """
    voters = tuple(servers)

    def make(id: NodeId) -> OracleServer:
        node = servers[id](id, voters, OPTIONS)
        node.leaders = leaders
        return node

    latest = max(make(id).accepted_epoch for id in voters) + 1
    return dataclasses.replace(
        of,
        nodes={id: partial(make, id) for id in voters},
        within=lambda node: node.accepted_epoch <= latest and node.looked <= 1,
    )


def established(nodes: Nodes) -> bool:
    """Does somebody lead, with a quorum's word for it?"""
    return any(node.established for node in nodes.values())


def committed(nodes: Nodes) -> bool:
    """Is a client's value committed somewhere?"""
    return any(node.committed > 0 for node in nodes.values())


def handed_on(nodes: Nodes) -> bool:
    """Has n3 what it lacked?"""
    return bool(nodes[3].history.last == 1)


def succeeded(last: int, nodes: Nodes) -> bool:
    """Does somebody lead epoch `last`, with something committed?"""
    return any(
        node.established and node.epoch == last and node.committed for node in nodes.values()
    )
