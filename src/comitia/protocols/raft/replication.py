"""Log replication: section 3.5, the commit rule of 3.6.2, pipelining and batching of 10.2.

Everything proposed in one turn leaves in one AppendEntries a follower at the end of the turn.  The
leader's entries may overtake its own disk (`send_early`, section 10.2.1): they say nothing about
what the leader has stored, and the leader counts itself only by a message to itself, which waits
for the disk.  Loss is repaired by the heartbeat: it carries `prev_log_index` as any AppendEntries,
and a follower that misses something says so.
"""

from __future__ import annotations

from comitia.kernel import Log, NodeId, Out, Propose, received, replace
from comitia.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesConflict,
    AppendEntriesResponse,
    Entry,
    size_of,
)
from comitia.protocols.raft.progress import PROBE, REPLICATE, SNAPSHOT, Progress
from comitia.protocols.raft.state import FOLLOWER, LEADER, State


def last_at_most(log: Log[Entry], index: int, term: int) -> int:
    """Return the last position up to `index` whose term is at most `term`; `log.first` if none.

    Terms never fall along a log, so this halves.
    """
    low, high = log.first, min(index, log.last)
    while low < high:
        middle = (low + high + 1) // 2
        if log[middle].term <= term:
            low = middle
        else:
            high = middle - 1
    return low


