"""A membership that changes through the log that it replicates.

A configuration is used from the moment it is in the log, committed or not, and forgotten when its
entry is removed (Ongaro 2014, section 4.1).  `Changes` are those in the log after a snapshot, each
with its position, ascending; the snapshot has the one before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from comitia.kernel import NodeId, Slot
from comitia.quorums.electorate import Electorate

E = TypeVar("E", bound=Electorate)
E_co = TypeVar("E_co", bound=Electorate, covariant=True)

Changes = tuple[tuple[Slot, E], ...]


class Entry(Protocol[E_co]):
    """What a log holds: perhaps a configuration."""

    @property
    def configuration(self) -> E_co | None: ...


def changes_in(entries: Iterable[Entry[E]], first: Slot) -> Changes[E]:
    """Return the configurations in `entries`, which stand in the log from `first` on."""
    return tuple(
        (position, entry.configuration)
        for position, entry in enumerate(entries, first)
        if entry.configuration is not None
    )


def configuration_at(position: Slot, before: E, changes: Changes[E]) -> E:
    """Return what held after every entry up to `position`; `before` held before all `changes`."""
    found = before
    for at, configuration in changes:
        if at <= position:
            found = configuration
    return found


def may_be_needed(node: NodeId, committed: Slot, before: E, changes: Changes[E]) -> bool:
    """Is `node` a voter in any configuration that may be the committed one?

    Who left in a change that is not known to be committed may hold the longest log, without which
    the change can neither commit nor vanish: it must still stand for election, though its own vote
    does not count (section 4.2.2).
    """
    return configuration_at(committed, before, changes).is_voter(node) or any(
        configuration.is_voter(node) for at, configuration in changes if at > committed
    )
