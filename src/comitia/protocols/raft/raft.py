"""A Raft server: its sections put together, and what happens when."""

from __future__ import annotations

from typing import Final

from comitia.kernel import (
    Compact,
    Message,
    NodeId,
    Out,
    Propose,
    Read,
    Reconfigure,
    Request,
    Timer,
    Transfer,
)
from comitia.protocols.raft.compaction import Compaction
from comitia.protocols.raft.election import Election
from comitia.protocols.raft.membership import Membership
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    InstallSnapshot,
    ReadIndex,
    ReadIndexResponse,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from comitia.protocols.raft.reads import Reads
from comitia.protocols.raft.replication import Replication
from comitia.protocols.raft.state import LEADER
from comitia.protocols.raft.transfer import LeadershipTransfer

ROUTES: Final[dict[type, str]] = {
    RequestPreVote: "on_request_pre_vote",
    RequestPreVoteResponse: "on_request_pre_vote_response",
    RequestVote: "on_request_vote",
    RequestVoteResponse: "on_request_vote_response",
    AppendEntries: "on_append_entries",
    AppendEntriesResponse: "on_append_entries_response",
    AppendEntriesConflict: "on_append_entries_conflict",
    InstallSnapshot: "on_install_snapshot",
    ReadIndex: "on_read_index",
    ReadIndexResponse: "on_read_index_response",
    TimeoutNow: "on_timeout_now",
    Propose: "on_propose",
    Read: "on_read",
    Compact: "on_compact",
    Reconfigure: "on_reconfigure",
    Transfer: "on_transfer",
}


class Raft(Election, Replication, Compaction, Membership, Reads, LeadershipTransfer):
    """One server (figure 3.1)."""

    def on_start(self, out: Out) -> None:
        """Everything volatile follows from what is on disk."""
        self.incarnation += 1
        self.commit_index = self.snapshot.index
        self.use_configurations(())
        self.adopt_configurations(self.snapshot.index)
        self.restart_election_timer(out)

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        getattr(self, ROUTES[type(message)])(src, message, out)

    def on_request(self, request: Request, out: Out) -> None:
        if route := ROUTES.get(type(request)):
            getattr(self, route)(request, out)
        else:
            super().on_request(request, out)

    def on_timer(self, timer: Timer, out: Out) -> None:
        getattr(self, f"on_{timer}_timeout")(out)

    def on_turn(self, out: Out) -> None:
        if self.role == LEADER:
            self.begin_wanted_round(out)
            self.replicate(out)
        else:
            self.ask(out)
