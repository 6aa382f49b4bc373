"""The acceptor: a register a key (section 2.2), ages of proposers and erasure (section 3.1)."""

from __future__ import annotations

from typing import ClassVar

from comitia.kernel import Ballot, Message, Node, NodeId, Out, Table
from comitia.protocols.caspaxos.messages import (
    Accept,
    Accepted,
    Age,
    AgesKept,
    Conflict,
    Done,
    Erase,
    Erased,
    Fence,
    Join,
    Key,
    Keys,
    ListKeys,
    Prepare,
    Promised,
    RefuseYounger,
    Register,
)

FRESH = Register()
KEYS_A_MESSAGE = 1_000


class Acceptor(Node):
    """Remembers, a key, the greatest ballot it promised and the state it accepted last."""

    stable: ClassVar[tuple[str, ...]] = ("registers", "ages", "joined")
    registers: Table[Key, Register]
    ages: Table[NodeId, Age]
    joined: int

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.registers = Table()
        self.ages = Table()
        self.joined = 0  # the version of the configuration that this acceptor joined with

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Prepare(key, ballot, age) | Accept(key, ballot, age=age) if age < self.ages.get(
                src, 0
            ):
                # Sent before a deletion that this proposer knows of: a late message must not
                # bring the value back (the lost delete anomaly, section 3.1).
                out.send(src, Conflict(key, ballot, self.registers.get(key, FRESH).seen))
            case Prepare(key, ballot):
                self.on_prepare(src, key, ballot, out)
            case Accept():
                self.on_accept(src, message, out)
            case RefuseYounger(number, ages):
                for proposer, age in ages:
                    self.ages = self.ages.set(proposer, max(age, self.ages.get(proposer, 0)))
                out.send(src, AgesKept(number))
            case Erase(number, tombs):
                kept = tuple(key for key, ballot in tombs if not self.erase(key, ballot))
                out.send(src, Erased(number, kept))
            case _:
                self.change_membership(src, message, out)

    def on_prepare(self, src: NodeId, key: Key, ballot: Ballot, out: Out) -> None:
        """Promise `ballot`, unless a greater one was seen."""
        register = self.registers.get(key, FRESH)
        if ballot <= register.seen:
            out.send(src, Conflict(key, ballot, register.seen))
            return
        self.registers = self.registers.set(key, Register(ballot, register.ballot, register.state))
        out.send(src, Promised(key, ballot, register.ballot, register.state))

    def on_accept(self, src: NodeId, message: Accept, out: Out) -> None:
        """Accept the state, and promise the proposer's next ballot, unless a greater was seen."""
        key, ballot, register = message.key, message.ballot, self.registers.get(message.key, FRESH)
        if ballot == register.ballot:  # a repeated message
            assert message.state == register.state, "two states in one ballot"
            out.send(src, Accepted(key, ballot))
        elif ballot < register.seen:
            out.send(src, Conflict(key, ballot, register.seen))
        else:
            self.registers = self.registers.set(key, Register(message.next, ballot, message.state))
            out.send(src, Accepted(key, ballot))

    def erase(self, key: Key, ballot: Ballot) -> bool:
        """Forget `key` if it holds the tombstone of `ballot` and nobody was promised more.

        A promise must not be forgotten with the tombstone: two proposers could then both pass
        phase 1 on this acceptor in the wrong order, and one would overwrite what it never read.
        """
        register = self.registers.get(key)
        if register is None:
            return True
        if register.ballot == ballot and register.promise <= ballot:
            assert register.state.value is None, "erasing a value"
            self.registers = self.registers.delete(key)
            return True
        return False

    def change_membership(self, src: NodeId, message: Message, out: Out) -> None:
        """The acceptor's part in changes of membership."""
        match message:
            case ListKeys(version):
                keys = tuple(self.registers)
                parts = max(1, -(-len(keys) // KEYS_A_MESSAGE))
                for part in range(parts):
                    some = keys[part * KEYS_A_MESSAGE : (part + 1) * KEYS_A_MESSAGE]
                    out.send(src, Keys(version, part, parts, some))
            case Fence(version, node, age):
                self.ages = self.ages.set(node, max(age, self.ages.get(node, 0)))
                out.send(src, Done(version, "fence", 0))
            case Join(version):
                if version > self.joined:
                    # What a former member remembers may have been deleted since: start empty.
                    # Its ages stay: what was sent to it before it left may still arrive.
                    self.registers, self.joined = Table(), version
                out.send(src, Done(version, "join", 0))
