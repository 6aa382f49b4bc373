"""Every behaviour of the traitors, in lock step: the paper's world of rounds, searched whole.

Traitors are no nodes here but one coalition.  It reads all that loyal generals send in a round
before it speaks in that round (it *rushes*), speaks to each loyal general as it likes, and decides
which of several signed messages with one value a general hears first.  It cannot speak in another's
name (A2) nor sign with it (A4).  Silence needs no case of its own in OM, where it is RETREAT.

The generals are the classes that every other world runs.  Those equal after a round are one;
in the last round what a general hears is chosen apart from what the others hear, so that the orders
each can be brought to obey are found one general at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import permutations, product
from typing import NamedTuple

from comitia.kernel import Message, NodeId, Out, Timer
from comitia.protocols.byzantine.general import ROUND, General
from comitia.protocols.byzantine.messages import ATTACK, RETREAT, Oral, Signed
from comitia.protocols.byzantine.oral import OralGeneral
from comitia.protocols.byzantine.signed import SignedGeneral

VALUES = (ATTACK, RETREAT)


class Sent(NamedTuple):
    src: NodeId
    to: NodeId
    message: Message


Heard = tuple[Sent, ...]
"""What one general hears in a round, in order."""


class Outbox(Out):
    """Collects what a general sends; its rounds end when this world says so."""

    def __init__(self, src: NodeId) -> None:
        self.src = src
        self.sent: list[Sent] = []

    def send(self, to: NodeId, message: Message) -> None:
        self.sent.append(Sent(self.src, to, message))

    def set_timer(self, timer: Timer, after: tuple[int, int]) -> None:
        assert timer == ROUND


class Silent(Out):
    """For generals who listen: they pass on at the end of a round, and only then."""


@dataclass(frozen=True)
class Search:
    """What came of a search."""

    battles: int
    """Distinct situations at the beginning of a round."""
    ways: int
    """Distinct ways in which such a round can go for one general, over all situations."""
    broken: str = ""
    """IC1 or IC2, or nothing."""
    lies: tuple[Heard, ...] = ()
    """For each round of a run that breaks it: all that loyal generals heard."""


class _Battle(NamedTuple):
    """The beginning of a round: the loyal generals, and what they sent."""

    generals: tuple[General, ...]
    in_flight: Heard
    signed: frozenset[Signed]
    """All that loyal generals ever signed: the traitors can build on it."""
    past: tuple[Heard, ...] = ()

    @property
    def key(self) -> object:
        """What the future depends on."""
        return tuple(map(_state, self.generals)), self.in_flight, self.signed


def _state(general: General) -> object:
    return tuple(vars(general).values())


def exhaust(
    kind: type[OralGeneral] | type[SignedGeneral],
    n: int,
    m: int,
    traitors: Collection[NodeId],
    command: str = ATTACK,
) -> Search:
    """Search all that `traitors` among the generals 1 to `n` can do against `kind`(m).

    Stops at the first run that breaks IC1 or IC2.
    """
    ids = tuple(range(1, n + 1))
    assert set(traitors) <= set(ids)
    generals = tuple(kind(id, ids, m, command) for id in ids if id not in traitors)
    sent: list[Sent] = []
    for general in generals:
        out = Outbox(general.id)
        general.on_start(out)
        sent += out.sent
    battles = [_Battle(generals, tuple(sent), _signatures(sent))]
    seen = counted = 0
    for round in range(1, m + 2):
        following: dict[object, _Battle] = {}
        seen += len(battles)
        for battle in battles:
            ways = [_ways(general, battle, traitors) for general in battle.generals]
            counted += sum(map(len, ways))
            if round == m + 1:
                found = _judge(ways)
                if found:
                    broken, heard = found
                    return Search(seen, counted, broken, (*battle.past, heard))
                continue
            for chosen in product(*ways):
                in_flight = tuple(sent for way in chosen for sent in way.sent)
                after = _Battle(
                    tuple(way.general for way in chosen),
                    in_flight,
                    battle.signed | _signatures(in_flight),
                    (*battle.past, tuple(told for way in chosen for told in way.heard)),
                )
                following.setdefault(after.key, after)
        battles = list(following.values())
    return Search(seen, counted)


def _signatures(sent: Iterable[Sent]) -> frozenset[Signed]:
    return frozenset(s.message for s in sent if isinstance(s.message, Signed))


class _Way(NamedTuple):
    """One way in which a round may go for one general."""

    general: General
    sent: Heard
    heard: Heard


def _ways(general: General, battle: _Battle, traitors: Collection[NodeId]) -> list[_Way]:
    """Return the ways in which this round may go for `general`, one for each outcome."""
    if general.order is not None:
        return [_Way(general, (), ())]
    honest = tuple(sent for sent in battle.in_flight if sent.to == general.id)
    if isinstance(general, OralGeneral):
        choices = [[honest], *_oral(general, traitors)]
    else:
        choices = [*_signed(general, honest, _signable(battle, traitors)), [honest]]
    listeners: dict[object, _Way] = {None: _Way(general, (), ())}
    for alternatives in choices:
        fresh: dict[object, _Way] = {}
        for listener, _, before in listeners.values():
            for heard in alternatives:
                after = listener.clone()
                for sent in heard:
                    after.on_message(sent.src, sent.message, Silent())
                fresh.setdefault(_state(after), _Way(after, (), (*before, *heard)))
        listeners = fresh
    ways: dict[object, _Way] = {}
    for after, _, heard in listeners.values():
        out = Outbox(general.id)
        after.on_timer(ROUND, out)
        way = _Way(after, tuple(out.sent), heard)
        # Of one who has decided nothing matters but what.
        ways.setdefault(after.order or (_state(after), way.sent), way)
    return list(ways.values())


def _oral(general: OralGeneral, traitors: Collection[NodeId]) -> list[list[Heard]]:
    """One of two things along each path that ends in a traitor; order means nothing."""
    paths = (path for path in general.due(general.round) if path[-1] in traitors)
    return [[(Sent(path[-1], general.id, Oral(v, path)),) for v in VALUES] for path in paths]


def _signed(general: General, honest: Heard, orders: Iterable[Signed]) -> list[list[Heard]]:
    """Of each value a general heeds what it hears first: any of `orders`, which the traitors can
    sign, or any that a loyal general sent.
    """
    choices: list[list[Heard]] = []
    for value in VALUES:
        loyal = [s for s in honest if isinstance(s.message, Signed) and s.message.value == value]
        lies = [Sent(o.signatures[-1], general.id, o) for o in orders if o.value == value]
        # What no loyal general tells, the traitors may keep back.
        choices.append([(sent,) for sent in (*loyal, *lies)] + ([] if loyal else [()]))
    return choices


def _signable(battle: _Battle, traitors: Collection[NodeId]) -> list[Signed]:
    """Orders that the coalition can sign: any that was ever signed, with later signatures torn off
    and its own appended, the last one also twice.
    """
    stems: set[tuple[str, tuple[NodeId, ...]]] = {(value, ()) for value in VALUES}
    for order in battle.signed:
        value, signatures = order.value, order.signatures
        stems |= {(value, signatures[:length]) for length in range(1, len(signatures) + 1)}
    orders = set()
    for value, signatures in stems:
        free = sorted(set(traitors) - set(signatures))
        for length in range(1, len(free) + 1):
            for own in permutations(free, length):
                orders.add((value, (*signatures, *own)))
                orders.add((value, (*signatures, *own, own[-1])))
    return [Signed(value, signatures) for value, signatures in sorted(orders)]


def _judge(ways: list[list[_Way]]) -> tuple[str, Heard] | None:
    """Return what some choice of the last round's ways breaks, and what was heard in it."""
    commander = next((way.general for way in ways[0] if _commands(way.general)), None)
    lieutenants = [some for some in ways if not _commands(some[0].general)]
    for some in lieutenants if commander is not None else ():
        for way in some:
            assert commander is not None
            if way.general.order != commander.command:
                return "IC2", _heard(lieutenants, {way.general.id: way})
    for at, some in enumerate(lieutenants):
        for others in lieutenants[at + 1 :]:
            for one, other in product(some, others):
                if one.general.order != other.general.order:
                    chosen = {one.general.id: one, other.general.id: other}
                    return "IC1", _heard(lieutenants, chosen)
    return None


def _commands(general: General) -> bool:
    return general.id == general.commander


def _heard(lieutenants: list[list[_Way]], chosen: dict[NodeId, _Way]) -> Heard:
    """What loyal lieutenants hear when those in `chosen` hear what is chosen."""
    taken = (chosen.get(some[0].general.id, some[0]) for some in lieutenants)
    return tuple(sent for way in taken for sent in way.heard)
