"""Snapshots: the history behind one may go."""

from __future__ import annotations

from comitia.kernel import Compact, Out, Slot
from comitia.protocols.zab.handover import HandOver
from comitia.protocols.zab.messages import Snapshot, size_of


class Compaction(HandOver):
    """What happens to the history's beginning."""

    def on_compact(self, request: Compact, out: Out) -> None:
        """The machine's state after `slot` is on disk: it stands for the history up to there."""
        slot = request.slot
        if not self.snapshot.slot < slot <= self.committed:
            return
        self.snapshot = Snapshot(slot, self.history[slot].zxid, self.configuration_at(slot))
        self.configurations = tuple(c for c in self.configurations if c[0] > slot)
        first = self.first_to_keep(slot) if request.trailing else slot
        self.history = self.history.cut_before(first)

    def first_to_keep(self, slot: Slot) -> Slot:
        """Transactions are cheaper to send than a snapshot: keep some for who is a little late."""
        options = self.options
        kept = self.history.trailing(slot, options.trailing_txns, size_of, options.trailing_bytes)
        return max(self.history.first, kept - 1)  # the one before is there for its zxid
