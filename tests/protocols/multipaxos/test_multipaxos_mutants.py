"""Multi-Paxos with one line broken: the simulator catches each, or else its rule's own test does
(`test_multipaxos_broken_rules.py`).
"""

from __future__ import annotations

import pytest

from comitia.check import breadth_first, space_of
from comitia.kernel import Model
from comitia.protocols.multipaxos import PROTOCOL
from comitia.protocols.multipaxos import MultiPaxos as Paxos
from comitia.protocols.multipaxos.models import (
    agreement,
    forgotten_pvalues,
    holes,
    quorums_that_miss,
    reconfiguration,
    window_not_kept,
)
from comitia.sim.faults import parse_faults
from comitia.sim.mutants import Mutant, edited, kill, replaced
from comitia.sim.run import Settings, simulate
from pages.deaths import tell


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in Paxos.stable if name not in names)


ANY = Settings()
CHURN = Settings(
    faults=parse_faults("network,crash,pause,sync,slow_disk,batch,blackout"),
    options={"lease_ms": 61, "clock_drift_ms": 0, "reads": "index"},
    steps=1500,
)
"""Leases are so short that leaders come and go."""
TIME = Settings(faults=parse_faults("network,pause,clock,crash,jump,transfer"), steps=1500)
LEASED = Settings(
    faults=parse_faults("pause,jump,transfer,bridge"),
    nodes=3,
    clients=6,
    options={"reads": "lease"},
)
"""Leaders that were paused go on as if nothing had been, and hand over while reads are asked: with
more faults at once leases are in force too seldom."""

BY_SIMULATION = [
    # Acceptors (PMMC, figure 4).
    (replaced("a promise is forgotten in a crash", stable=without("ballot_num")), CHURN),
    (
        replaced(
            "what was accepted is forgotten in a crash", stable=without("accepted", "decided")
        ),
        ANY,
    ),
    (
        edited(
            "an acceptor accepts what is below its promise",
            Paxos.on_p2a,
            "if not self.follow(src, message.ballot_num, out):",
            "if not self.follow(src, message.ballot_num, out) and self.id == 0:",
        ),
        CHURN,
    ),
    (
        edited("accepting is no promise", Paxos.follow, "self.promise(ballot_num, out)", "pass"),
        ANY,
    ),
    # Scouts (figure 6).
    (
        edited(
            "a scout needs one promise less than a majority",
            Paxos.is_enough,
            "configuration.quorum.is_read_quorum(promised)",
            "len(promised & {*configuration.voters}) >= configuration.quorum.size - 1",
        ),
        ANY,
    ),
    (
        edited(
            "of two pvalues the one of the lower ballot is proposed again",
            Paxos.on_p1b,
            "pvalue.ballot_num > known.ballot_num",
            "pvalue.ballot_num < known.ballot_num",
        ),
        CHURN,
    ),
    (
        edited(
            "what acceptors report is not proposed again",
            Paxos.next_commands,
            "command = pvalue.command if pvalue else NO_OP",
            "command = NO_OP",
        ),
        ANY,
    ),
    (
        edited(
            "a scout does not learn what others know to be decided",
            Paxos.on_p1b,
            "if message.decided > self.ahead:",
            "if False:",
        ),
        ANY,
    ),
    (
        edited(
            "a promise to another ballot counts",
            Paxos.on_p1b,
            "message.ballot_num != self.leader_ballot_num",
            "message.ballot_num > self.leader_ballot_num",
        ),
        CHURN,
    ),
    # Commanders.
    (
        edited(
            "a command is decided by one acceptor less than a majority",
            Paxos.has_accepted,
            "configuration.quorum.is_write_quorum(accepted)",
            "len(accepted) >= configuration.quorum.size - 1",
        ),
        ANY,
    ),
    (
        edited(
            "a decision is taken to speak of any ballot's pvalue",
            Paxos.learn_decided,
            " or pvalue.ballot_num != ballot_num",
            "",
        ),
        CHURN,
    ),
    (
        edited(
            "a deposed leader refuses what it has proposed",
            Paxos.step_down,
            "for command in waiting:",
            "for command in (*waiting, *(p.command for p in self.accepted"
            " if p and p.slot >= self.slot_out and self.active)):",
        ),
        ANY,
    ),
    # Reads.
    (
        edited(
            "a new leader serves reads before it has performed what others may have",
            Paxos.confirm,
            "if self.settled and self.has_lease(out):",
            "if self.has_lease(out):",
        ),
        TIME,
    ),
    (
        edited("a lease lasts ten times too long", Paxos.has_lease, "lasts_ms * 1000", "10**7"),
        LEASED,
    ),
    (
        edited(
            "an acceptor promises to others while a lease runs",
            Paxos.on_p1a,
            "if self.lease_holder not in (None, src) and message.given_up != self.ballot_num:",
            "if False:",
        ),
        LEASED,
    ),
    (
        edited(
            "a leader keeps its lease when it hands over",
            Paxos.tell_to_take_over,
            "self.lease_given_up = True",
            "pass",
        ),
        LEASED,
    ),
]


@pytest.mark.parametrize(
    ("mutant", "settings"), BY_SIMULATION, ids=[str(case[0]) for case in BY_SIMULATION]
)
def test_every_mutant_is_killed(
    mutant: Mutant, settings: Settings, request: pytest.FixtureRequest
) -> None:
    failure = kill(PROTOCOL, mutant, seeds=300, settings=settings)
    print(failure)
    tell("multipaxos", [case[0] for case in BY_SIMULATION], mutant, settings, failure, request)


@pytest.mark.parametrize(
    "seeds", [60, pytest.param(1500, marks=[pytest.mark.campaign, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize(
    "settings", [ANY, CHURN, TIME, LEASED], ids=["any", "churn", "time", "leased"]
)
def test_nothing_is_found_where_nothing_is_broken(settings: Settings, seeds: int) -> None:
    """What kills mutants leaves the protocol itself alone."""
    failures = (simulate(PROTOCOL, seed, settings).failure for seed in range(seeds))
    assert [str(failure) for failure in failures if failure] == []


# Seeds that once found a mistake, and a small world explored whole.


@pytest.mark.parametrize("seed", [163, 208, 349, 1259, 1327, 20954, 100196, 300391])
def test_a_seed_that_once_found_a_mistake_finds_none(seed: int) -> None:
    assert simulate(PROTOCOL, seed).failure is None


def test_in_every_order_of_events_one_command_is_chosen_for_a_slot() -> None:
    report = breadth_first(space_of(agreement(), PROTOCOL.promises))
    assert report.outcome == "holds", report.story
    assert report.states > 10_000


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", [holes(), reconfiguration(), agreement(crashes=1)])
def test_larger_worlds_keep_every_promise_in_every_order(model: Model) -> None:
    report = breadth_first(space_of(model, PROTOCOL.promises))
    assert report.outcome == "holds", report.story
    assert report.states > 100_000


@pytest.mark.parametrize("model", [quorums_that_miss(), window_not_kept(), forgotten_pvalues()])
def test_quorums_that_do_not_meet_choose_two_commands(model: Model) -> None:
    report = breadth_first(space_of(model, PROTOCOL.promises))
    assert report.outcome == "broken"
    assert report.property == model.breaks
