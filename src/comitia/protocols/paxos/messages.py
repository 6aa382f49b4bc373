"""Messages of Synod and of Fast Paxos."""

from __future__ import annotations

from comitia.kernel import Ballot, Message, Record, Request

Value = bytes


class Decide(Request):
    """Choose a value, `value` if no other; answered with the value that is chosen.

    None wishes for nothing: it asks what is chosen, and waits until something is.
    """

    token: int
    value: Value | None


class Prepare(Message):
    """Phase 1(a): will you promise to accept nothing below `n`, and what have you accepted?"""

    n: Ballot


class Promise(Message):
    """Phase 1(b): promised; `val` is what was accepted in the highest ballot `vbal`, if any."""

    n: Ballot
    vbal: Ballot
    val: Value | None


class Accept(Message):
    """Phase 2(a): accept `v` in ballot `n`."""

    n: Ballot
    v: Value


class Accepted(Message):
    """Phase 2(b): `n`'s value is accepted."""

    n: Ballot


class Rejected(Message):
    """Ballot `n` is below `max_bal`, which is promised: try a greater one (section 2.5)."""

    n: Ballot
    max_bal: Ballot


class Chosen(Message):
    """`v` is chosen; what a distinguished learner tells the others (section 2.3)."""

    v: Value


class Round(Record, order=True):
    """A round number of Fast Paxos.

    Every coordinator owns pairs of adjacent rounds: the fast one, then the classic one that
    recovers it.  Nobody else's round lies between the two: coordinated recovery rests on that.
    """

    count: int
    coordinator: int
    classic: bool

    @property
    def fast(self) -> bool:
        """May acceptors take the values of proposers directly in this round?"""
        return not self.classic


NO_ROUND = Round(0, 0, False)
"""Below every round that is begun."""


class Proposal(Message):
    """A proposer's value, sent to the acceptors past the coordinator."""

    v: Value


class Phase1a(Message):
    """The coordinator asks acceptors to take part in round `rnd`."""

    rnd: Round


class Phase1b(Message):
    """In round `rnd` from now on; the last vote was for `vval` in round `vrnd`, if any."""

    rnd: Round
    vrnd: Round
    vval: Value | None


class Phase2a(Message):
    """Vote for `cval` in round `rnd`; None is the paper's `Any`: vote for any proposer's value."""

    rnd: Round
    cval: Value | None


class Phase2b(Message):
    """A vote for `vval` in round `rnd`."""

    rnd: Round
    vval: Value
