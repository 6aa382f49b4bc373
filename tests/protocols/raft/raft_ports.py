"""What a step of a mutant says, changed on its way."""

from __future__ import annotations

from comitia.kernel import Message, NodeId, Out, Request, replace
from comitia.protocols.raft.messages import AppendEntriesResponse


class Through(Out):
    """Passes on what a step says."""

    __slots__ = ("out",)

    def __init__(self, out: Out) -> None:
        self.out = out

    @property
    def now(self) -> int:
        return self.out.now

    def send(self, to: NodeId, message: Message) -> None:
        self.out.send(to, message)

    def send_early(self, to: NodeId, message: Message) -> None:
        self.out.send_early(to, message)

    def set_timer(self, timer: str, after: tuple[int, int]) -> None:
        self.out.set_timer(timer, after)

    def cancel_timer(self, timer: str) -> None:
        self.out.cancel_timer(timer)

    def install(self, slot: int) -> None:
        self.out.install(slot)

    def deliver(self, slot: int, value: bytes) -> None:
        self.out.deliver(slot, value)

    def answer(self, request: Request, result: object) -> None:
        self.out.answer(request, result)

    def refuse(self, request: Request, reason: str) -> None:
        self.out.refuse(request, reason)


class Early(Through):
    """Nothing that is sent waits for the disk."""

    __slots__ = ()

    def send(self, to: NodeId, message: Message) -> None:
        self.out.send_early(to, message)


class WholeLog(Through):
    """Acknowledgements speak for all of the server's log."""

    __slots__ = ("last",)

    def __init__(self, out: Out, last: int) -> None:
        super().__init__(out)
        self.last = last

    def send(self, to: NodeId, message: Message) -> None:
        if isinstance(message, AppendEntriesResponse):
            message = replace(message, match_index=max(self.last, message.match_index))
        self.out.send(to, message)
