"""What a front door asks of whatever stands behind it: the whole seam, kept small on purpose.

Behind it may stand a replicated log (`comitia.serve.service`) or a protocol without a leader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from comitia.machines.machine import Command
from comitia.machines.reply import Reply

Done = Callable[[Sequence[Reply]], None]
"""Told the replies, one for each command, once; never before the call that names it returns."""


class Backend(Protocol):
    """Executes commands; commands of one call take effect together, in order."""

    def write(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Execute `commands`, which arrived as about `size` bytes."""

    def read(self, commands: Sequence[Command], size: int, done: Done) -> None:
        """Execute `commands`, all of which only read."""

    @property
    def full(self) -> bool:
        """Is so much under way that no more should be read from clients for now?"""

    def on_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` whenever `full` has become False again."""

    def facts(self) -> Mapping[str, str | int]:
        """Return what is worth knowing about the state of service, by name."""
