"""The simulator itself: laws, faults, determinism, on a protocol small enough to reason about."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from primary import DURABLE, FORGETFUL, Append, Durable

from comitia.history.trace import write_trace
from comitia.kernel import Broken, Promise
from comitia.sim.adversary import Adversary
from comitia.sim.faults import ALL, EXTREME, draw_plan, parse_faults
from comitia.sim.mutants import Survived, kill, replaced
from comitia.sim.run import Settings, build, conduct, simulate
from comitia.sim.story import record, story

CALM = parse_faults("all,-minority,-rot,-misdirected,-membership")

DIGESTS = {
    0: "d985121d1a9b7f8f",
    1: "5e6a909ceb317d87",
    2: "a52924bc6e3855ff",
    3: "32f59eb2b89b8f9c",
}
"""The same from CPython 3.11, 3.12 and 3.13."""


def digest(seed: int) -> str:
    header, events = record(DURABLE, seed, Settings(faults=CALM, steps=400))
    return hashlib.sha256(b"".join(write_trace(header, events))).hexdigest()[:16]


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_seed_gives_the_recorded_trace_on_every_machine_and_python(seed: int) -> None:
    assert digest(seed) == DIGESTS[seed]


def test_the_hash_seed_of_python_changes_no_trace_of_raft() -> None:
    command = (
        "import hashlib; from comitia.history.trace import write_trace;"
        "from comitia.protocols.raft import PROTOCOL; from comitia.sim.run import Settings;"
        "from comitia.sim.story import record;"
        "lines = [line for seed in range(8) for line in write_trace("
        "*record(PROTOCOL, seed, Settings(steps=300)))];"
        "print(hashlib.sha256(b''.join(lines)).hexdigest(), len(lines))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(said) == 1, said


def test_a_protocol_without_a_mistake_passes_and_serves_its_clients() -> None:
    outcomes = [simulate(DURABLE, seed, Settings(faults=CALM)) for seed in range(30)]
    assert [o.failure for o in outcomes if o.failure] == []
    assert all(o.served > 0 for o in outcomes)


def test_what_is_not_stable_is_lost_and_the_story_is_short() -> None:
    settings = Settings(faults=CALM)
    failure = next(
        f for seed in range(50) if (f := simulate(FORGETFUL, seed, settings).failure) is not None
    )
    told = story(FORGETFUL, failure, settings)
    assert told.steps <= 25
    assert told.events[-1].kind == "violation"
    assert "crash" in [event.kind for event in told.events]
    assert list(told.lines())[-1].startswith("replay:  comitia sim primary --seed")


def test_a_shrunk_story_is_the_same_every_time() -> None:
    settings = Settings(faults=CALM)
    failure = simulate(FORGETFUL, 0, settings).failure
    assert failure is not None
    assert str(story(FORGETFUL, failure, settings)) == str(story(FORGETFUL, failure, settings))


def test_a_promise_made_before_the_disk_is_broken_by_a_crash() -> None:
    class TellsTooEarly(Durable):  # type: ignore[misc]
        def append(self, value: bytes, out: Any) -> None:
            super().append(value, out)
            if self.id == self.leader:
                for peer in self.voters[1:]:
                    out.send_early(peer, Append(len(self.log) - 1, (value,)))

    early = replace(DURABLE, make=TellsTooEarly)
    settings = Settings(faults=("crash", "sync", "slow_disk"))
    assert any(simulate(early, seed, settings).failure for seed in range(100))
    assert not any(simulate(DURABLE, seed, settings).failure for seed in range(100))


def test_when_one_step_is_written_apart_a_crash_may_fall_between() -> None:
    class Counts(Durable):  # type: ignore[misc]
        stable = ("log", "count")
        count: int

        def __init__(self, id: int, voters: tuple[int, ...]) -> None:
            super().__init__(id, voters)
            self.count = 0

        def append(self, value: bytes, out: Any) -> None:
            super().append(value, out)
            self.count += 1

        def on_start(self, out: Any) -> None:
            assert self.count == len(self.log), "half of a step was on disk"
            super().on_start(out)

    class Apart(Counts):
        apart = (("count",), ("log",))

    together, apart = replace(DURABLE, make=Counts), replace(DURABLE, make=Apart)
    settings = Settings(faults=("crash", "blackout", "sync"))
    assert all(simulate(together, seed, settings).failure is None for seed in range(60))
    found = [f for seed in range(60) if (f := simulate(apart, seed, settings).failure)]
    assert found and all("half of a step" in failure.text for failure in found)


def test_a_value_changed_in_place_is_noticed() -> None:
    class Mutable(Durable):  # type: ignore[misc]
        def __init__(self, id: int, voters: tuple[int, ...]) -> None:
            super().__init__(id, voters)
            self.seen: list[int] = []

    broken = replace(DURABLE, make=Mutable)
    found = {simulate(broken, seed, Settings(faults=CALM)).failure for seed in range(200)}
    assert {failure.promise for failure in found if failure} == {"LawOfValues"}


def test_who_cannot_go_on_without_one_member_fails_liveness_with_fewer_faults() -> None:
    settings = Settings(faults=("loss", "minority", "crash"), steps=200)
    failure = next(f for seed in range(50) if (f := simulate(DURABLE, seed, settings).failure))
    assert failure.promise == "Liveness"
    told = story(DURABLE, failure, settings)
    assert "minority" in told.settings.faults
    assert "loss" not in told.settings.faults, "that was not to blame"
    assert "n1 is dead" in told.failure.text
    assert told.settings.clients == 1 and told.settings.nodes is not None
    assert told.steps == 0, "that n1 never comes back is enough"
    assert told.events[-1].kind == "violation"


def test_what_keeps_a_cluster_from_recovering_is_shrunk_to_its_cause() -> None:
    class DeafAfterARestart(Durable):  # type: ignore[misc]
        deaf = False

        def on_start(self, out: Any) -> None:
            super().on_start(out)
            self.deaf = self.id == self.leader and len(self.log) > 0

        def on_message(self, src: int, message: Any, out: Any) -> None:
            if not self.deaf:
                super().on_message(src, message, out)

    stuck = replace(DURABLE, make=DeafAfterARestart)
    settings = Settings(faults=("loss", "delay", "crash", "sync", "pause"))
    failure = next(f for seed in range(50) if (f := simulate(stuck, seed, settings).failure))
    assert failure.promise == "Liveness"
    told = story(stuck, failure, settings)
    assert told.steps <= 5, str(told)
    assert "crash" in [event.kind for event in told.events[: told.healed]]
    assert "then everything heals" in str(told)


def test_promises_are_asked_of_honest_nodes_only() -> None:
    class LogsStayShort(Promise):
        watch = ("log",)

        def on_step(self, node: Any, nodes: Any) -> None:
            assert 3 not in nodes
            if node.id == 3:
                raise Broken("a liar was asked")

    class Silent(Adversary):
        def rewrite(self, src: int, to: int, message: Any) -> tuple[()]:
            assert src == 3
            return ()

    protocol = replace(DURABLE, promises=(LogsStayShort,))
    sim = build(protocol, 1, Settings(faults=(), nodes=3), adversary=Silent([3]))
    sim.begin()
    sim.run(500)
    assert sim.hosts[1].applied > 0 and sim.hosts[3].applied == 0


def test_a_mutant_is_killed_and_a_harmless_one_survives() -> None:
    mutant = replaced("nothing is stable", stable=())
    assert kill(DURABLE, mutant, 50, Settings(faults=CALM)).promise in ("Agreement", "Validity")
    with pytest.raises(Survived, match="survived 5 seeds"):
        kill(DURABLE, replaced("another leader's number", leader=1), 5, Settings(faults=CALM))


def test_a_seed_at_which_the_protocol_itself_fails_kills_no_mutant() -> None:
    broken = replaced("nothing is stable", stable=()).infect(DURABLE)
    harmless = replaced("another leader's number", leader=1)
    with pytest.raises(AssertionError, match="not the mutant's doing"):
        kill(broken, harmless, 50, Settings(faults=CALM))


def test_allowing_one_fault_more_shifts_no_other_draw() -> None:
    from comitia.sim.dice import Dice

    def plan(faults: tuple[str, ...], seed: int) -> Any:
        drawn = draw_plan(Dice(seed, "plan"), faults, (3, 5), None)
        return drawn.voters, drawn.clients, drawn.think, drawn.delay[0], drawn.calm, drawn.long

    for seed in range(50):
        assert plan(ALL, seed) == plan((), seed) == plan(("loss", *EXTREME), seed)


def test_faults_are_named_by_groups_and_taken_away_by_a_minus() -> None:
    assert parse_faults("all") == ALL
    assert parse_faults("disk,-rot,-misdirected") == ("sync", "slow_disk", "torn", "full")
    assert parse_faults("none") == ()
    assert parse_faults("crash,amnesia") == ("crash", "amnesia")
    with pytest.raises(ValueError, match="no fault 'tornado'"):
        parse_faults("tornado")


def test_amnesia_which_no_quorum_survives_is_found() -> None:
    settings = Settings(faults=("amnesia", "sync"))
    assert any(simulate(DURABLE, seed, settings).failure for seed in range(50))


def test_the_same_tape_without_chance_gives_the_same_violation() -> None:
    settings = Settings(faults=CALM)
    sim = build(FORGETFUL, 0, settings)
    violation = conduct(FORGETFUL, sim, settings)
    header, events = record(FORGETFUL, 0, settings)
    assert violation is not None
    assert header.promise == violation.promise
    assert events[-1].text == str(violation)
