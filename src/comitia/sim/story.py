"""What a failing seed has to tell: shrunk, as a text that a person can read, and as a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from comitia.history.trace import Header, TraceEvent, short
from comitia.kernel import Protocol
from comitia.sim.aftermath import Aftermath
from comitia.sim.chaos import THE_END
from comitia.sim.recovery import LIVENESS_BOUND, WHOLE_RUNS
from comitia.sim.replay import Replay
from comitia.sim.run import Failure, Settings, build, conduct, latest_leader, simulate
from comitia.sim.shrink import Shrinker, is_given
from comitia.sim.tape import Input, Recording
from comitia.sim.telling import Telling
from comitia.sim.world import World

TAIL = 25
"""So many steps of a story are shown, when shrinking did not get below."""

AFTERMATHS = tuple(
    (bound, attempts, luck)
    for bound, attempts in ((20, 3_000), (LIVENESS_BOUND, 300))
    for luck in range(4)
)
"""Bounds of recovery with which a story is looked for, and how often: most clusters that would not
recover within the whole bound do not within a tenth of it, which is ten times faster to see.
"""


@dataclass(frozen=True)
class Story:
    """A failure with its shortest known cause."""

    failure: Failure
    settings: Settings
    """With which `failure.seed` fails; for a liveness failure, narrower than what was asked for."""
    steps: int
    """What is left on the tape, but for the first starts: that a cluster runs is given."""
    header: Header
    events: list[TraceEvent]
    healed: int | None = None
    """From this event on everything was healed, and yet the cluster did not recover."""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The story for people: one line a step, what it changed, and what went wrong."""
        failure = self.failure
        yield f"{failure.promise} is broken by seed {failure.seed}, after {failure.step} steps"
        given = [event for event in self.events if event.kind == "start" and not event.text]
        if self.healed is not None or self.header.promise not in WHOLE_RUNS:
            yield f"shrunk to {self.steps} steps:"
        yield f"  started: {' '.join(sorted(f'n{event.node}' for event in given))}"
        told = list(_told(self.events[: self.healed]))
        hidden = max(0, len(told) - TAIL) if self.steps > TAIL else 0
        if hidden:
            yield f"  ... {hidden} earlier steps are in the trace"
        yield from told[hidden:]
        if self.healed is not None:
            after = list(_told(self.events[self.healed : -1]))
            yield "  then everything heals, and the cluster should recover:"
            yield from after[: max(0, TAIL - len(told))]
            yield f"  ... {len(after)} steps from there are in the trace"
        if self.header.promise in WHOLE_RUNS:
            yield f"  {failure.text}"
        yield f"replay:  {self.header.replay}"


def story(protocol: Protocol, failure: Failure, settings: Settings, elsewhere: int = 0) -> Story:
    """Run the seed of `failure` again, keep its tape, shrink it, and tell it.

    When that leaves a long story, the next `elsewhere` seeds are asked for a shorter run that
    breaks the same promise, again and again: most mistakes show themselves in few steps as well.
    """
    told = _story(protocol, failure, settings)
    seeds = iter(range(failure.seed + 1, failure.seed + 1 + elsewhere))
    while told.steps > TAIL and told.failure.promise not in WHOLE_RUNS:
        found = _shorter(protocol, told.failure, settings, seeds)
        if found is None:
            break
        again = _story(protocol, *found)
        if again.steps < told.steps:
            told = again
    return told


