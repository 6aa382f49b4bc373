"""What people see of a server."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.zab.messages import Zxid, counter_of, epoch_of
from comitia.protocols.zab.server import ZabServer


def view(server: ZabServer) -> View:
    """Return `server` at this moment, in the words common to all protocols."""
    members = server.configuration
    facts = [
        ("phase", phase(server)),
        ("accepted epoch", str(server.accepted_epoch)),
        ("current epoch", str(server.current_epoch)),
        ("last zxid", written(server.last_zxid)),
        ("snapshot", str(server.snapshot.slot)),
    ]
    if members.joint:
        facts.append(("outgoing", " ".join(f"n{n}" for n in members.outgoing)))
    facts += [
        (f"follower n{peer}", str(learner.acked) if learner.acked >= 0 else "synchronising")
        for peer, learner in server.peers()
    ]
    observes = server.id not in members.electors() and server.leader is not None
    return View(
        role="observing" if observes else server.role,
        epoch=server.epoch or server.current_epoch,
        leader=server.leader,
        last=server.history.last,
        committed=server.committed,
        voters=members.voters,
        learners=members.observers,
        facts=tuple(facts),
    )


def phase(server: ZabServer) -> str:
    """Return which of the four phases `server` is in."""
    if server.leader_id is None:
        return "election"
    if server.leader is not None:
        return "broadcast"
    started = server.discovered or (server.epoch and server.leader_id != server.id)
    return "synchronisation" if started else "discovery"


def written(zxid: Zxid) -> str:
    """Return `zxid` as people write it: epoch and counter."""
    return f"{epoch_of(zxid)}.{counter_of(zxid)}"
