"""What an event of a simulation is, as small numbers: they are compared at every step."""

from __future__ import annotations

from typing import Final

MESSAGE: Final = 0
FORWARD: Final = 1
"""A client's operation, on its way from the host it asked to the leader's."""
TIMER: Final = 2
SYNC: Final = 3
"""A sync of the disk is over."""
TURN: Final = 4
"""A turn that gathered input ends."""
SNAPSHOT: Final = 5
"""A whole snapshot has come over the network."""
SAVED: Final = 6
"""A snapshot of the machine is on disk."""
CLIENT: Final = 7
CHAOS: Final = 8
