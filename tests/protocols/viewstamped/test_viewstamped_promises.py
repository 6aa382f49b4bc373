"""The promises themselves: what they must let pass, and what they must not."""

from __future__ import annotations

import pytest

from comitia.kernel import Broken, Log, Promise, Propose, Read
from comitia.protocols.viewstamped import ViewstampedReplica, make
from comitia.protocols.viewstamped.messages import Checkpoint, Op, View
from comitia.protocols.viewstamped.promises import (
    CommittedSurvive,
    ExecutedAgree,
    LogsOfAViewAgree,
    OnePrimary,
    ReadsAreCurrent,
    ViewsNeverGoBack,
)
from comitia.protocols.viewstamped.state import NORMAL, STATE_TRANSFER

A, B = Op(b"a"), Op(b"b")


def group() -> dict[int, ViewstampedReplica]:
    """Three replicas, normal in view 0, without an op."""
    return {id: make(id, (1, 2, 3)) for id in (1, 2, 3)}


def normal_in(node: ViewstampedReplica, number: int, *ops: Op, executed: int = 0) -> None:
    node.view = node.last_normal_view = View(0, number)
    node.log, node.executed, node.commit_number = Log(ops), executed, executed


def step(promise: Promise, id: int, nodes: dict[int, ViewstampedReplica]) -> None:
    promise.on_step(nodes[id], nodes)


def test_a_replica_may_not_go_back_to_an_earlier_view() -> None:
    promise, nodes = ViewsNeverGoBack(), group()
    for number in (1, 1, 4):
        normal_in(nodes[2], number)
        step(promise, 2, nodes)
    step(promise, 1, nodes)  # another replica, in view 0
    normal_in(nodes[2], 3)
    with pytest.raises(Broken, match=r"n2 went from view .*4\) back to .*3\)"):
        step(promise, 2, nodes)


def test_a_view_that_a_crash_took_back_had_not_left_the_replica() -> None:
    promise, nodes = ViewsNeverGoBack(), group()
    normal_in(nodes[2], 1)
    step(promise, 2, nodes)
    normal_in(nodes[2], 0)
    promise.on_restart(nodes[2])
    step(promise, 2, nodes)


def test_a_replica_may_not_have_been_normal_in_a_view_that_it_has_not_reached() -> None:
    promise, nodes = ViewsNeverGoBack(), group()
    nodes[2].status = STATE_TRANSFER
    nodes[2].view, nodes[2].last_normal_view = View(0, 3), View(0, 1)
    step(promise, 2, nodes)
    nodes[2].last_normal_view = View(0, 4)
    with pytest.raises(Broken, match=r"n2 was normal in .*4\), after .*3\)"):
        step(promise, 2, nodes)


def test_a_replica_may_not_be_normal_in_a_view_that_it_never_entered() -> None:
    promise, nodes = ViewsNeverGoBack(), group()
    nodes[2].view = View(0, 3)
    assert nodes[2].status == NORMAL
    with pytest.raises(Broken, match=r"n2 is normal in .*3\), which it never entered"):
        step(promise, 2, nodes)


def test_two_replicas_may_not_lead_one_view() -> None:
    promise, nodes = OnePrimary(), group()
    step(promise, 1, nodes)
    normal_in(nodes[2], 1)  # another view
    step(promise, 2, nodes)
    step(promise, 1, nodes)  # the same again
    # Only who differs about the configuration can take itself for another's view's primary.
    nodes[3] = make(3, (3,))
    with pytest.raises(Broken, match="n1 and n3 both lead"):
        step(promise, 3, nodes)


def test_two_replicas_may_not_execute_different_ops_at_one_place() -> None:
    promise = ExecutedAgree()
    for id in (1, 2):
        promise.on_deliver(id, 1, b"a")
    promise.on_deliver(1, 2, b"b")
    with pytest.raises(Broken, match="n2 delivered b'x' at 2, another b'b'"):
        promise.on_deliver(2, 2, b"x")


def test_a_replica_may_not_leave_out_an_op_that_its_checkpoint_does_not_stand_for() -> None:
    promise, nodes = ExecutedAgree(), group()
    promise.on_deliver(3, 1, b"a")
    nodes[3].checkpoint = Checkpoint(4, nodes[3].group)
    step(promise, 3, nodes)
    promise.on_deliver(3, 5, b"e")
    with pytest.raises(Broken, match="n3 delivered 7 after 5"):
        promise.on_deliver(3, 7, b"g")


def test_the_primary_of_a_later_view_may_not_lack_what_an_earlier_one_executed() -> None:
    promise, nodes = CommittedSurvive(), group()
    normal_in(nodes[1], 0, A, executed=1)
    step(promise, 1, nodes)
    step(promise, 3, nodes)  # a backup may lack it
    normal_in(nodes[2], 1, A)
    step(promise, 2, nodes)
    for ops in ((), (B,)):
        normal_in(nodes[2], 1, *ops)
        with pytest.raises(Broken, match=r"n2 leads .*1\) without op 1, executed in .*0\)"):
            step(promise, 2, nodes)


def test_the_primary_of_an_earlier_view_may_lack_what_a_later_one_executed() -> None:
    promise, nodes = CommittedSurvive(), group()
    normal_in(nodes[2], 1, A, executed=1)
    step(promise, 2, nodes)
    step(promise, 1, nodes)  # it has not heard of its end


def test_replicas_of_one_view_may_not_hold_different_ops_at_one_place() -> None:
    promise, nodes = LogsOfAViewAgree(), group()
    normal_in(nodes[1], 0, A, B)
    normal_in(nodes[2], 0, A)  # a prefix
    normal_in(nodes[3], 2, B)  # of another view
    for id in nodes:
        step(promise, id, nodes)
    normal_in(nodes[3], 0, B)
    nodes[3].status = STATE_TRANSFER  # it has left its log behind, not yet replaced it
    for id in nodes:
        step(promise, id, nodes)
    nodes[3].status = NORMAL
    for id, other in ((1, 3), (3, 1)):
        with pytest.raises(Broken, match=f"n{id} and n{other} differ at 1"):
            step(promise, id, nodes)


def test_a_read_may_not_be_served_without_what_anybody_had_executed_before_it() -> None:
    promise = ReadsAreCurrent()
    promise.on_deliver(1, 1, b"a")
    promise.on_request(3, Read(7))
    promise.on_request(3, Read(8))
    promise.on_deliver(1, 2, b"b")  # after they were asked
    promise.on_request(3, Propose(b"c"))
    promise.on_answer(3, Read(7), 1)
    with pytest.raises(Broken, match="n3 serves a read at 0; 1 was known before it began"):
        promise.on_answer(3, Read(8), 0)
