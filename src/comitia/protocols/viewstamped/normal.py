"""Normal operation: section 4.1.  The primary orders, backups follow in order.

One PREPARE carries everything that was proposed in a turn.  It leaves before the primary's own disk
has it, which is safe: a PREPARE promises nothing about the primary's log, the primary counts itself
by a PREPAREOK that it sends itself through the disk, and a primary that restarts never goes on in
its view (it begins the next), so it cannot number another op the same.
"""

from __future__ import annotations

from immutables import Map

from comitia.kernel import Compact, NodeId, Out, Propose, fired, received
from comitia.protocols.viewstamped.messages import (
    Checkpoint,
    Commit,
    CommitOk,
    Op,
    Prepare,
    PrepareOk,
    size_of,
)
from comitia.protocols.viewstamped.state import State


class NormalOperation(State):
    """Ordering requests."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.executed = 0  # ops handed to the host
        self.proposed: tuple[Op, ...] = ()  # in this turn, not yet in the log
        self.told_commit = 0  # the last commit-number the backups were told
        self.prepared: Map[NodeId, int] = Map()  # primary: how far each replica's log is known
        self.view_is_durable = False  # primary: this view is on its disk
        self.joining: tuple[NodeId, ...] = ()  # primary: replicas warming up (section 7.2)
        self.silent_since = 0  # primary: op_number at the last COMMIT timer

    def begin_as_primary(self, out: Out) -> None:
        assert self.primary_of(self.view) == self.id and self.view == self.last_normal_view
        self.prepared = Map()
        self.view_is_durable = False
        self.silent_since = self.op_number
        out.send(self.id, PrepareOk(self.view, self.op_number))
        out.set_timer("commit", after=(self.options.commit_ms, self.options.commit_ms))
        self.hear(out)

    # The primary.

    def on_propose(self, request: Propose, out: Out) -> None:
        if not request.value:
            out.refuse(request, "an empty value says nothing")
        elif not self.is_primary:
            out.refuse(request, "this replica is not the primary")
        elif self.reconfiguring():
            out.refuse(request, "a reconfiguration is under way")
        elif self.op_number + len(self.proposed) - self.commit_number >= (
            self.options.max_uncommitted
        ):
            out.refuse(request, "too many requests wait for a quorum")
        else:
            self.proposed += (Op(request.value),)

    def reconfiguring(self) -> bool:
        """Section 7.1: after a RECONFIGURATION nothing more is accepted in its epoch."""
        last = self.proposed[-1] if self.proposed else None
        if last is None and self.op_number > max(self.commit_number, self.log.first - 1):
            last = self.log[self.op_number]
        return last is not None and bool(last.members)

    def prepare(self, out: Out) -> None:
        """Steps 2 and 3: everything of this turn in one PREPARE."""
        if not self.is_primary:
            self.proposed = ()
            return
        if self.proposed:
            first = self.op_number + 1
            self.log = self.log.append(self.proposed)
            prepare = Prepare(self.view, first, self.proposed, self.commit_number)
            self.proposed = ()
            self.told_commit = self.commit_number
            send = out.send_early if self.view_is_durable else out.send
            for replica in (*self.others, *self.joining):
                send(replica, prepare)
            out.send(self.id, PrepareOk(self.view, self.op_number))
        elif self.told_commit < self.commit_number:
            self.tell_commit(out)  # at once: clients of backups wait for it

    def tell_commit(self, out: Out) -> None:
        """Step 6: COMMIT, when no PREPARE carries the commit-number."""
        self.told_commit = self.commit_number
        commit = Commit(self.view, self.commit_number, self.next_round(out))
        for replica in (*self.others, *self.joining):
            out.send(replica, commit)
        out.send(self.id, CommitOk(self.view, self.op_number, commit.round))

    @received(PrepareOk)
    def on_prepare_ok(self, src: NodeId, message: PrepareOk, out: Out) -> None:
        if not self.is_primary or message.view != self.view:
            return
        self.note_prepared(src, message.op_number, out)

    def note_prepared(self, src: NodeId, op_number: int, out: Out) -> None:
        """Step 5: `src` holds everything up to `op_number`, on disk."""
        if src == self.id:
            self.view_is_durable = True
        if op_number <= self.prepared.get(src, -1):
            return
        assert op_number <= self.op_number, "a backup is ahead of its primary"
        self.prepared = self.prepared.set(src, op_number)
        self.advance_commit_number(out)

    def advance_commit_number(self, out: Out) -> None:
        """Step 5: committed once f backups (and the primary's own disk) hold it and all before."""
        # Counted by distinct member; whoever is warming up (section 7.2) is none.
        self.execute(self.quorum.reached(lambda n: self.prepared.get(n, 0)), out)

    @fired("commit")
    def on_commit_timer(self, out: Out) -> None:
        if not self.is_primary:
            return
        out.set_timer("commit", after=(self.options.commit_ms, self.options.commit_ms))
        self.tell_commit(out)
        # What was under way a whole interval ago and is not acknowledged was probably lost.
        if self.commit_number < self.silent_since:
            ops = self.ops_after(self.commit_number, self.options.max_message_bytes)
            prepare = Prepare(self.view, self.commit_number + 1, ops, self.commit_number)
            for replica in self.others:
                if self.prepared.get(replica, 0) < self.silent_since:
                    out.send(replica, prepare)
        self.silent_since = self.op_number

    # Backups.

    @received(Prepare)
    def on_prepare(self, src: NodeId, message: Prepare, out: Out) -> None:
        """Step 4: a backup takes ops in order only; a gap is filled by state transfer."""
        self.hear(out)
        last = message.first + len(message.ops) - 1
        if message.first > self.op_number + 1:
            self.ask_for_state(src, out)
        elif last > self.op_number:
            # In one view logs only grow, so what we hold already is what the message repeats.
            self.log = self.log.append(message.ops[self.op_number + 1 - message.first :])
        out.send(src, PrepareOk(self.view, self.op_number))
        self.execute(min(message.commit_number, self.op_number), out)

    @received(Commit)
    def on_commit(self, src: NodeId, message: Commit, out: Out) -> None:
        """Step 7."""
        self.hear(out)
        out.send(src, CommitOk(self.view, self.op_number, message.round))
        if message.commit_number > self.op_number:
            self.ask_for_state(src, out)
        self.execute(min(message.commit_number, self.op_number), out)

    # Executing, and section 5.1.

    def execute(self, commit_number: int, out: Out) -> None:
        """Hand the host every op up to `commit_number` that it does not have yet, in order."""
        assert commit_number <= self.op_number, (commit_number, self.op_number)
        self.commit_number = max(self.commit_number, commit_number)
        while self.executed < self.commit_number:
            op = self.log[self.executed + 1]
            self.executed += 1
            out.deliver(self.executed, op.value)
            if op.members and self.executed > self.group.since:  # not again after a restart
                self.enter_epoch(op.members, out)
            elif op.members:
                self.recall_group(op.members)

    def on_compact(self, request: Compact, out: Out) -> None:
        """Section 5.1: a checkpoint stands for the log's prefix."""
        slot = request.slot
        if not self.checkpoint.op_number < slot <= self.executed:
            return  # old news, or of a machine that is ahead of this replica's new life
        at = max(i for i, group in enumerate(self.groups) if group.since <= slot)
        self.groups = self.groups[at:]
        self.checkpoint = Checkpoint(slot, self.groups[0])
        most = self.options.trailing_ops if request.trailing else 0
        first = self.log.trailing(slot, most, size_of, self.options.trailing_bytes)
        self.log = self.log.cut_before(first)

    # Brought by the sections on reads and reconfiguration.

    def next_round(self, out: Out) -> int:
        raise NotImplementedError

    def enter_epoch(self, members: tuple[NodeId, ...], out: Out) -> None:
        raise NotImplementedError

    def recall_group(self, members: tuple[NodeId, ...]) -> None:
        raise NotImplementedError
