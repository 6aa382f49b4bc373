"""Which faults there are, and how a seed draws them (swarm testing).

Each seed switches every fault that the user allows on or off and draws its rates, the size of the
cluster and the load of the clients, so that a campaign visits corners that no single setting has.

Groce, Zhang, Eide, Chen, Regehr: Swarm Testing, ISSTA 2012.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from comitia.sim.dice import ALWAYS, Dice, threshold

NETWORK: Final = {
    "loss": "messages vanish",
    "duplicate": "messages arrive twice",
    "reorder": "messages overtake each other",
    "delay": "messages are late, some of them very",
    "slow": "some links are much slower than others",
    "clog": "a link holds everything back for a while, then lets it all go",
    "partition": "the cluster falls into two parts",
    "oneway": "messages between two parts pass in one direction only",
    "bridge": "two members cannot talk to each other, the others can talk to both",
    "flap": "partitions come and go quickly",
}
PROCESS: Final = {
    "crash": "a process dies and starts again; writes under way are lost",
    "blackout": "all processes die at once",
    "minority": "after everything else healed, fewer than half of the members stay dead",
    "pause": "a process stops for a while and then goes on as if nothing had been",
    "clock": "clocks show different times, and run fast, slow, or both by turns, within 4 %",
    "jump": "a clock jumps forward",
    "batch": "a host gathers input for a while before it ends the turn",
    "upgrade": "all members restart, one after the other, with other options and another version",
}
DISK: Final = {
    "sync": "writing to disk takes time",
    "slow_disk": "some writes take very long",
    "torn": "what is read back after a crash are the bytes, with a torn last record",
    "rot": "a bit of a record flips: the host must notice, and never starts again",
    "misdirected": "a record lands on another's place: noticed as well, as the end of that host",
    "full": "a disk takes no writes for a while",
}
OPERATOR: Final = {
    "compact": "hosts take snapshots and the log is cut",
    "membership": "members are added and removed",
    "transfer": "leadership is handed over",
}
EXTREME: Final = {
    "amnesia": "a process starts again with an empty disk, under its old name",
    "backwards": "a clock jumps back",
}
"""What no protocol for crashes survives in general: only by name, never part of `all`."""

ALL: Final = (*NETWORK, *PROCESS, *DISK, *OPERATOR)
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "all": ALL,
    "none": (),
    "network": tuple(NETWORK),
    "process": tuple(PROCESS),
    "disk": tuple(DISK),
    "operator": tuple(OPERATOR),
}


def parse_faults(text: str) -> tuple[str, ...]:
    """Return the faults named by `text`: names and groups, comma separated, `-name` takes away.

    Raises ValueError for a name that is neither.
    """
    chosen: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        name = word.removeprefix("-")
        if name not in GROUPS and name not in ALL and name not in EXTREME:
            known = ", ".join((*GROUPS, *ALL, *EXTREME))
            raise ValueError(f"no fault {name!r}; there are: {known}")
        names = GROUPS.get(name, (name,))
        chosen = chosen.difference(names) if word != name else chosen.union(names)
    return tuple(name for name in (*ALL, *EXTREME) if name in chosen)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one seed has drawn.  Times are parts of the unit, a 1,000th of the cluster's patience:
    of the longest timer that nodes set when they start.
    """

    voters: int
    spares: int
    clients: int
    think: int
    """How long a client waits between operations, on average."""
    faults: tuple[str, ...]
    loss: int
    duplicate: int
    delay: tuple[int, int]
    """The least, and the mean of what comes on top."""
    sync: tuple[int, int]
    batch: int
    calm: int
    """The mean time between two faults of one kind."""
    long: int
    """How long a partition, a pause, a clogged link lasts on average."""


def draw_plan(
    dice: Dice, allowed: Iterable[str], sizes: tuple[int, ...], clients: int | None
) -> Plan:
    """Draw the plan of one run."""
    # One seed in 16 keeps everything on: some bugs need every fault at once.
    density = ALWAYS if dice.below(16) == 0 else ALWAYS // 2
    # Draw for every fault there is, allowed or not: allowing one shifts no other's draw.
    drawn = {name: dice.chance(density) for name in (*ALL, *EXTREME)}
    drawn.update((name, True) for name in EXTREME)
    allowed = set(allowed)
    faults = tuple(name for name in drawn if name in allowed and drawn[name])
    voters = sizes[dice.below(60) * len(sizes) // 60]
    drawn_clients = dice.between(1, 6)
    loss, duplicate = threshold(dice.between(1, 30), 100), threshold(dice.between(1, 50), 100)
    delay, late = dice.between(0, 10), dice.choose((2, 10, 60, 250))
    sync = dice.between(0, 5), dice.choose((1, 5, 40))
    batch = threshold(dice.between(5, 60), 100)
    return Plan(
        voters=voters,
        spares=2 if "membership" in faults else 0,
        clients=drawn_clients if clients is None else clients,
        think=dice.choose((5, 30, 100, 300)),
        faults=faults,
        loss=loss if "loss" in faults else 0,
        duplicate=duplicate if "duplicate" in faults else 0,
        delay=(delay, late if "delay" in faults else 2),
        sync=sync if "sync" in faults else (0, 0),
        batch=batch if "batch" in faults else 0,
        calm=dice.choose((1_000, 3_000, 10_000)),
        long=dice.choose((200, 1_000, 4_000)),
    )
