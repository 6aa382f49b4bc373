"""The dice of a simulation."""

from __future__ import annotations

from comitia.sim.dice import ALWAYS, Dice, threshold

RECORDED = [1503032367, 1221877869, 2706284094, 474135470, 2502192616]


def test_the_stream_is_the_one_recorded_whatever_the_machine_and_python() -> None:
    dice = Dice(7, "network")
    first = [dice.bits() for _ in range(4)]
    for _ in range(2000):  # across several blocks
        dice.bits()
    assert [*first, dice.bits()] == RECORDED


def test_streams_of_different_purposes_and_seeds_differ() -> None:
    streams = [Dice(1, "network"), Dice(1, "chaos"), Dice(2, "network")]
    assert len({tuple(dice.bits() for _ in range(4)) for dice in streams}) == 3


def test_draws_stay_in_their_ranges_and_reach_both_ends() -> None:
    dice = Dice(0, "ranges")
    assert {dice.between(3, 6) for _ in range(500)} == {3, 4, 5, 6}
    assert {dice.below(2) for _ in range(100)} == {0, 1}
    assert all(dice.chance(ALWAYS) for _ in range(100))
    assert not any(dice.chance(0) for _ in range(100))


def test_a_waiting_time_has_about_the_mean_it_was_asked_for() -> None:
    dice = Dice(0, "waiting")
    drawn = [dice.waiting(1000) for _ in range(20_000)]
    assert 970 < sum(drawn) / len(drawn) < 1030
    assert max(drawn) > 5000  # a long tail


def test_some_chooses_that_many_different_ones() -> None:
    dice = Dice(0, "some")
    seen = set()
    for _ in range(200):
        chosen = dice.some([1, 2, 3, 4], 2)
        assert len(set(chosen)) == 2
        seen.add(tuple(chosen))
    assert len(seen) == 6


def test_a_threshold_is_a_fraction() -> None:
    dice = Dice(0, "threshold")
    hits = sum(dice.chance(threshold(1, 4)) for _ in range(20_000))
    assert 4700 < hits < 5300
