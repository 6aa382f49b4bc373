"""Registers whose written values are all different: linearizable or not in O(n log n).

Gibbons and Korach, "Testing shared memories" (1997).  The write of a value and its reads form a
cluster.  In a linearization nothing stands inside a cluster but its own operations, so clusters
are in one order, and cluster A must precede B iff some operation of A returns before some
operation of B is called: iff A's least return is less than B's greatest call.  A set of clusters
has an order iff no two must precede each other.  (A longer cycle has a shorter one: from A before B
before C before A and no two in conflict, the least returns and greatest calls around the cycle
would grow for ever.)

A compare-and-set that succeeded binds its cluster to that of the value it found: nothing stands
between.  Such a chain of clusters is one block, and blocks obey the same rule.  Operations that
never returned count only when somebody saw their value, so any number of them costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from comitia.history.moves import OTHER, READ, SWAP, WRITE, Moves, Order
from comitia.history.operation import Operation
from comitia.history.timeline import NEVER
from comitia.history.verdict import Contradiction

_BEFORE_ALL = -NEVER
_NOBODY = -1


@dataclass(slots=True)
class _Block:
    """A chain of clusters, bound by compare-and-sets."""

    chain: list[int]
    least_end: int
    first: int
    """The operation with the least return; _NOBODY stands for the initial value."""
    greatest_call: int
    last: int
    """The operation with the greatest call."""


def zones(moves: Moves, key: Any = None) -> Order | Contradiction | None:
    """Return the answer, or None when written values are not all different."""
    found = _Zones(moves, key)
    return found.answer() if found.applies else None


class _Zones:
    def __init__(self, moves: Moves, key: Any) -> None:
        self.key, self.moves = key, moves
        self.operations = moves.operations
        cluster: dict[Any, int] = {moves.initial: 0}
        writer = [_NOBODY]
        new = moves.new
        self.applies = True
        for i, kind in enumerate(moves.kind):
            if kind in (WRITE, SWAP):
                if new[i] in cluster:
                    self.applies = False
                    return
                cluster[new[i]] = len(writer)
                writer.append(i)
            elif kind == OTHER:
                self.applies = False
                return
        self.cluster, self.writer = cluster, writer

    def answer(self) -> Order | Contradiction:
        """Decide."""
        self.reads: list[list[int]] = [[] for _ in self.writer]
        wrong = self._gather() or self._bind()
        if wrong is not None:
            return wrong
        blocks: list[_Block] = []
        for c in range(len(self.writer)):
            if self.happened[c] and self.before[c] == _NOBODY:
                block = self._block(c)
                if isinstance(block, Contradiction):
                    return block
                blocks.append(block)
        return self._conflict(blocks) or self._order(blocks)

    def _gather(self) -> Contradiction | None:
        """Put every read into its cluster."""
        moves, operations, cluster, reads = self.moves, self.operations, self.cluster, self.reads
        for i, kind in enumerate(moves.kind):
            if kind != READ:
                continue
            c = cluster.get(moves.old[i])
            if c is None:
                return self._wrong([i], f"nobody ever wrote {_show(moves.old[i])}")
            reads[c].append(i)
            writer = self.writer[c]
            end = operations[i].end
            if writer >= 0 and end is not None and end < operations[writer].call:
                return self._wrong([i], f"{_show(moves.old[i])} was read before anybody wrote it")
        return None

    def _bind(self) -> Contradiction | None:
        """Find which writes happened, and which cluster each compare-and-set follows."""
        moves, operations, writer = self.moves, self.operations, self.writer
        count = len(writer)
        self.happened = [False] * count
        self.before, self.after = [_NOBODY] * count, [_NOBODY] * count
        due = [
            c
            for c in range(count)
            if self.reads[c] or (c and operations[writer[c]].end is not None)
        ]
        self.happened[0] = True
        while due:
            c = due.pop()
            if c == 0 or self.happened[c]:
                continue
            self.happened[c] = True
            w = writer[c]
            if moves.kind[w] != SWAP:
                continue
            old = self.cluster.get(moves.old[w])
            if old is None:
                return self._wrong([self._proof(c)], f"nobody ever wrote {_show(moves.old[w])}")
            if self.after[old] != _NOBODY:
                twins = [self._proof(c), self._proof(self.after[old])]
                return self._wrong(
                    twins, f"both replaced {_show(moves.old[w])}, which was written once"
                )
            self.after[old], self.before[c] = c, old
            due.append(old)
        return self._circle()

    def _proof(self, c: int) -> int:
        """Return an operation that returned and shows that cluster `c` happened."""
        passed = set()
        while c not in passed:
            passed.add(c)
            if self.operations[self.writer[c]].end is not None:
                return self.writer[c]
            if self.reads[c]:
                return self.reads[c][0]
            c = self.after[c]
        return self.writer[c]

    def _circle(self) -> Contradiction | None:
        reached = 0
        for c in range(len(self.writer)):
            if self.happened[c] and self.before[c] == _NOBODY:
                while c != _NOBODY:
                    reached += 1
                    c = self.after[c]
        if reached == sum(self.happened):
            return None
        on = next(c for c in range(len(self.writer)) if self._runs_in_circle(c))
        circle, c = [self._proof(on)], self.after[on]
        while c != on:
            circle.append(self._proof(c))
            c = self.after[c]
        return self._wrong(circle, "each replaced the value of the one before, in a circle")

    def _runs_in_circle(self, start: int) -> bool:
        c = self.after[start]
        while c not in (_NOBODY, start):
            c = self.after[c]
        return c == start

    def _block(self, head: int) -> _Block | Contradiction:
        """Return the chain that begins at `head`; its clusters must fit one after the other."""
        operations = self.operations
        block = _Block([], NEVER, _NOBODY, _BEFORE_ALL, _NOBODY)
        c = head
        while c != _NOBODY:
            block.chain.append(c)
            low, first, high, last = NEVER, _NOBODY, _BEFORE_ALL, _NOBODY
            writer = self.writer[c]
            if writer == _NOBODY:
                low = _BEFORE_ALL
            members = self.reads[c] if writer == _NOBODY else [writer, *self.reads[c]]
            for i in members:
                operation = operations[i]
                if operation.call > high:
                    high, last = operation.call, i
                end = operation.end
                if end is not None and end < low:
                    low, first = end, i
            if low < block.greatest_call:
                return self._wrong(
                    [first, block.last],
                    f"{self._value(first)} directly replaced what came from "
                    f"{self._value(block.last)}, yet it was seen before {self._name(block.last)} "
                    "was called",
                )
            if low < block.least_end:
                block.least_end, block.first = low, first
            if high > block.greatest_call:
                block.greatest_call, block.last = high, last
            c = self.after[c]
        return block

    def _conflict(self, blocks: list[_Block]) -> Contradiction | None:
        """Two blocks that must precede each other."""
        forward = sorted(
            (b for b in blocks if b.least_end < b.greatest_call), key=lambda b: b.least_end
        )
        for one, two in pairwise(forward):
            if two.least_end < one.greatest_call:
                return self._clash(one, two)
        starts = [b.least_end for b in forward]
        for two in blocks:
            if two.least_end >= two.greatest_call:
                at = bisect_left(starts, two.greatest_call) - 1
                if at >= 0 and two.least_end < forward[at].greatest_call:
                    return self._clash(forward[at], two)
        return None

    def _clash(self, one: _Block, two: _Block) -> Contradiction:
        self._single(one, two)
        self._single(two, one)
        reasons = [
            f"{self._name(a.first)} returned before {self._name(b.last)} was called, "
            f"so {self._value(a.first)} came before {self._value(b.last)}"
            for a, b in ((one, two), (two, one))
            if a.first != _NOBODY
        ]
        if len(reasons) == 1:
            reasons.append("the initial value came before both")
        return self._wrong(
            [one.first, one.last, two.first, two.last],
            "; but ".join(reasons) + "; each value was written once",
        )

    def _single(self, block: _Block, other: _Block) -> None:
        """Where one operation of `block` stands against `other` by itself, name that one only."""
        operations = self.operations
        for c in block.chain:
            writer = [self.writer[c]] if self.writer[c] != _NOBODY else []
            for i in (*writer, *self.reads[c]):
                end = operations[i].end
                inside = end is not None and end < other.greatest_call
                if inside and operations[i].call > other.least_end:
                    assert end is not None
                    block.first = block.last = i
                    block.least_end, block.greatest_call = end, operations[i].call
                    return

    def _order(self, blocks: list[_Block]) -> Order:
        def place(block: _Block) -> tuple[int, bool]:
            low, high = block.least_end, block.greatest_call
            return min(low, high), low < high  # on a tie the one without extent goes first

        operations = self.operations
        order: list[Operation] = []
        for block in sorted(blocks, key=place):
            for c in block.chain:
                if c:
                    order.append(operations[self.writer[c]])
                reads = [operations[i] for i in self.reads[c]]
                order.extend(sorted(reads, key=lambda o: o.call))
        return order

    def _wrong(self, which: list[int], why: str) -> Contradiction:
        chosen = dict.fromkeys(i for i in which if i != _NOBODY)
        operations = sorted((self.operations[i] for i in chosen), key=lambda o: o.call)
        seen = dict.fromkeys(self._writer_of(i) for i in chosen)
        writers = tuple(self.operations[i] for i in seen if i != _NOBODY and i not in chosen)
        return Contradiction(self.key, tuple(operations), why, writers)

    def _writer_of(self, i: int) -> int:
        value = self.moves.old[i] if self.moves.kind[i] == READ else self.moves.new[i]
        return self.writer[self.cluster[value]] if value in self.cluster else _NOBODY

    def _name(self, i: int) -> str:
        return str(self.operations[i])

    def _value(self, i: int) -> str:
        old, new = self.moves.old[i], self.moves.new[i]
        return _show(old if self.moves.kind[i] == READ else new)


def _show(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:18]}...{text[-18:]}"
