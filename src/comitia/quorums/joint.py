"""Joint systems: a set is a quorum when it is one in both, while membership changes from one to
the other (Ongaro and Ousterhout 2014, section 6: joint consensus).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from comitia.quorums.expression import Expression
from comitia.quorums.system import ExpressedSystem


class Joint:
    """Quorums of `old` and of `new` at once, for reads and for writes."""

    __slots__ = ("members", "new", "old")

    members: tuple[int, ...]
    old: ExpressedSystem
    new: ExpressedSystem

    def __init__(self, old: ExpressedSystem, new: ExpressedSystem) -> None:
        self.old = old
        self.new = new
        self.members = tuple(sorted({*old, *new}))

    def is_read_quorum(self, who: AbstractSet[int]) -> bool:
        return self.old.is_read_quorum(who) and self.new.is_read_quorum(who)

    def is_write_quorum(self, who: AbstractSet[int]) -> bool:
        return self.old.is_write_quorum(who) and self.new.is_write_quorum(who)

    @property
    def reads(self) -> Expression:
        return self.old.reads * self.new.reads

    @property
    def writes(self) -> Expression:
        return self.old.writes * self.new.writes

    def __iter__(self) -> Iterator[int]:
        return iter(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Joint) and (self.old, self.new) == (other.old, other.new)

    def __hash__(self) -> int:
        return hash((self.old, self.new))

    def __repr__(self) -> str:
        return f"Joint({self.old!r}, {self.new!r})"
