"""What people see of a general."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.two_generals.general import General, awaited


def view(general: General) -> View:
    """Return `general` at this moment, in the words common to all protocols."""
    due = awaited(general.handshake, general.first)
    return View(
        role=general.decision or "waiting",
        epoch=0,
        leader=None,
        last=general.received,
        committed=int(general.decision is not None),
        voters=tuple(sorted((general.id, general.other))),
        facts=(("messengers received", f"{general.received} of {due}"),),
    )
