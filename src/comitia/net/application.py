"""The seam between a host, which runs one node, and the service it carries.

All calls happen in the host's event loop, none may block, and none may raise for a client's fault.
One turn of the host goes: the node's steps for what peers sent; `before_turn`; its steps for what
was handed in; `after_turn`.  When the former answered clients, the loop reads what those ask next
before the turn goes on.  What the node says comes in its order, as `apply`, `answered` and
`refused`, once the disk has what it speaks of: in the same turn, or on slow disks between turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from comitia.kernel import Node, NodeId, Request, Slot


class Application(Protocol):
    """What a host needs of the service above it."""

    @property
    def gathered(self) -> int:
        """How much `before_turn` has to hand in; grows with every command that clients send."""

    @property
    def awaited(self) -> int:
        """What `gathered` will be once all clients that were just answered have asked again."""

    @property
    def serving(self) -> bool:
        """Whether clients of this member wait for answers: once answered, they may ask again."""

    def before_turn(self) -> None:
        """Hand in, by `Hosting.request`, what was batched since the last turn."""

    def apply(self, slot: Slot, value: bytes) -> None:
        """`value` is decided at `slot`; called in order of the slots, each once."""

    def answered(self, request: Request, result: object) -> None:
        """`request` is done; linearizable at this moment."""

    def refused(self, request: Request, reason: str) -> None:
        """`request` had no effect and never will."""

    def application_message(self, src: NodeId, payload: bytes) -> None:
        """The application on member `src` sent `payload` by `Hosting.send_application`."""

    def after_turn(self) -> None:
        """What was decided so far was applied and answered: write the replies, once a client."""

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, in chunks of about a millisecond's work.

        The chunks are asked for one by one over many turns, while `apply` goes on; together they
        show the state at the moment of this call.
        """

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace the whole state by the one that `snapshot` cut into `chunks`."""

    def digest(self) -> bytes:
        """Return what is equal on replicas that applied the same; it may take a while."""

    def write_refused(self, reason: str | None) -> None:
        """The disk takes no more writes because of `reason`; None when it does again.

        While it lasts, refuse new writes of clients with `reason`; reads go on.
        """


class Logless:
    """What an application need not say when its node keeps all the state, and no log."""

    def apply(self, slot: Slot, value: bytes) -> None:
        """Nothing is decided in slots."""

    def application_message(self, src: NodeId, payload: bytes) -> None:
        """Its members do not speak to each other."""

    def snapshot(self) -> Iterator[bytes]:
        """The state is the node's own; there is none here."""
        return iter(())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """See `snapshot`."""

    def digest(self) -> bytes:
        """See `snapshot`."""
        return bytes(32)


class Hosting(Protocol):
    """What a service may ask of its host."""

    @property
    def node(self) -> Node:
        """The node; look, never touch."""

    @property
    def applied(self) -> Slot:
        """The last slot handed to `Application.apply` or covered by the state restored."""

    def wake(self) -> None:
        """Something was batched: run a turn as soon as the input at hand has been read."""

    def request(self, request: Request) -> None:
        """Hand `request` to the node, in this turn when one is running, else in the next."""

    def send_application(self, to: NodeId, payload: bytes) -> None:
        """Send `payload` to the application on member `to`, best effort: it may be lost."""

    def now_ms(self) -> int:
        """Wall clock, in ms since 1970."""
