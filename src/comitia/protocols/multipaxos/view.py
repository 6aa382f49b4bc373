"""What people see of a member."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.multipaxos.multipaxos import MultiPaxos


def view(node: MultiPaxos) -> View:
    """Return what the member's leader is at, and what its acceptor and replica hold."""
    configuration = node.configurations[0]
    if node.active:
        role = "leader"
    elif node.scouting:
        role = "scout"
    elif node.id in configuration.voters:
        role = "acceptor"
    else:
        role = "learner" if node.id in configuration.learners else "outsider"
    ballot_num = node.leader_ballot_num if node.active else node.ballot_num
    facts = [
        ("ballot", f"{ballot_num.round}.{ballot_num.proposer}"),
        ("slot in", str(node.slot_in) if node.active else "-"),
        ("slot out", str(node.slot_out)),
        ("first slot held", str(node.accepted.first)),
        ("snapshot", str(node.snapshot.slot)),
    ]
    facts += [
        (f"from slot {later.since}", " ".join(f"n{n}" for n in later.voters))
        for later in node.configurations[1:]
    ]
    return View(
        role=role,
        epoch=ballot_num.round,
        leader=node.leader,
        last=max(node.accepted.last, node.performed),
        committed=node.performed,
        voters=configuration.voters,
        learners=configuration.learners,
        facts=tuple(facts),
    )
