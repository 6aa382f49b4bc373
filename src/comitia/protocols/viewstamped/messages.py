"""What replicas say to each other and what they store, under the paper's names.

The sender, which the paper puts into most messages, is told by the runtime.
"""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Record


class Op(Record):
    """One place of the log: a batch of requests, a reconfiguration, or neither: a no-op."""

    value: bytes = b""
    members: tuple[NodeId, ...] = ()
    """The new configuration, for a RECONFIGURATION (section 7.1); else empty."""


class Group(Record):
    """Who decides (section 7): grows by one epoch with every reconfiguration."""

    epoch: int
    configuration: tuple[NodeId, ...]
    """The members, ascending; the primary of view v is the one at position v mod their number."""
    since: int = 0
    """The op-number of the RECONFIGURATION that made this group."""


class View(Record, order=True):
    """Views of a later epoch come after all views of an earlier one."""

    epoch: int
    number: int


def size_of(op: Op) -> int:
    """Return what `op` weighs, in bytes."""
    return len(op.value)


class Checkpoint(Record):
    """What stands for every op up to `op_number` (section 5.1); the state is the host's."""

    op_number: int
    group: Group


# Section 4.1: normal operation.


class Prepare(Message):
    """PREPARE of the ops from `first` on, and k, the commit-number."""

    view: View
    first: int
    ops: tuple[Op, ...]
    commit_number: int


class PrepareOk(Message):
    """I hold every op of this view up to `op_number`, on disk."""

    view: View
    op_number: int


class Commit(Message):
    """COMMIT, when there is nothing to prepare.  `round` grows with each in a view."""

    view: View
    commit_number: int
    round: int


class CommitOk(Message):
    """I was still in `view` after its primary began `round` (for reads, section 6.3)."""

    view: View
    op_number: int
    round: int


# Section 4.2: view changes.


class AskToLeave(Message):
    """I hear nothing of the primary of `view`; do you?  Changes nothing (not in the paper)."""

    view: View
    started: bool
    """Whether that view is known to have had a primary."""


class AgreeToLeave(Message):
    """Neither do I."""

    view: View


class StartViewChange(Message):
    """STARTVIEWCHANGE."""

    view: View
    given_up: View | None = None
    """The view whose primary itself asks for this change: do not protect it."""


class DoViewChange(Message):
    """DOVIEWCHANGE: the log after `base`, the sender's commit-number (section 5.3)."""

    view: View
    last_normal_view: View
    base: int
    ops: tuple[Op, ...]


class StartView(Message):
    """STARTVIEW: the new log after `base`."""

    view: View
    base: int
    ops: tuple[Op, ...]
    commit_number: int


# Section 4.3: recovery.


class Recovery(Message):
    """RECOVERY: I lost my log; `nonce` is never used twice; I recover into no view before `view`.

    (The paper's carries no view, since its replica keeps none.)
    """

    view: View
    nonce: int


class RecoveryResponse(Message):
    """RECOVERYRESPONSE.  Only the primary says how long the log is: -1 from anybody else."""

    view: View
    nonce: int
    op_number: int = -1


# Section 5.2: state transfer.


class GetState(Message):
    """GETSTATE: send me what follows `op_number` in the log of `view`, or of a later one."""

    view: View
    op_number: int


class NewState(Message):
    """NEWSTATE: all that follows `base` in the log of `view`, in which the sender is normal."""

    view: View
    base: int
    ops: tuple[Op, ...]
    commit_number: int


class CommittedState(Message):
    """Committed ops after `base`: a NEWSTATE too long for one message, or from a view change.

    What is committed is the same in every view, so anybody may take it at any time.
    """

    view: View
    base: int
    ops: tuple[Op, ...]


class InstallCheckpoint(Message):
    """Arrives together with the machine's state at `checkpoint`, which is committed."""

    checkpoint: Checkpoint


# Section 6.3, reads, asked by another replica than the primary.


class ReadRequest(Message):
    """Up to where must I have executed before I serve a read?  (`lifetime`, `sequence`) is new."""

    view: View
    lifetime: int
    sequence: int


class ReadReply(Message):
    """Every read asked before question `sequence` may be served once `op_number` is executed."""

    lifetime: int
    sequence: int
    op_number: int


# Section 7: reconfiguration.


class StartEpoch(Message):
    """STARTEPOCH: this group has taken over; whoever lacks the op `group.since` may ask me."""

    group: Group


class EpochStarted(Message):
    """EPOCHSTARTED: I hold everything up to the start of this epoch, on disk."""

    epoch: int


MESSAGES = (
    Prepare,
    PrepareOk,
    Commit,
    CommitOk,
    AskToLeave,
    AgreeToLeave,
    StartViewChange,
    DoViewChange,
    StartView,
    Recovery,
    RecoveryResponse,
    GetState,
    NewState,
    CommittedState,
    InstallCheckpoint,
    ReadRequest,
    ReadReply,
    StartEpoch,
    EpochStarted,
)
