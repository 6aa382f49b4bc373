"""A Raft server: its sections put together, and what happens when."""

from __future__ import annotations

from comitia.kernel import Out
from comitia.protocols.raft.compaction import Compaction
from comitia.protocols.raft.election import Election
from comitia.protocols.raft.membership import Membership
from comitia.protocols.raft.reads import Reads
from comitia.protocols.raft.replication import Replication
from comitia.protocols.raft.state import LEADER
from comitia.protocols.raft.transfer import LeadershipTransfer


class Raft(Election, Replication, Compaction, Membership, Reads, LeadershipTransfer):
    """One server (figure 3.1)."""

    def on_start(self, out: Out) -> None:
        """Everything volatile follows from what is on disk."""
        self.incarnation += 1
        self.commit_index = self.snapshot.index
        self.use_configurations(())
        self.adopt_configurations(self.snapshot.index)
        self.restart_election_timer(out)

    def on_turn(self, out: Out) -> None:
        if self.role == LEADER:
            self.begin_wanted_round(out)
            self.replicate(out)
        else:
            self.ask(out)
