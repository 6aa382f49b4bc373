"""A replica's sections declare what they handle."""

from __future__ import annotations

import pytest
from replicated_logs import every_log

from comitia import protocols
from comitia.kernel import Message, NodeId, Out, Replica, fired, received


class Ask(Message):
    """A question."""


class Tell(Message):
    """An answer."""


class Questions(Replica):
    heard: tuple[object, ...] = ()

    @received(Ask)
    def on_ask(self, src: NodeId, message: Ask, out: Out) -> None:
        self.heard = (*self.heard, ("ask", src))


class Answers(Questions):
    @received(Tell)
    def on_tell(self, src: NodeId, message: Tell, out: Out) -> None:
        self.heard = (*self.heard, ("tell", src))

    @fired("again")
    def on_again(self, out: Out) -> None:
        self.heard = (*self.heard, "again")


def test_what_every_section_declares_is_handled_by_the_class_put_together_of_them() -> None:
    node, out = Answers(1), Out()
    node.on_message(2, Ask(), out)
    node.on_message(3, Tell(), out)
    node.on_timer("again", out)
    assert node.heard == (("ask", 2), ("tell", 3), "again")


def test_a_section_knows_nothing_of_those_that_come_after_it() -> None:
    with pytest.raises(KeyError):
        Questions(1).on_message(2, Tell(), Out())
    with pytest.raises(KeyError):
        Questions(1).on_timer("again", Out())


def test_who_overrides_a_handler_need_not_declare_it_again() -> None:
    class Deaf(Answers):
        def on_ask(self, src: NodeId, message: Ask, out: Out) -> None:
            pass

    node = Deaf(1)
    node.on_message(2, Ask(), Out())
    node.on_message(2, Tell(), Out())
    assert node.heard == (("tell", 2),)


def test_two_methods_for_one_message_are_a_mistake_that_is_seen_at_once() -> None:
    with pytest.raises(TypeError, match="both on_ask and on_question handle"):

        class Twice(Questions):
            @received(Ask)
            def on_question(self, src: NodeId, message: Ask, out: Out) -> None:
                pass


@every_log
def test_every_message_of_a_log_has_its_handler(protocol: str) -> None:
    declared = protocols.load(protocol)
    handlers = type(declared.make(1, (1, 2, 3))).handlers
    assert [kind for kind in declared.codec.messages if kind not in handlers] == []
