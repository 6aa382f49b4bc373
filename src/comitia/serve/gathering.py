"""Commands of many connections, gathered over one turn of the loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

from comitia.machines.machine import Command
from comitia.machines.reply import Reply
from comitia.serve.backend import Done

MAX_BATCH = 1 << 20
"""Bytes above which a batch takes no more; a single call may be longer."""

RESEND_MS = 1000
"""How long a batch or a question waits before it is sent again; for a batch, doubled each time."""


class Gathered:
    """Commands in order, and who waits for which of them."""

    __slots__ = ("_replies", "_told", "_waiting", "asked_ms", "commands", "since_ms", "size")

    def __init__(self, since_ms: int = 0) -> None:
        self.commands: list[Command] = []
        self._waiting: list[tuple[int, Done]] = []  # how many commands, and whom to tell
        self._told = 0  # how many of them have been told
        self._replies: Sequence[Reply] = ()  # to the first commands of the one whose turn it is
        self.size = 0
        """Bytes, about."""
        self.since_ms = since_ms
        """When the first command came."""
        self.asked_ms = 0
        """When the protocol was asked, for reads."""

    def has_room(self, size: int) -> bool:
        """May `size` bytes more be added?"""
        return self.size + size <= MAX_BATCH

    def add(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Add the commands of one connection."""
        self.commands += commands
        self._waiting.append((len(commands), done))
        self.size += size

    def answer(self, replies: Sequence[Reply]) -> None:
        """Tell the next `replies`; who waits for several is told when all of them are there."""
        if self._replies:
            replies = [*self._replies, *replies]
        waiting, told, position = self._waiting, self._told, 0
        while told < len(waiting):
            count, done = waiting[told]
            if position + count > len(replies):
                break
            done(replies[position : position + count])
            told, position = told + 1, position + count
        self._told, self._replies = told, replies[position:]
        assert told < len(waiting) or not self._replies, f"{len(self._replies)} replies too many"


class Outgoing:
    """A batch on its way through the log."""

    __slots__ = ("copies", "gathered", "refused", "resend_ms", "sends", "sent_s", "sequence")

    def __init__(self, sequence: int, gathered: Gathered) -> None:
        self.sequence, self.gathered = sequence, gathered
        self.copies = 0
        """How many were sent and not refused: with none, it was certainly not executed."""
        self.refused = False
        """Was the latest of them?"""
        self.sent_s = 0.0
        """When the latest left, on the monotonic clock."""
        self.sends = 0
        self.resend_ms = 0
        """When to send it again."""

    def sent(self, now_ms: int) -> None:
        """A copy leaves."""
        self.sent_s = time.monotonic()
        self.copies += 1
        self.refused = False
        self.resend_ms = now_ms + (RESEND_MS << self.sends)
        self.sends = min(self.sends + 1, 5)
