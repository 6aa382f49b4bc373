"""Cluster membership changes: chapter 4.

A configuration is used from the moment it is in the log (section 4.1), committed or not, and
forgotten when its entry is removed.  One voter may come or go in one step; anything more goes
through a joint configuration (section 4.3), which the leader leaves by itself once it is committed.
"""

from __future__ import annotations

from comitia.kernel import NodeId, Out, Reconfigure
from comitia.protocols.raft.configuration import Configuration
from comitia.protocols.raft.messages import Entry, TimeoutNow
from comitia.protocols.raft.progress import Progress
from comitia.protocols.raft.state import LEADER, State
from comitia.quorums.changes import Changes, changes_in, configuration_at, may_be_needed


class Membership(State):
    """Who takes part."""

    @property
    def configuration_index(self) -> int:
        """Where the configuration in use stands in the log."""
        return self.configurations[-1][0] if self.configurations else self.snapshot.index

    def configuration_at(self, index: int) -> Configuration:
        """Return the configuration after every entry up to `index`."""
        return configuration_at(index, self.snapshot.configuration, self.configurations)

    def may_stand(self) -> bool:
        """Is this server a voter in any configuration that may be the committed one?"""
        founded = self.snapshot.configuration
        return may_be_needed(self.id, self.commit_index, founded, self.configurations)

    def adopt_configurations(self, since: int) -> None:
        """Read the configurations from the log after `since`, and use the last."""
        kept = self.configurations
        if kept and kept[-1][0] > since:
            kept = tuple(c for c in kept if c[0] <= since)
        since = max(since, self.snapshot.index)
        new = changes_in(self.log.slice(since + 1, self.log.last), since + 1)
        if new or kept is not self.configurations:
            self.use_configurations(kept + new)

    def use_configurations(self, configurations: Changes[Configuration]) -> None:
        self.configurations = configurations
        self.configuration = (
            configurations[-1][1] if configurations else self.snapshot.configuration
        )
        if self.role == LEADER:
            self.change_pending = True
            self.follow_members((*self.peers, *self.configuration.members()))

    def follow_members(self, members: tuple[NodeId, ...]) -> None:
        """Replicate to exactly these from now on."""
        self.peers = tuple(sorted({*members} - {self.id}))
        for peer in self.peers:
            if peer not in self.progress:
                # Active at first, or the next check of the quorum would count it as lost.
                self.progress = self.progress.set(peer, Progress(self.log.last, active=True))
        for peer in sorted(self.progress):
            if peer not in self.peers and peer != self.id:
                self.progress = self.progress.delete(peer)

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        if self.role != LEADER:
            out.refuse(request, "not the leader")
        elif self.configuration_index > self.commit_index or self.configuration.joint:
            out.refuse(request, "a change of membership is under way")
        elif self.commit_index < self.term_start:
            # Without an entry of this term committed, an older leader's uncommitted change could
            # still win over this one, and their quorums need not meet.
            out.refuse(request, "this leader has not committed anything in its term yet")
        else:
            try:
                target = self.configuration.enter(request.voters, request.learners)
            except ValueError as error:
                out.refuse(request, str(error))
                return
            if target == self.configuration:
                out.answer(request, None)
                return
            self.reconfigure = request
            self.append(Entry(self.current_term, configuration=target))

    def on_commit(self, out: Out) -> None:
        """Take the next step of a change, once the last one is committed."""
        if not self.change_pending or self.configuration_index > self.commit_index:
            return
        if self.configuration.joint:
            self.append(Entry(self.current_term, configuration=self.configuration.leave()))
            return
        self.change_pending = False
        if self.reconfigure is not None:
            request, self.reconfigure = self.reconfigure, None
            out.answer(request, None)
        # Those who left hear from the commit that removed them, and then no more.
        members = self.configuration.members()
        self.tell_commit(tuple(peer for peer in self.peers if peer not in members), out)
        if self.id in self.configuration.voters:
            self.follow_members(members)
        else:
            self.retire(out)

    def tell_commit(self, peers: tuple[NodeId, ...], out: Out) -> None:
        for peer in peers:
            next_index = self.progress[peer].next_index
            if next_index > self.log.first:
                self.send_append(peer, next_index - 1, (), out)

    def retire(self, out: Out) -> None:
        """Section 4.2.2: a leader that is no voter any more steps down when that is committed.

        It tells everybody of the commit, and the most advanced voter to take over at once.
        """
        self.tell_commit(self.peers, out)
        heir = max(
            self.configuration.voters, key=lambda voter: (self.progress[voter].match_index, -voter)
        )
        out.send(heir, TimeoutNow(self.current_term))
        self.become_follower(self.current_term, None, out)
