"""Commands of many connections, gathered over one turn of the loop."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.machine import Command
from comitia.machines.reply import Reply
from comitia.serve.backend import Done

MAX_BATCH = 1 << 20
"""Bytes above which a batch takes no more; a single call may be longer."""


class Gathered:
    """Commands in order, and who waits for which of them."""

    __slots__ = ("_waiting", "asked_ms", "commands", "since_ms", "size")

    def __init__(self, since_ms: int = 0) -> None:
        self.commands: list[Command] = []
        self._waiting: list[tuple[int, Done]] = []  # how many commands, and whom to tell
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
        """Tell everybody their replies."""
        assert len(replies) == len(self.commands), (len(replies), len(self.commands))
        position = 0
        for count, done in self._waiting:
            done(replies[position : position + count])
            position += count


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
