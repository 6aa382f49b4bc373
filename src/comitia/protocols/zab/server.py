"""A ZAB server: its phases put together, and what starts it."""

from __future__ import annotations

from comitia.kernel import Out
from comitia.protocols.zab.compaction import Compaction
from comitia.protocols.zab.state import LEADING


class ZabServer(Compaction):
    """One server of the ensemble."""

    def on_start(self, out: Out) -> None:
        """Everything volatile follows from what is on disk; then phase 0."""
        self.incarnation += 1
        self.committed = self.snapshot.slot
        self.configuration = self.snapshot.configuration
        self.adopt_configurations(self.snapshot.slot)
        self.hear(out)
        if self.accepted_epoch == 0:  # nobody was ever promised anything
            self.loyal = False
        self.look(out)

    def on_turn(self, out: Out) -> None:
        if self.role == LEADING and self.discovered:
            self.begin_wanted_round(out)
            self.replicate(out)