def _shorter(
    protocol: Protocol, failure: Failure, settings: Settings, seeds: Iterator[int]
) -> tuple[Failure, Settings] | None:
    fewer = replace(settings, steps=max(1, failure.step // 2))
    for seed in seeds:
        found = simulate(protocol, seed, replace(fewer, liveness=False)).failure
        if found is not None and found.promise == failure.promise:
            return found, fewer
    return None


def _story(protocol: Protocol, failure: Failure, settings: Settings) -> Story:
    whole = failure.promise in WHOLE_RUNS
    if whole:
        failure, settings = narrow(protocol, failure, settings)
    recording = build(protocol, failure.seed, settings, Recording)
    assert isinstance(recording, Recording)
    found = conduct(protocol, recording, settings)
    assert found is not None and found.promise == failure.promise, "the same seed, the same run"
    tape, after = recording.tape, list[Input]()
    if whole:
        tape, after, text = _unrecovered(protocol, recording, failure)
        failure = replace(failure, text=text)
    else:
        tape = Shrinker(partial(_replay, recording, Replay), failure.promise).shrink(tape)
    telling: Telling = _replay(recording, partial(Telling, view=protocol.view))
    violation = telling.play(tape)
    healed = len(telling.events) if after else None
    if violation is not None:
        failure = replace(failure, text=violation.text)
    elif after:
        telling.play(after)
        telling.tell("violation", text=f"{failure.promise}: {failure.text}")
    steps = sum(not is_given(input, index, tape) for index, input in enumerate(tape))
    header = _header(protocol, failure, settings, telling)
    return Story(failure, settings, steps, header, telling.events, healed)


def _unrecovered(
    protocol: Protocol, recording: Recording, failure: Failure
) -> tuple[list[Input], list[Input], str]:
    """Return the shortest tape found after which, everything healed, the cluster does not recover,
    with what happens then and what is wrong; the whole tape where no healed cluster shows it.
    """
    tape, promise = recording.tape, failure.promise
    (end,) = (index for index, input in enumerate(tape) if input.arguments == ("heal", THE_END))
    latest = partial(partial, latest_leader, protocol)
    for bound, attempts, luck in AFTERMATHS:
        shrinker = Shrinker(partial(Aftermath, recording, latest, bound, luck), promise, attempts)
        if shrinker.fails(tape[:end]) is None:
            continue
        shorter = shrinker.shrink(tape[:end])
        whole = Aftermath(recording, latest, LIVENESS_BOUND, luck)
        violation = whole.play(shorter)
        if violation is not None and violation.promise == promise:
            return shorter, whole.sim.tape, violation.text
    return tape, [], failure.text


def record(protocol: Protocol, seed: int, settings: Settings) -> tuple[Header, list[TraceEvent]]:
    """Run one seed and return its whole trace, whether it fails or not."""
    recording = build(protocol, seed, settings, Recording)
    assert isinstance(recording, Recording)
    violation = conduct(protocol, recording, settings)
    telling: Telling = _replay(recording, partial(Telling, view=protocol.view))
    replayed = telling.play(recording.tape)
    assert violation is None or violation.promise in WHOLE_RUNS or replayed is not None
    promise = violation.promise if violation else ""
    return _header(protocol, Failure(seed, promise, "", 0), settings, telling), telling.events


def narrow(protocol: Protocol, failure: Failure, settings: Settings) -> tuple[Failure, Settings]:
    """Return narrower settings with which the seed still fails: fewer faults, clients and steps.

    For what only whole runs show, such as that the cluster never recovers.
    """

    def proposals() -> Iterator[Settings]:
        yield from (replace(settings, nodes=few) for few in range(1, settings.nodes or 6))
        for fault in settings.faults:
            yield replace(settings, faults=tuple(f for f in settings.faults if f != fault))
        if settings.clients != 1:
            yield replace(settings, clients=1)
        if settings.steps > 1:
            yield replace(settings, steps=settings.steps // 2)
            yield replace(settings, steps=settings.steps - 1)
        for name in settings.options:
            rest = {kept: value for kept, value in settings.options.items() if kept != name}
            yield replace(settings, options=rest)

    progress = True
    while progress:
        progress = False
        for proposal in proposals():  # each from the settings that the last ones led to
            again = simulate(protocol, failure.seed, proposal).failure
            if again is not None and again.promise == failure.promise:
                failure, settings, progress = again, proposal, True
    return failure, settings


def _replay(recording: Recording, kind: Callable[..., World]) -> Any:
    return kind(
        list(recording.hosts),
        recording.make,
        [type(promise)() for promise in recording.watch.promises],
        recording.workload,
        recording.liars,
    )


def _header(protocol: Protocol, failure: Failure, settings: Settings, world: Replay) -> Header:
    return Header(
        protocol=protocol.name,
        source="simulator",
        nodes=tuple(world.hosts),
        seed=failure.seed,
        settings=settings.told(),
        replay=settings.command(protocol.name, f"--seed {failure.seed}"),
        promise=failure.promise,
    )


HIDDEN = frozenset({"send", "sync", "note", "heal", "partition"})
"""Events that a short story leaves out: a send shows where it arrives."""


def _told(events: list[TraceEvent]) -> Iterator[str]:
    """What a person is told of `events`: first starts are given."""
    for event in events:
        if (event.kind != "start" or event.text) and (line := _line(event)):
            yield line


def _line(event: TraceEvent) -> str:
    if event.kind in HIDDEN:
        return ""
    where = f"n{event.node}" if event.node else ""
    who = f" from n{event.peer}" if event.peer else ""
    what = "" if event.what is None else " " + short(_brief(event.what))
    text = f"{event.t / 1000:10.1f} ms  {where:3} {event.kind}{who}{what} {event.text}".rstrip()
    changes = " ".join(f"{name}={short(value)}" for name, value in (event.view or {}).items())
    return text + (f"  => {changes}" if changes else "")


def _brief(value: Any) -> Any:
    """Leave out what says nothing: fields that are false, empty or not there."""
    match value:
        case dict():
            return {k: _brief(v) for k, v in value.items() if v not in (None, False, "", [])}
        case list():
            return [_brief(item) for item in value]
    return value
