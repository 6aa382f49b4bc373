"""What clients, operators and the host ask of a node, as values.

A request enters by `Node.on_request`.  It ends in `Out.answer` or `Out.refuse`, or, when a leader
or this node dies first, in neither: then its outcome is unknown.  `Propose` and `Compact` are not
answered: a proposed value shows itself by being delivered.

Protocols with other verbs (CASPaxos' change, ABD's read and write, a transaction's begin) declare
their own beside their messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comitia.kernel.message import Record

if TYPE_CHECKING:
    from typing import dataclass_transform

    @dataclass_transform(frozen_default=True)
    class Request(Record):
        """Base of everything a node is asked for; `token` ties an answer to who waits for it."""

else:

    class Request(Record, tag=True):
        """Base of everything a node is asked for; `token` ties an answer to who waits for it."""


class Propose(Request):
    """Decide `value`, not empty.  Not answered but delivered; refused when it certainly was not
    appended.
    """

    value: bytes


class Read(Request):
    """When may a read asked now be served?  Answered with a slot.

    A machine that has applied every value up to that slot shows a state that is linearizable for
    every read asked before this request.
    """

    token: int


class Compact(Request):
    """The machine's state after `slot` is on disk: the log up to there may be forgotten."""

    slot: int
    trailing: bool = True
    """May entries up to there be kept for members that are a little behind?  Not where the state
    did not come about by them: then every such member must be sent the snapshot.
    """


class Reconfigure(Request):
    """Change the membership to exactly these voters and learners.  Answered with None when done.

    Refused when a change is already under way or when the protocol forbids this one.
    """

    token: int
    voters: frozenset[int]
    learners: frozenset[int] = frozenset()


class Transfer(Request):
    """Hand leadership to member `to`.  Answered with None when `to` was told to take over."""

    token: int
    to: int
