"""The runs that the pages show, one function a diagram."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comitia import protocols
from comitia.kernel import Propose, Protocol
from comitia.protocols.abd.messages import ReadRegister, WriteRegister
from comitia.protocols.byzantine import ATTACK, OralGeneral
from comitia.protocols.caspaxos.messages import Change
from comitia.protocols.commit.messages import Begin
from comitia.protocols.commit.paxos_commit import Acceptor, Leader, Participant
from comitia.protocols.commit.three_phase import ThreePhaseManager, ThreePhaseResource
from comitia.protocols.commit.two_phase import ResourceManager, TransactionManager
from comitia.protocols.paxos import FAST_PAXOS
from comitia.protocols.paxos.messages import Decide
from comitia.protocols.two_generals.general import General
from comitia.quorums import Majority
from pages.stage import Stage

IDS = (1, 2, 3)


def cluster(protocol: Protocol, rings: tuple[str, ...] = (), **options: Any) -> Stage:
    return Stage({id: protocol.make(id, IDS, **options) for id in IDS}, rings)


def led(name: str, rings: tuple[str, ...] = (), show_election: bool = True) -> Stage:
    """A replicated log whose members have a leader."""
    stage = cluster(protocols.load(name), rings)
    stage.recording = show_election
    while leader(stage) is None:
        stage.run(1)
    stage.run(3)
    return stage


def leader(stage: Stage) -> int | None:
    """Whom a majority follows."""
    said = [actor.node.leader for id, actor in stage.actors.items() if id not in stage.dead]  # type: ignore[attr-defined]
    found = [id for id in said if said.count(id) >= 2 and id in said and id not in stage.dead]
    return found[0] if found else None


def raft_election() -> Stage:
    return led("raft", ("election",))


def log_command(name: str) -> Stage:
    stage = led(name, show_election=False)
    first = leader(stage)
    assert first is not None
    stage.recording = True
    stage.ask(first, Propose(b"x"))
    stage.run(5)
    return stage


def raft_command() -> Stage:
    return log_command("raft")


def multipaxos_command() -> Stage:
    return log_command("multipaxos")


def viewstamped_request() -> Stage:
    return log_command("viewstamped")


def viewstamped_view_change() -> Stage:
    stage = led("viewstamped", ("silence",), show_election=False)
    first = leader(stage)
    assert first is not None
    stage.recording = True
    stage.kill(first)
    while leader(stage) is None:
        stage.run(1)
    return stage


def synod() -> Stage:
    stage = cluster(protocols.load("paxos"))
    stage.ask(1, Decide(1, b"v"))
    stage.run(6)
    return stage


def fast_collision() -> Stage:
    stage = cluster(FAST_PAXOS)
    stage.run(3)
    stage.ask(1, Decide(1, b"a"))
    stage.ask(3, Decide(2, b"b"))
    stage.run(6)
    return stage


def caspaxos_changes() -> Stage:
    stage = cluster(protocols.load("caspaxos"))
    for token in (1, 2):
        stage.ask(1, Change(token, b"k", b"+1"))
        stage.run(5)
    return stage


def abd_write_and_read() -> Stage:
    stage = cluster(protocols.load("abd"))
    stage.ask(1, WriteRegister(1, b"k", b"v"))
    stage.run(5)
    stage.ask(3, ReadRegister(2, b"k"))
    stage.run(5)
    return stage


def two_phase() -> Stage:
    stage = Stage(
        {3: TransactionManager(3, (1, 2)), 1: ResourceManager(1, 3), 2: ResourceManager(2, 3)}
    )
    stage.ask(3, Begin(1))
    stage.run(5)
    return stage


def two_phase_blocks() -> Stage:
    stage = Stage(
        {3: TransactionManager(3, (1, 2)), 1: ResourceManager(1, 3), 2: ResourceManager(2, 3)},
        ("ask",),
    )
    stage.ask(3, Begin(1))
    stage.run(1)
    stage.kill(3)
    stage.run(600)
    return stage


def three_phase() -> Stage:
    stage = Stage(
        {
            3: ThreePhaseManager(3, (1, 2)),
            1: ThreePhaseResource(1, 3),
            2: ThreePhaseResource(2, 3),
        }
    )
    stage.ask(3, Begin(1))
    stage.run(7)
    return stage


def paxos_commit_without_its_leader() -> Stage:
    """One resource manager, three acceptors, two leaders of whom the first dies."""
    acceptors = Majority((2, 3, 4))
    stage = Stage(
        {
            1: Participant(1, 5, acceptors),
            **{id: Acceptor(id, (5, 6)) for id in acceptors},
            5: Leader(5, (1,), acceptors),
            6: Leader(6, (1,), acceptors, (50, 50)),
        },
        ("patience",),
    )
    stage.ask(5, Begin(1))
    stage.kill(5)
    stage.run(60)
    return stage


def two_generals_four_messengers() -> Stage:
    stage = Stage({id: General(id, (1, 2), 4) for id in (1, 2)}, ("dawn",))
    stage.run(1_001)
    return stage


def oral_messages() -> Stage:
    ids = (1, 2, 3, 4)
    stage = Stage({id: OralGeneral(id, ids, 1, ATTACK) for id in ids})
    stage.run(5_000)
    return stage


PAGES: dict[str, tuple[Callable[[], Stage], ...]] = {
    "raft": (raft_election, raft_command),
    "multipaxos": (multipaxos_command,),
    "viewstamped": (viewstamped_request, viewstamped_view_change),
    "paxos": (synod, fast_collision),
    "caspaxos": (caspaxos_changes,),
    "abd": (abd_write_and_read,),
    "commit": (two_phase, two_phase_blocks, three_phase, paxos_commit_without_its_leader),
    "two_generals": (two_generals_four_messengers,),
    "byzantine": (oral_messages,),
}
