"""What Raft guarantees: figure 3.2, and what follows from it.

Each promise looks only at what a step changed.  A log that was appended to shares its list with the
log before, so finding the new entries costs nothing; a truncated or trimmed one is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from immutables import Map

from comitia.kernel import (
    Broken,
    DeliveriesAgree,
    Log,
    Micros,
    Node,
    NodeId,
    Promise,
    ReadsAreCurrent,
)
from comitia.protocols.raft.configuration import Tally
from comitia.protocols.raft.messages import Entry
from comitia.protocols.raft.raft import Raft
from comitia.protocols.raft.state import LEADER

Nodes = Mapping[NodeId, Raft]


class ElectionSafety(Promise):
    """At most one leader is elected in a term."""

    watch: ClassVar[tuple[str, ...]] = ("role",)

    def __init__(self) -> None:
        self.leaders: Map[int, NodeId] = Map()

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        if node.role != LEADER:
            return
        leader = self.leaders.get(node.current_term)
        if leader is None:
            self.leaders = self.leaders.set(node.current_term, node.id)
        elif leader != node.id:
            raise Broken(f"n{leader} and n{node.id} both lead term {node.current_term}")


class LeaderAppendOnly(Promise):
    """A leader never overwrites or deletes entries of its log; it only appends.

    The beginning may be compacted away.
    """

    watch: ClassVar[tuple[str, ...]] = ("log", "role", "current_term")

    def __init__(self) -> None:
        self.logs: Map[NodeId, tuple[int, Log[Entry]]] = Map()

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        before = self.logs.get(node.id)
        if node.role != LEADER:
            if before is not None:
                self.logs = self.logs.delete(node.id)
            return
        log = node.log
        if before is not None and before[0] == node.current_term:
            if before[1] is log:
                return
            shared = log.shared_until(before[1])
            if shared < before[1].last:
                raise Broken(f"leader n{node.id} changed its own log after {shared}")
        self.logs = self.logs.set(node.id, (node.current_term, log))

    def on_restart(self, node: Node) -> None:
        self.logs = self.logs.delete(node.id) if node.id in self.logs else self.logs


class LogMatching(Promise):
    """If two logs hold an entry of the same index and term, they are equal up to it.

    Held step by step: index and term determine the entry and the term before it.
    """

    watch: ClassVar[tuple[str, ...]] = ("log",)

    def __init__(self) -> None:
        self.known: Map[tuple[int, int], tuple[int, Entry]] = Map()
        self.logs: Map[NodeId, Log[Entry]] = Map()

    def on_restart(self, node: Node) -> None:
        # An older log may be on the disk than the last one seen.
        self.logs = self.logs.delete(node.id) if node.id in self.logs else self.logs

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        log, before = node.log, self.logs.get(node.id)
        if before is log:
            return
        start = log.first if before is None else max(before.shared_until(log), log.first)
        term, known = log[start].term, self.known
        for index in range(start + 1, log.last + 1):
            entry = log[index]
            found = known.get((index, entry.term))
            if found is None:
                known = known.set((index, entry.term), (term, entry))
            elif found[0] != term or (found[1] is not entry and found[1] != entry):
                raise Broken(
                    f"n{node.id} holds {entry} after term {term} at {index}; "
                    f"elsewhere {found[1]} after term {found[0]}"
                )
            term = entry.term
        self.known, self.logs = known, self.logs.set(node.id, log)


class Committed(Promise):
    """Remembers the term of every committed entry; the base of three promises."""

    def __init__(self) -> None:
        self.terms: Map[int, int] = Map()
        self.last = 0

    def learn(self, node: Raft) -> None:
        """Take over what `node` knows to be committed."""
        terms, log = self.terms, node.log
        for index in range(max(self.last, log.first) + 1, node.commit_index + 1):
            terms = terms.set(index, log[index].term)
        self.terms, self.last = terms, max(self.last, node.commit_index)


class LeaderCompleteness(Committed):
    """An entry committed in one term is in the log of the leader of every later term."""

    watch: ClassVar[tuple[str, ...]] = ("role", "commit_index")

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        if node.commit_index > self.last:
            self.learn(node)
        if node.role != LEADER or node.commit_index >= self.last:
            return
        # By LogMatching the last committed entry stands for all before it.
        log, last = node.log, self.last
        term = self.terms.get(last)
        if term is None or term >= node.current_term:
            return  # an older leader that does not know yet
        if log.last < last or (log.first <= last and log[last].term != term):
            raise Broken(
                f"n{node.id} leads term {node.current_term} without the entry committed at {last} "
                f"in term {term}"
            )


class CommittedNeverLost(Committed):
    """A committed entry that a server holds is never removed from its log, but by compaction; and
    what a server says is committed is what everybody says is committed.
    """

    watch: ClassVar[tuple[str, ...]] = ("log", "commit_index")

    def __init__(self) -> None:
        super().__init__()
        self.logs: Map[NodeId, Log[Entry]] = Map()

    def on_restart(self, node: Node) -> None:
        # What was not on disk yet may be gone; LeaderCompleteness holds it against the others.
        self.logs = self.logs.delete(node.id) if node.id in self.logs else self.logs

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        log, before = node.log, self.logs.get(node.id)
        if before is not log:
            if before is not None:
                lost = max(before.shared_until(log), log.first) + 1
                if lost <= min(before.last, self.last) and (
                    before[lost].term == self.terms.get(lost)
                ):
                    raise Broken(f"n{node.id} removed the committed entry {lost}")
            self.logs = self.logs.set(node.id, log)
        commit = node.commit_index
        if commit > self.last:
            self.learn(node)
        elif commit > log.first and self.terms.get(commit, log[commit].term) != log[commit].term:
            raise Broken(
                f"n{node.id} committed term {log[commit].term} at {commit}, "
                f"others term {self.terms[commit]}"
            )


class CommittedOnAMajority(Promise):
    """A leader takes an entry for committed when a majority holds it (section 3.5).

    A majority of the moment: those who become voters later may lack what is committed.  Of a server
    that is down nothing is known here: it counts as one that holds it.
    """

    watch: ClassVar[tuple[str, ...]] = ("commit_index",)

    def __init__(self) -> None:
        self.known: Map[NodeId, int] = Map()

    def on_restart(self, node: Node) -> None:
        assert isinstance(node, Raft)
        self.known = self.known.set(node.id, node.snapshot.index)

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        index, log = node.commit_index, node.log
        before, self.known = self.known.get(node.id, 0), self.known.set(node.id, index)
        if node.role != LEADER or index <= max(before, log.first):
            return
        term = log[index].term

        def held(voter: NodeId) -> int:
            other = nodes.get(voter)
            if other is None or other.log.first > index:
                return index
            return index if other.log.last >= index and other.log[index].term == term else 0

        if node.configuration.reached(held) < index:
            raise Broken(f"n{node.id} commits {index} of term {term}, which no majority holds")


class ElectableCompleteness(Committed):
    """LeaderCompleteness, one election ahead: nobody who lacks a committed entry could be elected.

    The servers that are up and would vote for one that lacks the entry, in a term above all, are no
    quorum of its configuration.  Asked while configurations differ: it is why majorities must
    overlap over a change (section 4.1), and two leaders that changed one member each break it long
    before a vote shows it.
    """

    watch: ClassVar[tuple[str, ...]] = ("configuration", "commit_index")

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        if node.commit_index > self.last:
            self.learn(node)
        used = node.configuration
        if all(
            other.configuration is used or other.configuration == used for other in nodes.values()
        ):
            return
        last, term = self.last, self.terms.get(self.last)
        for other in nodes.values():
            log = other.log
            if term is None or log.first >= last or (log.last >= last and log[last].term == term):
                continue
            ahead = log[log.last].term, log.last
            votes = {v.id for v in nodes.values() if (v.log[v.log.last].term, v.log.last) <= ahead}
            if other.may_stand() and other.configuration.tally(votes, set()) is Tally.WON:
                raise Broken(
                    f"n{other.id} lacks the entry committed at {last} in term {term}, and "
                    f"{sorted(votes)} could elect it by its configuration {other.configuration}"
                )


class LeaseExclusivity(Promise):
    """While a leader may answer reads alone, nobody leads a later term (section 6.4.1).

    Asked whenever a leader begins a round: under a lease it does so a few times.
    """

    watch: ClassVar[tuple[str, ...]] = ("role", "round")

    def __init__(self) -> None:
        self.latest, self.leader = 0, 0

    def on_step_at(self, node: Raft, nodes: Nodes, now: Micros) -> None:
        if node.role != LEADER:
            return
        if node.current_term > self.latest:
            self.latest, self.leader = node.current_term, node.id
        elif node.current_term < self.latest and node.has_lease(now):
            raise Broken(
                f"n{node.id} may answer reads alone in term {node.current_term}, "
                f"but n{self.leader} leads term {self.latest}"
            )


class StateMachineSafety(DeliveriesAgree):
    """No two servers ever apply different values at one index; each applies all in order."""

    watch: ClassVar[tuple[str, ...]] = ("snapshot",)


class MonotoneTermsAndCommits(Promise):
    """Terms and commit indexes never fall while a server runs; it votes once in a term."""

    watch: ClassVar[tuple[str, ...]] = ("current_term", "commit_index", "voted_for")

    def __init__(self) -> None:
        self.seen: Map[NodeId, tuple[int, int, NodeId | None]] = Map()

    def on_step(self, node: Raft, nodes: Nodes) -> None:
        now = node.current_term, node.commit_index, node.voted_for
        term, commit, voted_for = self.seen.get(node.id, (0, 0, None))
        if now[0] < term:
            raise Broken(f"n{node.id} fell from term {term} to {now[0]}")
        if now[1] < commit:
            raise Broken(f"the commit index of n{node.id} fell from {commit} to {now[1]}")
        if now[0] == term and voted_for is not None and now[2] != voted_for:
            raise Broken(f"n{node.id} voted for n{voted_for} and {now[2]} in term {term}")
        self.seen = self.seen.set(node.id, now)

    def on_restart(self, node: Node) -> None:
        assert isinstance(node, Raft)
        known = node.current_term, node.snapshot.index, node.voted_for
        self.seen = self.seen.set(node.id, known)


PROMISES: tuple[Callable[[], Promise], ...] = (
    ElectionSafety,
    LeaderAppendOnly,
    LogMatching,
    LeaderCompleteness,
    CommittedNeverLost,
    CommittedOnAMajority,
    ElectableCompleteness,
    LeaseExclusivity,
    StateMachineSafety,
    MonotoneTermsAndCommits,
    ReadsAreCurrent,
)
