"""Log compaction: chapter 5.  The state machine writes its snapshots; this keeps the log short."""

from __future__ import annotations

from comitia.kernel import Compact, Log, NodeId, Out, received, replace
from comitia.protocols.raft.messages import (
    AppendEntriesResponse,
    Entry,
    InstallSnapshot,
    Snapshot,
    size_of,
)
from comitia.protocols.raft.progress import SNAPSHOT, Progress
from comitia.protocols.raft.state import FOLLOWER, LEADER, State


class Compaction(State):
    """What happens to the log's beginning."""

    def on_compact(self, request: Compact, out: Out) -> None:
        """The host's snapshot at `request.slot` is on disk: nothing up to there is needed."""
        slot = request.slot
        assert slot <= self.commit_index, "a snapshot of what was never delivered"
        if slot <= self.snapshot.index:
            return
        self.snapshot = Snapshot(slot, self.log[slot].term, self.configuration_at(slot))
        self.configurations = tuple(c for c in self.configurations if c[0] > slot)
        self.log = self.log.cut_before(self.first_to_keep(slot) if request.trailing else slot)

    def first_to_keep(self, slot: int) -> int:
        """Keep some entries behind the snapshot: entries are cheaper to send than a snapshot."""
        options = self.options
        kept = self.log.trailing(slot, options.trailing_entries, size_of, options.trailing_bytes)
        return max(self.log.first, kept - 1)  # the one before is there for its term

    def send_snapshot(self, peer: NodeId, progress: Progress, out: Out) -> None:
        """Section 5: bring a follower that is too far behind up to the snapshot.

        Repeated with every round as long as the follower answers, so a broken transfer resumes.
        """
        begun = progress.state == SNAPSHOT
        if begun and not self.round_due:
            return
        snapshot = self.snapshot
        if not begun or progress.active:
            out.send_snapshot(
                peer,
                InstallSnapshot(
                    self.current_term, snapshot.index, snapshot.term, snapshot.configuration
                ),
            )
        if self.round_due:
            self.send_append(peer, snapshot.index, (), out)
        self.progress = self.progress.set(peer, replace(progress, state=SNAPSHOT))

    @received(InstallSnapshot)
    def on_install_snapshot(self, src: NodeId, message: InstallSnapshot, out: Out) -> None:
        """Figure 5.3.  The runtime hands the message over when the whole snapshot is durable, so a
        partial one can move nothing.
        """
        if message.term < self.current_term:
            return
        if message.term > self.current_term or self.role != FOLLOWER or self.leader_id != src:
            assert self.role != LEADER or message.term > self.current_term, "two leaders"
            self.become_follower(message.term, src, out)
            self.on_new_leader(out)
        index, term, log = message.last_included_index, message.last_included_term, self.log
        if index > self.commit_index:
            if index <= log.last and log[index].term == term:
                # Step 6: the log holds everything already, and more that may be acknowledged.
                self.commit_to(index, out)
            else:
                # Step 7: the log ends before, or another history stands there: all of it goes.
                out.install(index)
                self.log = Log((Entry(term),), first=index)
                self.snapshot = Snapshot(index, term, message.configuration)
                self.commit_index = index
                self.use_configurations(())
        out.send(src, AppendEntriesResponse(self.current_term, index, self.heard_round))