class Replication(State):
    """How the leader's log becomes everybody's."""

    # The leader.

    def on_propose(self, request: Propose, out: Out) -> None:
        if self.role != LEADER:
            out.refuse(request, "not the leader")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being transferred")
        elif not request.value:
            out.refuse(request, "an empty value says nothing")
        elif self.log.last - self.commit_index >= self.options.max_uncommitted:
            out.refuse(request, "too many entries are not committed yet")
        else:
            self.append(Entry(self.current_term, request.value))

    def append(self, entry: Entry) -> None:
        assert self.role == LEADER and entry.term == self.current_term
        self.log = self.log.append((entry,))
        if entry.configuration is not None:
            self.adopt_configurations(self.log.last - 1)

    def begin_round(self, out: Out) -> None:
        """A heartbeat: every follower is sent something in this turn, and answers the round."""
        self.round += 1
        self.round_due = True
        self.measure_lease(out)
        self.on_round(out)  # alone in the cluster, the leader is a quorum

    def replicate(self, out: Out) -> None:
        """The end of a leader's turn."""
        for peer in self.peers:
            self.replicate_to(peer, self.progress[peer], out)
        self.round_due = False
        own = self.progress[self.id]
        last = self.log.last
        if own.next_index <= last:
            self.progress = self.progress.set(self.id, replace(own, next_index=last + 1))
            out.send(self.id, AppendEntriesResponse(self.current_term, last, self.round))

    def replicate_to(self, peer: NodeId, progress: Progress, out: Out) -> None:
        if progress.next_index <= self.log.first:  # what it needs next is compacted away
            self.send_snapshot(peer, progress, out)
            return
        options, last, sent = self.options, self.log.last, False
        while (
            progress.next_index <= last
            and not progress.waiting
            and len(progress.inflight) < options.max_inflight
            and progress.inflight_bytes < options.max_inflight_bytes
        ):
            progress = self.send_entries(peer, progress, out)
            sent = True
        if sent:
            self.progress = self.progress.set(peer, progress)
        elif self.round_due or (
            progress.state == REPLICATE and progress.commit_sent < self.commit_index
        ):
            self.send_append(peer, progress.next_index - 1, (), out)
            self.progress = self.progress.set(
                peer, replace(progress, commit_sent=self.commit_index)
            )

    def send_entries(self, peer: NodeId, progress: Progress, out: Out) -> Progress:
        """Send what fits into one message; return what is then known of `peer`."""
        log, first = self.log, progress.next_index
        last, size = log.fitting(first, size_of, self.options.max_append_bytes)
        self.send_append(peer, first - 1, log.slice(first, last), out)
        if progress.state == PROBE:
            return replace(progress, waiting=True, commit_sent=self.commit_index)
        return replace(
            progress,
            next_index=last + 1,
            inflight=(*progress.inflight, (last, size)),
            inflight_bytes=progress.inflight_bytes + size,
            commit_sent=self.commit_index,
        )

    def send_append(
        self, peer: NodeId, prev_log_index: int, entries: tuple[Entry, ...], out: Out
    ) -> None:
        prev_log_term = self.log[prev_log_index].term
        # Early: it claims nothing of this server's disk, and this server's term is on its disk
        # since it counted its own vote.
        out.send_early(
            peer,
            AppendEntries(
                self.current_term,
                prev_log_index,
                prev_log_term,
                entries,
                self.commit_index,
                self.round,
            ),
        )

    @received(AppendEntriesResponse)
    def on_append_entries_response(
        self, src: NodeId, message: AppendEntriesResponse, out: Out
    ) -> None:
        progress = self.answering(src, message, out)
        if progress is None:
            return
        match = message.match_index
        assert match <= self.log.last, f"n{src} has more of this term than its leader"
        if match >= progress.match_index and match >= self.log.first:
            if progress.state != REPLICATE and src != self.id:
                progress = Progress(match + 1, state=REPLICATE, round=progress.round, active=True)
            inflight, size = progress.inflight, progress.inflight_bytes
            while inflight and inflight[0][0] <= match:
                size -= inflight[0][1]
                inflight = inflight[1:]
            progress = replace(
                progress,
                match_index=match,
                next_index=max(progress.next_index, match + 1),
                inflight=inflight,
                inflight_bytes=size,
            )
        self.progress = self.progress.set(src, progress)
        if match > self.commit_index:
            self.advance_commit_index(out)
        self.on_match(src, out)

    def answering(
        self, src: NodeId, message: AppendEntriesResponse | AppendEntriesConflict, out: Out
    ) -> Progress | None:
        """Return what is known of `src`, which answered; None if the answer is not for today."""
        if self.role != LEADER:
            return None
        progress = self.progress.get(src)
        if progress is None:
            return None  # removed: not even its higher term may disturb (section 4.2.3)
        if message.term != self.current_term:  # an acknowledgement counts in its own term only
            if message.term > self.current_term:
                self.become_follower(message.term, None, out)
            return None
        assert message.round <= self.round, f"n{src} answers a round that has not begun"
        if message.round > progress.round:
            progress = replace(progress, round=message.round, active=True)
            self.progress = self.progress.set(src, progress)
            self.on_round(out)
            return self.progress[src]
        return progress if progress.active else replace(progress, active=True)

    @received(AppendEntriesConflict)
    def on_append_entries_conflict(
        self, src: NodeId, message: AppendEntriesConflict, out: Out
    ) -> None:
        progress = self.answering(src, message, out)
        if progress is None:
            return
        stale = message.prev_log_index <= progress.match_index or (
            progress.state == PROBE and message.prev_log_index != progress.next_index - 1
        )
        if not stale and progress.state != SNAPSHOT:
            # Skip every entry of a term above the follower's at that place: none can be there.
            hint = last_at_most(self.log, message.hint_index, message.hint_term)
            if hint == self.log.first and message.hint_index < hint:
                hint = message.hint_index
            next_index = max(min(hint + 1, message.prev_log_index), progress.match_index + 1)
            progress = Progress(next_index, progress.match_index, round=progress.round, active=True)
        self.progress = self.progress.set(src, progress)

    # Section 3.6.2: what is committed.

    def advance_commit_index(self, out: Out) -> None:
        """Commit what a quorum holds, but count copies only of an entry of this term.

        An older entry on a quorum can still be overwritten (figure 3.7; figure 8 of the paper);
        one of this term cannot, and commits everything before it.
        """
        progress = self.progress
        index = self.configuration.reached(lambda voter: progress[voter].match_index)
        if index > self.commit_index and self.log[index].term == self.current_term:
            self.commit_to(index, out)

    def commit_to(self, index: int, out: Out) -> None:
        log = self.log
        assert self.commit_index < index <= log.last
        for slot in range(self.commit_index + 1, index + 1):
            out.deliver(slot, log[slot].value)
        self.commit_index = index
        self.on_commit(out)

    # The followers.

    @received(AppendEntries)
    def on_append_entries(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        if message.term < self.current_term:
            # Tells an old leader that it is over.  It answers no round: `src` may lead this term
            # as well, and a round of its old term would confirm one that it has not begun.
            self.send_conflict(src, replace(message, round=0), out)
            return
        if message.term > self.current_term or self.role != FOLLOWER or self.leader_id != src:
            assert self.role != LEADER or message.term > self.current_term, "two leaders"
            self.become_follower(message.term, src, out)
            self.on_new_leader(out)
        new_round = message.round > self.heard_round
        if new_round:
            self.hear(message.round, out)
        log, prev = self.log, message.prev_log_index
        if prev > log.last or (prev >= log.first and log[prev].term != message.prev_log_term):
            self.send_conflict(src, message, out)
            return
        # Before log.first everything is committed, so the leader has the same (section 3.6).
        entries = message.entries
        if entries:
            self.take(prev, entries)
        last_new = prev + len(entries)
        if message.leader_commit > self.commit_index:
            # Not beyond what this message proves equal: later entries may be of an older leader.
            index = min(message.leader_commit, last_new)
            if index > self.commit_index:
                self.commit_to(index, out)
        if entries or new_round:  # news of the commit index alone need no answer
            out.send(src, AppendEntriesResponse(self.current_term, last_new, message.round))

    def take(self, prev: int, entries: tuple[Entry, ...]) -> None:
        """Section 3.5, AppendEntries steps 3 and 4: remove what conflicts, append what is new.

        A repeated or late message holds only entries that are here already: it removes nothing.
        """
        log, skip = self.log, 0
        if prev != log.last:
            skip = max(0, log.first - prev)
            while skip < len(entries) and prev + skip < log.last:
                if log[prev + skip + 1].term != entries[skip].term:
                    assert prev + skip >= self.commit_index, "a committed entry is contradicted"
                    log = log.cut_after(prev + skip)
                    break
                skip += 1
            entries = entries[skip:]
            if not entries:
                return
        self.log = log.append(entries)
        self.adopt_configurations(prev + skip)

    def send_conflict(self, src: NodeId, message: AppendEntries, out: Out) -> None:
        hint = last_at_most(self.log, message.prev_log_index, message.prev_log_term)
        out.send(
            src,
            AppendEntriesConflict(
                self.current_term,
                message.prev_log_index,
                hint,
                self.log[hint].term,
                message.round,
            ),
        )
