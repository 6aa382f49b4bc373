"""Two specifications of Gray and Lamport, "Consensus on Transaction Commit" (2006), as Python.

Names are those of the TLA+ modules in the paper's appendix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from comitia.check.system import System


class TwoPhase(NamedTuple):
    """Module TwoPhase: resource managers, the transaction manager, messages sent so far."""

    rm_state: tuple[str, ...]
    tm_state: str
    tm_prepared: frozenset[int]
    msgs: frozenset[object]


def two_phase(resource_managers: int) -> System:
    rms = range(resource_managers)

    def become(state: TwoPhase, rm: int, word: str) -> tuple[str, ...]:
        return (*state.rm_state[:rm], word, *state.rm_state[rm + 1 :])

    def steps(s: TwoPhase) -> Iterator[tuple[Any, TwoPhase]]:
        if s.tm_state == "init":
            if len(s.tm_prepared) == resource_managers:
                yield "TMCommit", s._replace(tm_state="committed", msgs=s.msgs | {"Commit"})
            yield "TMAbort", s._replace(tm_state="aborted", msgs=s.msgs | {"Abort"})
        for rm in rms:
            if s.tm_state == "init" and ("Prepared", rm) in s.msgs:
                yield ("TMRcvPrepared", rm), s._replace(tm_prepared=s.tm_prepared | {rm})
            if s.rm_state[rm] == "working":
                after = s._replace(rm_state=become(s, rm, "prepared"))
                yield ("RMPrepare", rm), after._replace(msgs=s.msgs | {("Prepared", rm)})
                yield ("RMChooseToAbort", rm), s._replace(rm_state=become(s, rm, "aborted"))
            if "Commit" in s.msgs:
                yield ("RMRcvCommitMsg", rm), s._replace(rm_state=become(s, rm, "committed"))
            if "Abort" in s.msgs:
                yield ("RMRcvAbortMsg", rm), s._replace(rm_state=become(s, rm, "aborted"))

    return System(
        [TwoPhase(("working",) * resource_managers, "init", frozenset(), frozenset())],
        steps,
        invariants={"TCConsistent": lambda s: consistent(s.rm_state)},
        sometimes={
            "all commit": lambda s: set(s.rm_state) == {"committed"},
            "all abort": lambda s: set(s.rm_state) == {"aborted"},
        },
    )


def transaction_commit(resource_managers: int) -> System:
    """Module TCommit: what any commit protocol may do."""

    def steps(s: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
        for rm, word in enumerate(s):
            if word == "working":
                yield ("Prepare", rm), (*s[:rm], "prepared", *s[rm + 1 :])
            if word == "prepared" and all(w in ("prepared", "committed") for w in s):
                yield ("Decide", rm), (*s[:rm], "committed", *s[rm + 1 :])
            if word in ("working", "prepared") and "committed" not in s:
                yield ("Decide", rm), (*s[:rm], "aborted", *s[rm + 1 :])

    return System(
        [("working",) * resource_managers], steps, invariants={"TCConsistent": consistent}
    )


def consistent(rm_state: tuple[str, ...]) -> bool:
    return not {"aborted", "committed"} <= set(rm_state)
