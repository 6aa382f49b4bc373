"""What people see of a server."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.raft.raft import Raft


def view(server: Raft) -> View:
    """Return `server` at this moment, in the words common to all protocols."""
    members = server.configuration
    facts = [("snapshot", str(server.snapshot.index)), ("voted for", name(server.voted_for))]
    if members.joint:
        facts.append(("outgoing", " ".join(name(n) for n in members.outgoing)))
    facts += [
        (
            f"match {name(peer)}",
            f"{server.progress[peer].match_index} {server.progress[peer].state}",
        )
        for peer in server.peers
    ]
    return View(
        role=server.role,
        epoch=server.current_term,
        leader=server.leader_id,
        last=server.log.last,
        committed=server.commit_index,
        voters=members.voters,
        learners=members.learners,
        facts=tuple(facts),
    )


def name(node: int | None) -> str:
    return "-" if node is None else f"n{node}"
