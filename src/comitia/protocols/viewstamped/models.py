"""Viewstamped Replication as bounded models: every order of messages and of lost patience.

The replicas of these models leave out what only spares or measures time: loyalty to the primary
and asking before a view is left (leases rest on them, and a model has no clock), rounds (only reads
use them), and the timers that send again (a model loses nothing).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from comitia.kernel import Model, Network, NodeId, Out, Propose, Timer
from comitia.kernel.model import Fate, Nodes
from comitia.protocols.viewstamped.messages import (
    Commit,
    DoViewChange,
    Prepare,
    PrepareOk,
    StartViewChange,
    View,
)
from comitia.protocols.viewstamped.options import Options
from comitia.protocols.viewstamped.replica import ViewstampedReplica
from comitia.protocols.viewstamped.state import NORMAL

FIRST = View(0, 0)
OPTIONS = Options(reads="index", trailing_ops=0)

EXECUTED = "a request is executed"
VIEWS = "the last view has a primary"
SUCCEEDED = "what one view executed, its successor executes"


class Impatient(ViewstampedReplica):
    """A replica that may lose patience at any time, and tells nothing twice."""

    def hear(self, out: Out) -> None:
        self.loyal = False
        out.set_timer("view-change", after=self.timeout())

    def on_timer(self, timer: Timer, out: Out) -> None:
        if timer == "view-change" and self.is_member:
            self.start_view_change(self.next_view(), None, out)

    def tell_commit(self, out: Out) -> None:
        if self.told_commit < self.commit_number:
            self.told_commit = self.commit_number
            out.broadcast(self.others, Commit(self.view, self.commit_number, 0))

    def on_commit(self, src: NodeId, message: Commit, out: Out) -> None:
        self.hear(out)
        if message.commit_number > self.op_number:
            self.ask_for_state(src, out)
        self.execute(min(message.commit_number, self.op_number), out)

    def on_start_view_change(self, src: NodeId, message: StartViewChange, out: Out) -> None:
        if self.status != NORMAL or message.view > self.view:  # else: answered by STARTVIEW, again
            super().on_start_view_change(src, message, out)

    def on_do_view_change(self, src: NodeId, message: DoViewChange, out: Out) -> None:
        if self.status != NORMAL or message.view > self.view:
            super().on_do_view_change(src, message, out)


class Forgetful(Impatient):
    """Comes back from a crash with its view but without its log, and does not know that."""

    stable: ClassVar[tuple[str, ...]] = ("lifetime", "view", "last_normal_view", "groups")


class Dropping(Impatient):
    """Learns of a later view and drops what is not committed, before it has what replaces it."""

    def transfer_to(self, view: View, of: NodeId, out: Out) -> None:
        super().transfer_to(view, of, out)
        self.log = self.log.cut_after(self.commit_number)


def views(replicas: int = 3, views: int = 1, ops: int = 1, crashes: int = 0) -> Model:
    """Requests to the primary of view 0, and changes of view."""
    return _model(Impatient, replicas, views, ops, crashes)


def crashes(
    replicas: int = 3, views: int = 1, ops: int = 1, crashes: int = 1, of: int = 1
) -> Model:
    """The same, and one replica crashes and comes back with its disk: at first the primary, whose
    PREPAREs may have overtaken it.
    """
    model = _model(Impatient, replicas, views, ops, crashes)
    return replace(
        model, within=lambda node: model.within(node) and (node.id == of or node.lifetime == 1)
    )


def forgotten_log(replicas: int = 3, views: int = 1, ops: int = 1, crashes: int = 1) -> Model:
    """Why there is a recovery protocol: a log in memory, and a replica that goes on without it."""
    return _model(Forgetful, replicas, views, ops, crashes, breaks="CommittedSurvive")


def dropping_transfer(views: int = 2) -> Model:
    """The paper's state transfer (section 5.2): what n1 and n3 executed together is in neither log.

    View 1 has begun without n3, n1 crashed, and both hear of that view before it sends its log.
    """
    first, second = Propose(b"0"), Propose(b"1")
    return replace(
        _model(Dropping, 3, views, 0, 0, breaks="CommittedSurvive"),
        clients=(((1, first),), ((2, second),)),
        network=Network.SET,  # STARTVIEW is overtaken
        prologue=(
            (1, first),
            (3, Prepare),
            (1, PrepareOk, 3),
            (1, PrepareOk(FIRST, 1), 1),
            (1, Fate.CRASH),
            (2, StartViewChange, 1),
            (1, StartViewChange, 2),
            (2, DoViewChange, 2),
            (2, DoViewChange, 1),
            (2, second),
            (1, Prepare, 2),
            (3, Prepare, 2),
        ),
    )


def _model(
    replica: type[Impatient], replicas: int, views: int, ops: int, crashes: int, breaks: str = ""
) -> Model:
    members = tuple(range(1, replicas + 1))
    nodes: dict[NodeId, Callable[[], Impatient]] = {
        id: partial(replica, id, members, OPTIONS) for id in members
    }
    sometimes: dict[str, Callable[[Nodes], bool]] = {
        EXECUTED: lambda nodes: any(node.executed for node in nodes.values()),
        VIEWS: lambda nodes: any(leads(node, views) for node in nodes.values()),
        SUCCEEDED: lambda nodes: any(
            leads(node, views) and node.executed for node in nodes.values()
        ),
    }
    return Model(
        nodes=nodes,
        clients=tuple(((1, Propose(b"%d" % op)),) for op in range(ops)),
        within=lambda node: node.view.number <= views,
        network=Network.FIFO,
        crashes=crashes,
        sometimes={} if breaks else sometimes,
        breaks=breaks,
    )


def leads(node: ViewstampedReplica, view: int) -> bool:
    """Is `node` the primary of the view of this number?"""
    return node.is_primary and node.view.number == view
