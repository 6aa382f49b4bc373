"""One folder, one paper.  Each exports `PROTOCOL`, the record through which all tools use it."""

from __future__ import annotations

import importlib
import pkgutil

from comitia.kernel import Protocol


def names() -> tuple[str, ...]:
    """Return the names of all protocols, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Protocol:
    """Return the protocol of this name; raise LookupError, naming those there are, for another."""
    if name not in names():
        raise LookupError(f"no protocol {name!r}; there are: {', '.join(names())}")
    protocol = importlib.import_module(f"{__name__}.{name}").PROTOCOL
    assert isinstance(protocol, Protocol), name
    return protocol
