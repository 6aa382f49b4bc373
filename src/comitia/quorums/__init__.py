"""Quorum systems: which sets of members speak for all of them.

Protocols take any `QuorumSystem`: `Majority`, any pair of expressions (`ReadWrite`), two at once
(`Joint`); a log whose members change decides by the majorities of its `Electorate`.  Expressions
are combined with `+`, `*` and `choose` or parsed from text; `named` has the systems of the
literature, `byzantine` those that hold with liars.  For analysis see `measure` (resilience,
availability), `optimum` (best strategies) and `search`.
"""

from comitia.quorums.electorate import Electorate
from comitia.quorums.expression import Expression, Member, all_of, any_of, choose, members_of
from comitia.quorums.joint import Joint
from comitia.quorums.majority import Majority
from comitia.quorums.parse import ExpressionError, parse
from comitia.quorums.readwrite import ReadWrite, threshold, voting
from comitia.quorums.system import ExpressedSystem, QuorumSystem

__all__ = [
    "Electorate",
    "ExpressedSystem",
    "Expression",
    "ExpressionError",
    "Joint",
    "Majority",
    "Member",
    "QuorumSystem",
    "ReadWrite",
    "all_of",
    "any_of",
    "choose",
    "members_of",
    "parse",
    "threshold",
    "voting",
]
