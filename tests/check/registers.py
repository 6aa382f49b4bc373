"""Registers with clients that are nodes: one server alone, and Attiya, Bar-Noy and Dolev's."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from comitia.check.linearizable import Linearizable
from comitia.history import Register
from comitia.kernel import Message, Model, Network, Node, NodeId, Out, Record


class Put(Message):
    request: int
    value: str


class Get(Message):
    request: int


class PutOk(Message):
    request: int


class GetOk(Message):
    request: int
    value: str


class Query(Message):
    request: int


class AckQuery(Message):
    request: int
    seq: tuple[int, int]
    value: str


class Store(Message):
    request: int
    seq: tuple[int, int]
    value: str


class AckStore(Message):
    request: int


class Client(Node):
    """Puts one value, then gets, from the next server."""

    def __init__(self, id: NodeId, servers: int) -> None:
        super().__init__(id)
        self.servers = servers
        self.value = chr(ord("A") + id - 1 - servers)
        self.asked: Message | None = None
        self.got: Message | None = None
        self.count = 0

    def server(self) -> NodeId:
        return 1 + (self.id - 1 + self.count) % self.servers

    def on_start(self, out: Out) -> None:
        self.asked = Put(self.id - 1, self.value)
        out.send(self.server(), self.asked)
        self.count = 1

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message, self.asked:
            case PutOk(request), Put(mine) if request == mine:
                self.asked = Get((self.count + 1) * (self.id - 1))
                out.send(self.server(), self.asked)
                self.got, self.count = message, self.count + 1
            case GetOk(request), Get(mine) if request == mine:
                self.asked, self.got, self.count = None, message, self.count + 1


class OneCopy(Node):
    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.value = ""

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Put(request, value):
                self.value = value
                out.send(src, PutOk(request))
            case Get(request):
                out.send(src, GetOk(request, self.value))


class Phase(Record):
    number: int
    request: int
    client: NodeId
    write: str | None
    read: str | None
    answers: frozenset[tuple[NodeId, tuple[int, int], str]]


class Replica(Node):
    """One server; a write asks a majority for the highest sequence, a read writes back."""

    def __init__(self, id: NodeId, servers: int) -> None:
        super().__init__(id)
        self.peers = tuple(peer for peer in range(1, servers + 1) if peer != id)
        self.majority = servers // 2 + 1
        self.seq, self.value = (0, 0), ""
        self.phase: Phase | None = None

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message, self.phase:
            case Put(request, value), None:
                self.ask(request, src, value, out)
            case Get(request), None:
                self.ask(request, src, None, out)
            case Query(request), _:
                out.send(src, AckQuery(request, self.seq, self.value))
            case AckQuery(request, seq, value), Phase(1, mine) as phase if request == mine:
                answers = phase.answers | {(src, seq, value)}
                if len(answers) == self.majority:
                    self.store(phase, answers, out)
                else:
                    self.phase = Phase(1, mine, phase.client, phase.write, None, answers)
            case Store(request, seq, value), _:
                out.send(src, AckStore(request))
                self.take(seq, value)
            case AckStore(request), Phase(2, mine) as phase if request == mine:
                answers = phase.answers | {(src, (0, 0), "")}
                self.phase = Phase(2, mine, phase.client, phase.write, phase.read, answers)
                if len(answers) == self.majority:
                    read = phase.read
                    out.send(phase.client, PutOk(mine) if read is None else GetOk(mine, read))
                    self.phase = None

    def ask(self, request: int, client: NodeId, write: str | None, out: Out) -> None:
        out.broadcast(self.peers, Query(request))
        answers = frozenset({(self.id, self.seq, self.value)})
        self.phase = Phase(1, request, client, write, None, answers)

    def store(
        self, phase: Phase, answers: frozenset[tuple[NodeId, tuple[int, int], str]], out: Out
    ) -> None:
        seq, value = max((seq, value) for _, seq, value in answers)
        read: str | None = value
        if phase.write is not None:
            seq, value, read = (seq[0] + 1, self.id), phase.write, None
        out.broadcast(self.peers, Store(phase.request, seq, value))
        self.take(seq, value)
        acks = frozenset({(self.id, (0, 0), "")})
        self.phase = Phase(2, phase.request, phase.client, phase.write, read, acks)

    def take(self, seq: tuple[int, int], value: str) -> None:
        if seq > self.seq:
            self.seq, self.value = seq, value


class Hasty(Replica):
    """Reads do not write back."""

    def store(
        self, phase: Phase, answers: frozenset[tuple[NodeId, tuple[int, int], str]], out: Out
    ) -> None:
        if phase.write is None:
            value = max((seq, value) for _, seq, value in answers)[1]
            out.send(phase.client, GetOk(phase.request, value))
            self.phase = None
        else:
            super().store(phase, answers, out)


class RegisterIsLinearizable(Linearizable):
    sequential: ClassVar = Register("")
    watch: ClassVar = ("asked",)

    def on_step(self, node: Any, nodes: object) -> None:
        if not isinstance(node, Client):
            return
        if isinstance(node.got, PutOk | GetOk):
            self.give((node.id, node.count - 1), getattr(node.got, "value", None))
        if isinstance(node.asked, Put):
            self.call((node.id, node.count), "write", node.asked.value)
        elif node.asked is not None:
            self.call((node.id, node.count), "read", None)


def one_copy(clients: int, servers: int) -> Model:
    return _model({id: partial(OneCopy, id) for id in range(1, servers + 1)}, clients)


def replicated(clients: int, servers: int, replica: type[Replica] = Replica) -> Model:
    ids = range(1, servers + 1)
    return _model({id: partial(replica, id, servers) for id in ids}, clients)


def _model(servers: dict[NodeId, Any], clients: int) -> Model:
    count = len(servers)
    for id in range(count + 1, count + clients + 1):
        servers[id] = partial(Client, id, count)
    return Model(
        servers,
        network=Network.BAG,
        promises=(RegisterIsLinearizable,),
        sometimes={
            "all got": lambda up: all(getattr(n, "asked", None) is None for n in up.values())
        },
    )
