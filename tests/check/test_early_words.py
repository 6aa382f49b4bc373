"""What left before the disk had the step outlives a crash; so does the request that brought it."""

from __future__ import annotations

from functools import partial

from comitia.check import breadth_first, space_of
from comitia.kernel import (
    Broken,
    Message,
    Model,
    Node,
    NodeId,
    Out,
    Promise,
    Propose,
    Request,
    Slot,
)


class Said(Message):
    value: bytes


class Herald(Node):
    """Passes on what it is asked, at once, and writes it down."""

    stable = ("value",)
    value: bytes

    def __init__(self, id: NodeId) -> None:
        super().__init__(id)
        self.value = b""

    def on_request(self, request: Request, out: Out) -> None:
        assert isinstance(request, Propose)
        self.value = request.value
        out.send_early(2, Said(request.value))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        assert isinstance(message, Said)
        out.deliver(1, message.value)


class Asked(Promise):
    """Nothing is delivered that nobody asked for."""

    def __init__(self) -> None:
        self.values: frozenset[bytes] = frozenset()

    def on_request(self, node: NodeId, request: Request) -> None:
        assert isinstance(request, Propose)
        self.values |= {request.value}

    def on_deliver(self, node: NodeId, slot: Slot, value: bytes) -> None:
        if value not in self.values:
            raise Broken(f"nobody asked for {value!r}")


def test_a_promise_hears_of_a_request_whose_step_a_crash_took_but_not_its_early_words() -> None:
    model = Model(
        nodes={id: partial(Herald, id) for id in (1, 2)},
        clients=(((1, Propose(b"x")),),),
        crashes=1,
        sometimes={"it was lost": lambda nodes: 1 in nodes and nodes[1].value == b""},
    )
    report = breadth_first(space_of(model, (Asked,)))
    assert report.outcome == "holds", report.story
