"""ZAB under random faults: seeds that once failed, each with what was wrong, and a few new ones."""

from __future__ import annotations

import pytest

from comitia.protocols.zab import PROTOCOL
from comitia.sim.faults import ALL, parse_faults
from comitia.sim.run import Settings, simulate

OPERATED = parse_faults("membership,crash,network,compact,sync,transfer")

FOUND = [
    ("what a follower needs next was compacted away meanwhile", 158, ALL),
    ("what was sent again and acknowledged before stayed in flight", 582, ALL),
    ("a question began a round of pings, whose pings repeated the question", 617, ALL),
    ("a snapshot that was lost in phase 3 was not sent again", 12, OPERATED),
    ("a candidate that its voters do not know as one did not hear of their votes", 662, OPERATED),
    ("a leader that gave up for a better history was elected again and again", 10623, ALL),
    ("the same, with five servers", 10706, ALL),
    ("the same, with one of three dead", 10749, ALL),
    ("NEWLEADER was repeated for what was compacted away meanwhile", 100357, ALL),
    ("who knew fewer voters decided before the others had voted, in every round", 25147, ALL),
]


@pytest.mark.parametrize(
    ("seed", "faults"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND]
)
def test_a_seed_that_once_failed_is_clean(seed: int, faults: tuple[str, ...]) -> None:
    outcome = simulate(PROTOCOL, seed, Settings(faults=faults))
    assert outcome.failure is None, outcome.failure


@pytest.mark.slow
def test_a_hundred_seeds_are_clean_and_serve() -> None:
    served = 0
    for seed in range(100):
        outcome = simulate(PROTOCOL, seed)
        assert outcome.failure is None, outcome.failure
        served += outcome.served
    assert served > 2_000
