"""What people see of a general."""

from __future__ import annotations

from comitia.kernel import View
from comitia.protocols.byzantine.general import General
from comitia.protocols.byzantine.signed import SignedGeneral


def view(general: General) -> View:
    """Return `general` at this moment, in the words common to all protocols."""
    facts = [("order", general.order or "-"), ("m", str(general.m))]
    if isinstance(general, SignedGeneral):
        facts.append(("V", " ".join(sorted(general.values)) or "-"))
    return View(
        role="commander" if general.id == general.commander else "lieutenant",
        epoch=general.round,
        leader=general.commander,
        last=general.round,
        committed=int(general.order is not None),
        voters=general.generals,
        facts=tuple(facts),
    )
