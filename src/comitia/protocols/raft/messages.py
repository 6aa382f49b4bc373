"""What servers say to each other and what they store: the thesis' names, figure 3.1 and 3.10."""

from __future__ import annotations

from comitia.kernel import Message, Record
from comitia.protocols.raft.configuration import Configuration


class Entry(Record):
    """One place of the log: a batch of commands, a change of membership, or neither: a no-op."""

    term: int
    value: bytes = b""
    configuration: Configuration | None = None


def size_of(entry: Entry) -> int:
    """Return what `entry` weighs, in bytes."""
    return len(entry.value)


class Snapshot(Record):
    """What stands for every entry up to `index` (figure 5.3); the machine's state is the host's."""

    index: int
    term: int
    configuration: Configuration


class RequestPreVote(Message):
    """Would you vote for me in `term`?  Changes nothing (section 9.6)."""

    term: int
    last_log_index: int
    last_log_term: int


class RequestPreVoteResponse(Message):
    """`term` is the one that was asked for when granted, else the current one of who refuses."""

    term: int
    vote_granted: bool


class RequestVote(Message):
    """Vote for me in `term` (section 3.4); the candidate is the sender."""

    term: int
    last_log_index: int
    last_log_term: int
    leader_transfer: bool = False
    """The leader itself asked for this election (section 3.10): do not protect it."""


class RequestVoteResponse(Message):
    term: int
    vote_granted: bool


class AppendEntries(Message):
    """Entries, heartbeat, and news of the commit index (section 3.5); the leader is the sender."""

    term: int
    prev_log_index: int
    prev_log_term: int
    entries: tuple[Entry, ...]
    leader_commit: int
    round: int
    """Grows with every heartbeat of a term; an answer that repeats it proves that the follower
    still followed after the round began (section 6.4, step 3).
    """


class AppendEntriesResponse(Message):
    """My log equals yours up to `match_index`, on disk."""

    term: int
    match_index: int
    round: int


class AppendEntriesConflict(Message):
    """My log does not have your `prev_log_index`, or has another entry there.

    Your log can agree with mine only at or before `hint_index`, where my term is `hint_term`
    (section 3.5, last but one paragraph: fewer rejected AppendEntries).
    """

    term: int
    prev_log_index: int
    hint_index: int
    hint_term: int
    round: int


class InstallSnapshot(Message):
    """Arrives together with the machine's state up to `last_included_index` (chapter 5)."""

    term: int
    last_included_index: int
    last_included_term: int
    configuration: Configuration


class ReadIndex(Message):
    """A follower asks up to where it must apply before it may serve a read (section 6.4).

    (`incarnation`, `sequence`) never comes twice, not even after a restart: an answer that was
    under way for long cannot be taken for the answer to a later question.
    """

    term: int
    incarnation: int
    sequence: int


class ReadIndexResponse(Message):
    """Every read that was asked before question `sequence` may be served at `read_index`."""

    incarnation: int
    sequence: int
    read_index: int


class TimeoutNow(Message):
    """Start an election at once: the leader of `term` hands over (section 3.10)."""

    term: int


MESSAGES = (
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    AppendEntries,
    AppendEntriesResponse,
    AppendEntriesConflict,
    InstallSnapshot,
    ReadIndex,
    ReadIndexResponse,
    TimeoutNow,
)
