"""Raft with one line broken, again and again: the simulator must notice every time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comitia.kernel import Out, Propose
from comitia.protocols.raft import PROTOCOL, Raft
from comitia.sim.mutants import Mutant, edited, kill, replaced
from comitia.sim.run import Settings, simulate
from pages.deaths import tell


def refuse_and_step_down(server: Raft, out: Out) -> None:
    for entry in server.log.slice(server.commit_index + 1, server.log.last):
        if entry.value:
            out.refuse(Propose(entry.value), "leadership was lost")
    Raft.step_down(server, out)


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
        "a lease is counted from the answers to its round",
        Raft.on_round,
        "= self.measured_at, 0",
        "= out.now, 0",
    ),
    edited(
        "a leader keeps its lease when it orders another to take over",
        Raft.on_match,
        "self.lease_given_up = True",
        "pass",
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
        "a change of members before a commit in the term",
        Raft.on_reconfigure,
        "elif self.commit_index < self.term_start:",
        "elif False:",
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
    edited(
        "an acknowledgement counts in any term",
        Raft.answering,
        "message.term != self.current_term",
        "message.term > self.current_term",
    ),
    replaced(
        "a deposed leader refuses what others may still commit",
        step_down=refuse_and_step_down,
    ),
    edited(
        "the answer to an old leader names its old round",
        Raft.on_append_entries,
        "replace(message, round=0)",
        "message",
    ),
    edited(
        "success is told for a snapshot of which only a part has come",
        Raft.on_append_entries,
        "log, prev = self.log, message.prev_log_index\n",
        "log, prev = self.log, message.prev_log_index\n"
        "    if prev > log.last and not message.entries:\n"
        "        log = self.log = Log((Entry(message.prev_log_term),), first=prev)\n"
        "        self.commit_index = prev\n",
    ),
    edited(
        "a request for votes deposes a leader that is heard",
        Raft.on_request_vote,
        "self.hears_a_leader() and",
        "False and",
    ),
    replaced(
        "heartbeats are forgotten",
        on_heartbeat_timeout=lambda self, out: None,
    ),
    edited(
        "a candidate counts its own vote before it is on disk",
        Raft.stand,
        "out.send(self.id",
        "out.send_early(self.id",
    ),
]

INCUMBENT = (
    "success is told for a snapshot of which only a part has come",
    "an acknowledgement counts in any term",
    "a repeated AppendEntries truncates what follows it",
    "the vote is forgotten in a crash: two votes in one term",
    "a request for votes deposes a leader that is heard",
)
"""The five bugs that were reproduced in the Python library most used today."""


NO_LEASES = {"check_quorum": False, "reads": "index", "pre_vote": False}
SAFETY = Settings(options=NO_LEASES, liveness=False)
"""Without CheckQuorum and PreVote removed members may disturb: LeaderStays is not promised, and
other mistakes are looked for faster."""

DISKS = replace(
    SAFETY, faults=("crash", "blackout", "sync", "slow_disk", "loss", "partition"), steps=400
)
ELECTIONS = replace(
    SAFETY,
    faults=("oneway", "loss", "clog", "slow", "crash"),
    nodes=3,
    clients=6,
    steps=3000,
    options={**NO_LEASES, "max_append_bytes": 1, "max_inflight": 1},
)
LED_AGAIN = replace(
    SAFETY,
    faults=("clog", "partition", "delay", "slow", "transfer"),
    nodes=5,
    clients=6,
    steps=3000,
)
LEFT_BEHIND = Settings(
    faults=("membership", "partition", "oneway", "crash"), options={"pre_vote": False}
)
ALONE = Settings(faults=("membership", "crash", "sync", "slow_disk", "full"), nodes=1, clients=6)
LEASES = Settings(
    faults=("bridge", "oneway", "clog", "slow", "delay"),
    nodes=3,
    clients=6,
    options={"reads": "lease"},
)
LEASES_HANDED_OVER = replace(
    LEASES, faults=(*LEASES.faults, "crash", "transfer", "pause", "partition")
)
SNAPSHOTS = Settings(
    faults=("compact", "partition", "oneway", "crash", "flap"),
    nodes=3,
    options={"trailing_entries": 0},
)
MEMBERS = replace(SAFETY, faults=("membership", "partition", "oneway", "crash", "loss"), nodes=3)
ROUNDS = replace(
    SAFETY,
    faults=("bridge", "oneway"),
    nodes=3,
    clients=6,
    steps=2000,
    options={**NO_LEASES, "heartbeat_ms": 200},
)
"""While voters protect a leader whose round they answered, that round is too old to confirm a later
read falsely; so they do not, and rounds follow each other slowly."""

CHANGES = replace(
    SAFETY,
    faults=("membership", "partition", "oneway", "loss", "slow"),
    nodes=4,
    clients=1,
    steps=2000,
)
"""From an odd number of voters two changes of one always overlap; from four they need not."""

SWARM = Settings()

FOCUS = {
    "an entry of an older term commits by counting copies (figure 8)": ELECTIONS,
    "the vote is forgotten in a crash: two votes in one term": DISKS,
    "a leader counts its own copy before it is on disk": DISKS,
    "a follower acknowledges before its disk": DISKS,
    "a vote leaves before it is on disk": DISKS,
    "a longer log wins over a later term": ELECTIONS,
    "a lease lasts ten times too long": LEASES,
    "a lease is counted from the answers to its round": LEASES_HANDED_OVER,
    "a leader keeps its lease when it orders another to take over": LEASES_HANDED_OVER,
    "a server that hears the leader votes for another all the same": LEASES,
    "a read is confirmed by a round that began before it": ROUNDS,
    "a snapshot that conflicts with the log leaves it as it is": SNAPSHOTS,
    "several voters change without a joint configuration": MEMBERS,
    "a change of members before a commit in the term": CHANGES,
    "in a joint configuration the incoming majority commits alone": MEMBERS,
    "an acknowledgement counts in any term": LED_AGAIN,
    "success is told for a snapshot of which only a part has come": SNAPSHOTS,
    "a request for votes deposes a leader that is heard": LEFT_BEHIND,
    "a candidate counts its own vote before it is on disk": ALONE,
}
"""Mistakes that need a rare order of events are looked for among the faults that bring it about."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_broken_line_is_noticed(mutant: Mutant, request: pytest.FixtureRequest) -> None:
    settings = FOCUS.get(mutant.says, SWARM)
    failure = kill(PROTOCOL, mutant, 4000, settings)
    print(f"{mutant}: {failure.promise}, after {failure.seed + 1} seeds")
    tell("raft", MUTANTS, mutant, settings, failure, request)


FOCI = {
    "swarm": SWARM,
    "disks": DISKS,
    "elections": ELECTIONS,
    "led again": LED_AGAIN,
    "left behind": LEFT_BEHIND,
    "alone": ALONE,
    "leases": LEASES,
    "leases handed over": LEASES_HANDED_OVER,
    "snapshots": SNAPSHOTS,
    "members": MEMBERS,
    "rounds": ROUNDS,
    "changes": CHANGES,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "seeds", [40, pytest.param(1500, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("settings", FOCI.values(), ids=FOCI.keys())
def test_nothing_is_noticed_where_no_line_is_broken(settings: Settings, seeds: int) -> None:
    """What kills mutants leaves Raft itself alone."""
    failures = (simulate(PROTOCOL, seed, settings).failure for seed in range(seeds))
    assert [str(failure) for failure in failures if failure] == []


def test_the_settings_of_every_mutant_are_tried_on_raft_itself() -> None:
    assert all(settings in FOCI.values() for settings in FOCUS.values())
