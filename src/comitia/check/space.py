"""What a search explores: states, and the steps between them.

Two things can be explored: a `comitia.kernel.Model`, whose nodes are the classes that the network
runs (`comitia.check.world`), and a transition system written as plain Python
(`comitia.check.system`).  Both turn a state into one exact integer, never a lossy fingerprint, by
numbering the distinct values of its parts: two states are equal iff their integers are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

State = int
"""A state, packed.  Meaningful only to the space that made it."""


class Violation(Exception):
    """A property does not hold: found while making a step, or in a state."""

    def __init__(self, property: str, reason: str = "", action: int | None = None) -> None:
        """`action`: which of the steps of the state being expanded is guilty, counted from 0; or
        which of the initial states."""
        super().__init__(property, reason)
        self.property, self.reason, self.action = property, reason, action


class WrongModel(ValueError):
    """A model claims what is not so; its author must mend it before anything can be said."""


class Space(Protocol):
    """States and steps, as a search sees them."""

    sometimes: Mapping[str, Any]
    """Properties that some reachable state must have, see `holds`."""
    eventually: Mapping[str, Any]
    """Properties that every fair run must reach, see `holds`."""

    width: int
    """Bytes that hold a state."""

    def warm(self) -> None:
        """Learn now what can be learnt before it is needed."""

    def initial(self) -> list[State]:
        """Return the initial states; raise Violation when a property fails in one."""

    def expand(self, state: State) -> list[State]:
        """Return the successors of `state`, with repetitions, in an order that is always the same.

        Raises Violation when one of the steps breaks a property.
        """

    def inspect(self, state: State) -> None:
        """Called once for every new state; raises Violation when it breaks an invariant."""

    def holds(self, property: Any, state: State) -> bool:
        """Return whether `property`, of `sometimes` or `eventually`, is true in `state`."""

    def doubtful(self) -> bool:
        """Has something assumed in this search already turned out wrong?"""

    def confirmed(self) -> bool:
        """Return whether all that was assumed in a search held.

        If not, the space has learnt from it, and the search must be made again.  Either way the
        states of that search mean nothing any more.
        """

    def richer(self, state: State) -> Sequence[State]:
        """Return states that can do whatever `state` can, and more, if they can be reached.

        A search that has met one of them has nothing to learn from `state`.
        """

    def edges(self, state: State) -> list[tuple[object, State | None]]:
        """Return (action, successor) for every step; None when the bound cut the step off.

        Steps with equal actions are the same action: what fairness speaks of.  An action of None
        owes nothing to fairness (a crash, a loss).
        """

    def cautions(self) -> list[str]:
        """Return what a person should know about the verdict."""

    def story(self, path: list[State], violation: Violation, again: int | None = None) -> Any:
        """Return the run through the states of `path`, which starts in an initial state, and the
        step that commits `violation`, if it has an action.

        `again`: the run goes round for ever, from the step that leads to path[again].
        """
