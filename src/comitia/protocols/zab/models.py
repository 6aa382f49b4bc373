"""ZAB as bounded models: every order of messages, crashes, and changes of mind.

Phase 0 may say anything at any time without harm (DSN 2011, section 2: the oracle), so here it
does: whoever looks for a leader may be told any, by a timer, and whoever has one may lose it.
Pings and what is said again are left out: they carry nothing that a late message does not carry.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from comitia.kernel import Model, NodeId, Out, Propose, Timer
from comitia.kernel.model import Nodes
from comitia.protocols.zab.messages import Snapshot, Txn, zxid_of
from comitia.protocols.zab.options import Options
from comitia.protocols.zab.server import ZabServer
from comitia.protocols.zab.state import LOOKING

OPTIONS = Options(reads="index", trailing_txns=0)

ESTABLISHED = "a leader is established"
COMMITTED = "a value is committed"
HANDED_ON = "who lacked a transaction has it"


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


class Survivor(OracleServer):
    """A server that delivered a transaction in epoch 1, of n1, before the model begins."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        txn = Txn(zxid_of(1, 1), b"0")
        self.history = self.history.append((txn,))
        self.snapshot = Snapshot(1, txn.zxid, self.configuration)
        self.accepted_epoch, self.accepted_leader, self.current_epoch = 1, 1, 1


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
