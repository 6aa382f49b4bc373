"""What is replicated: a deterministic machine that turns commands into replies.

Equal machines that apply the same batches in the same order stay equal, byte for byte, on every
computer: a machine knows no clock (time comes in with the batch), no dice and no `hash()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from comitia.machines.reply import Reply

Command = Sequence[bytes]
"""A command's name and arguments; never empty."""

Told = Callable[[Sequence[Reply]], None]
"""Is told replies as they come about, in order, some at a time: clients need not wait for all."""

Millis = int
"""Milliseconds since 1970, by the clock of whoever proposed the batch."""


class Machine(Protocol):
    """What sessions, services and tests rely on, whatever the machine stores."""

    def apply(
        self,
        commands: Sequence[Command],
        time_ms: Millis = 0,
        origin: int = 0,
        told: Told | None = None,
    ) -> list[Reply]:
        """Execute `commands` in order and return a reply for each; never raises for their content.

        The machine's time becomes the later of its own and `time_ms`.  `origin` is the member
        whose clients sent them; `told`, if given, hears all replies before this returns.
        """

    def read(
        self, commands: Sequence[Command], now_ms: Millis = 0, told: Told | None = None
    ) -> list[Reply]:
        """Return the replies of `commands`, all of which only read; changes nothing.

        `now_ms` counts only for what is left of a time to live, never for what exists.
        """

    def due(self, now_ms: Millis) -> bool:
        """Would the passage of time to `now_ms` change what exists?  Then apply a batch first."""

    def forget(self, origin: int) -> None:
        """Release what clients of `origin` held open: its process has ended."""

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal states and for no others."""

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, in chunks, while `apply` goes on; one at a time."""

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace the state by the one in `chunks`; raises DecodeError when they are no state."""
