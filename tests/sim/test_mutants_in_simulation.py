"""Raft with one line broken, again and again: the simulator must notice every time."""

from __future__ import annotations

import pytest

from comitia.protocols.raft import PROTOCOL, Raft
from comitia.sim.mutants import Mutant, edited, kill, replaced
from comitia.sim.run import Settings

MUTANTS = [
    edited(
        "an entry of an older term commits by counting copies (figure 8)",
        Raft.advance_commit_index,
        " and self.log[index].term == self.current_term",
        "",
    ),
    edited(
        "a repeated AppendEntries truncates what follows it",
        Raft.take,
        "if prev != log.last:",
        "if prev < log.last and prev >= log.first:\n"
        "        log = log.cut_after(prev)\n"
        "    elif prev != log.last:",
    ),
    replaced(
        "the vote is forgotten in a crash: two votes in one term",
        stable=tuple(name for name in Raft.stable if name != "voted_for"),
    ),
    edited(
        "a vote for a candidate whose log is empty",
        Raft.is_up_to_date,
        "return (last_log_term, last_log_index) >= (self.log[last].term, last)",
        "return True",
    ),
    edited(
        "a longer log wins over a later term",
        Raft.is_up_to_date,
        "return (last_log_term, last_log_index) >= (self.log[last].term, last)",
        "return (last_log_index, last_log_term) >= (last, self.log[last].term)",
    ),
    edited(
        "a server votes for everybody who asks",
        Raft.on_request_vote,
        "self.voted_for in (None, src) and ",
        "",
    ),
    replaced(
        "the term is forgotten in a crash",
        stable=tuple(name for name in Raft.stable if name != "current_term"),
    ),
    edited(
        "a leader counts its own copy before it is on disk",
        Raft.replicate,
        "out.send(self.id",
        "out.send_early(self.id",
    ),
    edited(
        "a follower acknowledges before its disk",
        Raft.on_append_entries,
        "out.send(src, AppendEntriesResponse",
        "out.send_early(src, AppendEntriesResponse",
    ),
    edited(
        "a vote leaves before it is on disk",
        Raft.on_request_vote,
        "out.send(src, RequestVoteResponse(self.current_term, granted))",
        "out.send_early(src, RequestVoteResponse(self.current_term, granted))",
    ),
    edited(
        "a follower commits beyond what the message proves equal",
        Raft.on_append_entries,
        "min(message.leader_commit, last_new)",
        "min(message.leader_commit, self.log.last)",
    ),
    edited(
        "the entry before the new ones is not compared",
        Raft.on_append_entries,
        "log[prev].term != message.prev_log_term",
        "False",
    ),
    edited(
        "a leader of an older term is obeyed",
        Raft.on_append_entries,
        "if message.term < self.current_term:",
        "if False:",
    ),
    edited(
        "a lease lasts ten times too long",
        Raft.has_lease,
        "length_ms * 1000",
        "length_ms * 10000",
    ),
    edited(
        "a server that hears the leader votes for another all the same",
        Raft.hears_a_leader,
        "return self.options.check_quorum and",
        "return False and",
    ),
    edited(
        "a read is confirmed by a round that began before it",
        Raft.confirm,
        "Confirming(self.round + 1,",
        "Confirming(self.round,",
    ),
    edited(
        "a new leader answers reads before it knows what is committed",
        Raft.confirm,
        "max(self.commit_index, self.term_start)",
        "self.commit_index",
    ),
    edited(
        "a snapshot that conflicts with the log leaves it as it is",
        Raft.on_install_snapshot,
        "log[index].term == term",
        "True",
    ),
    edited(
        "several voters change without a joint configuration",
        Raft.on_reconfigure,
        "self.configuration.enter(request.voters, request.learners)",
        "Configuration(tuple(sorted(request.voters)), (), tuple(sorted(request.learners)))",
    ),
    edited(
        "in a joint configuration the incoming majority commits alone",
        Raft.advance_commit_index,
        "self.configuration.reached(",
        "replace(self.configuration, outgoing=()).reached(",
    ),
    replaced(
        "a follower that lacks entries says nothing",
        send_conflict=lambda self, src, message, out: None,
    ),
]


NO_LEASES = {"check_quorum": False, "reads": "index", "pre_vote": False}
DISKS = Settings(
    faults=("crash", "blackout", "sync", "slow_disk", "loss", "partition"), options=NO_LEASES
)
ELECTIONS = Settings(
    faults=("crash", "loss", "duplicate", "delay", "partition", "oneway", "reorder"),
    nodes=5,
    options={**NO_LEASES, "max_append_bytes": 1},
)
LEASES = Settings(
    faults=("bridge", "oneway", "clog", "slow", "delay"),
    nodes=3,
    clients=6,
    options={"reads": "lease"},
)
SNAPSHOTS = Settings(
    faults=("compact", "partition", "oneway", "crash", "flap"),
    nodes=3,
    options={"trailing_entries": 0},
)
MEMBERS = Settings(
    faults=("membership", "partition", "oneway", "crash", "loss"), nodes=3, options=NO_LEASES
)
SWARM = Settings()

FOCUS = {
    "an entry of an older term commits by counting copies (figure 8)": ELECTIONS,
    "the vote is forgotten in a crash: two votes in one term": DISKS,
    "a leader counts its own copy before it is on disk": DISKS,
    "a follower acknowledges before its disk": DISKS,
    "a vote leaves before it is on disk": DISKS,
    "a longer log wins over a later term": ELECTIONS,
    "a server that hears the leader votes for another all the same": LEASES,
    "a snapshot that conflicts with the log leaves it as it is": SNAPSHOTS,
    "several voters change without a joint configuration": MEMBERS,
    "in a joint configuration the incoming majority commits alone": MEMBERS,
}
"""Mistakes that need a rare order of events are looked for among the faults that bring it about."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_broken_line_is_noticed(mutant: Mutant) -> None:
    failure = kill(PROTOCOL, mutant, 2000, FOCUS.get(mutant.says, SWARM))
    print(f"{mutant}: {failure.promise}, after {failure.seed + 1} seeds")
