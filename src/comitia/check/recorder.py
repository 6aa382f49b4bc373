"""What one step of a node says, written down instead of done."""

from __future__ import annotations

from typing import NamedTuple

from comitia.kernel import Message, Micros, NodeId, Out, Request, Slot, Timer


class Envelope(NamedTuple):
    """A message on its way; `snapshot` is the slot of the snapshot that travels with it, or 0."""

    src: NodeId
    message: Message
    snapshot: Slot = 0


class HostBroken(AssertionError):
    """A node said to its host what the contract forbids."""


class Recorder(Out):
    """The `Out` of a node in a model.  It plays the host, too: what is applied, and snapshots."""

    __slots__ = (
        "applied",
        "arrived",
        "delivered",
        "early",
        "ends",
        "me",
        "read_clock",
        "refused",
        "sent",
        "snapshot",
        "timers",
    )

    def __init__(self, me: NodeId, timers: frozenset[Timer], applied: Slot, snapshot: Slot) -> None:
        """`applied`, `snapshot`: the last slot applied by the host, and covered by a snapshot."""
        self.me, self.timers, self.applied, self.snapshot = me, timers, applied, snapshot
        self.arrived = 0
        """The slot of the snapshot that came with the message being handled."""
        self.sent: list[tuple[NodeId, Envelope]] = []
        self.early: list[tuple[NodeId, Envelope]] = []
        self.ends: list[tuple[object, ...]] = []
        """("deliver", node, slot, value) and ("answer", node, request, result), as they came."""
        self.refused: list[Request] = []
        self.delivered = False
        self.read_clock = False

    @property
    def now(self) -> Micros:
        """Clocks stand still in a model."""
        self.read_clock = True
        return 0

    def send(self, to: NodeId, message: Message) -> None:
        self.sent.append((to, Envelope(self.me, message)))

    def send_early(self, to: NodeId, message: Message) -> None:
        envelope = Envelope(self.me, message)
        self.sent.append((to, envelope))
        self.early.append((to, envelope))

    def send_snapshot(self, to: NodeId, message: Message) -> None:
        if not self.snapshot:
            raise HostBroken("asked to send a snapshot before it was told of one")
        self.sent.append((to, Envelope(self.me, message, self.snapshot)))

    def install(self, slot: Slot) -> None:
        if not 0 < slot <= self.arrived:
            raise HostBroken(f"installs slot {slot}, but the snapshot covers {self.arrived}")
        self.applied = self.snapshot = slot

    def set_timer(self, timer: Timer, after: tuple[int, int]) -> None:
        self.timers |= {timer}

    def cancel_timer(self, timer: Timer) -> None:
        self.timers -= {timer}

    def deliver(self, slot: Slot, value: bytes) -> None:
        if slot != self.applied + 1:
            raise HostBroken(f"delivers slot {slot} after slot {self.applied}")
        self.applied = slot
        self.ends.append(("deliver", self.me, slot, value))

    def answer(self, request: Request, result: object) -> None:
        self.ends.append(("answer", self.me, request, result))

    def refuse(self, request: Request, reason: str) -> None:
        self.refused.append(request)
