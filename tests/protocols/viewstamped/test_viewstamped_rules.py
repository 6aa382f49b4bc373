"""The rules of Viewstamped Replication Revisited, each as a test, section by section."""

from __future__ import annotations

from typing import Any

import pytest
from hand_world import HandWorld

from comitia.kernel import Broken, Compact, Message, NodeId, Out, Propose, Reconfigure, Transfer
from comitia.protocols.viewstamped import (
    PROTOCOL,
    InMemoryReplica,
    Options,
    ViewstampedReplica,
    reads,
)
from comitia.protocols.viewstamped.messages import (
    MESSAGES,
    AgreeToLeave,
    AskToLeave,
    Checkpoint,
    Commit,
    CommitOk,
    CommittedState,
    DoViewChange,
    GetState,
    Group,
    InstallCheckpoint,
    NewState,
    Op,
    Prepare,
    PrepareOk,
    ReadRequest,
    RecoveryResponse,
    StartEpoch,
    StartView,
    StartViewChange,
    View,
)


class VR(HandWorld):
    """Replicas; n1 is the primary of view 0, n2 of view 1, and so on."""

    def __init__(
        self, size: int = 3, replica: type[ViewstampedReplica] = ViewstampedReplica, **options: Any
    ) -> None:
        chosen = Options(**options)
        self.said: set[type[Message]] = set()
        super().__init__(PROTOCOL, size, lambda id, voters: replica(id, voters, chosen))
        self.settle()

    def fly(self, src: NodeId, to: NodeId, message: Message) -> None:
        self.said.add(type(message))
        super().fly(src, to, message)

    def silence(self, *ids: int) -> None:
        """These hear nothing of the primary for a whole timeout."""
        for id in ids:
            self.fire(id, "silence", settle=False)

    def change_view(self, *ids: int) -> None:
        """These lose the primary, and the first of them patience."""
        self.silence(*ids)
        self.fire(ids[0], "view-change")

    def view(self, id: int) -> int:
        number: int = self.nodes[id].view.number
        return number


# Section 4.1: normal operation.


def test_requests_are_executed_by_all_replicas_in_the_order_of_the_primary() -> None:
    world = VR()
    for value in "abc":
        world.propose(1, value)
    assert [world.values(id) for id in (1, 2, 3)] == [["a", "b", "c"]] * 3


def test_an_op_is_committed_by_f_backups_and_the_disk_of_the_primary_not_by_fewer() -> None:
    world = VR(size=5)
    world.propose(1, "a", settle=False)
    oks = []
    for prepare in world.find(Prepare):
        world.deliver(prepare)
        oks += world.lose(PrepareOk, src=prepare[1])
    world.settle()
    assert world.values(1) == []
    world.deliver(oks[0])
    assert world.values(1) == []
    world.deliver(oks[0])  # the same backup again
    assert world.values(1) == []
    world.deliver(oks[1])
    assert world.values(1) == ["a"]


def test_the_primary_counts_itself_only_when_its_disk_has_the_op() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    own = world.lose(PrepareOk, src=1, to=1)
    world.deliver(*world.find(Prepare, to=2))
    world.deliver(*world.find(PrepareOk, src=2))
    assert world.values(1) == []
    world.deliver(*own)
    assert world.values(1) == ["a"]


def test_a_backup_takes_no_op_before_those_it_follows() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    first = world.lose(Prepare, to=2)
    world.propose(1, "b", settle=False)
    world.deliver(*world.find(Prepare, to=2))
    assert world.nodes[2].op_number == 0
    world.deliver(*first)
    assert world.nodes[2].op_number == 1


def test_a_gap_is_filled_by_state_transfer() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.lose(Prepare, to=2)
    world.settle()
    world.propose(1, "b")
    assert world.values(2) == ["a", "b"]


def test_a_prepare_that_comes_twice_changes_nothing() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    prepare = world.find(Prepare, to=2)
    world.settle()
    world.propose(1, "b")
    world.deliver(*prepare)
    world.settle()
    assert world.values(2) == ["a", "b"]


def test_a_prepare_that_was_lost_is_sent_again_by_the_commit_timer() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.lose(Prepare)
    world.settle()
    world.fire(1, "commit")
    world.fire(1, "commit")
    assert world.values(2) == ["a"]


def test_a_proposal_to_a_backup_is_refused() -> None:
    world = VR()
    world.propose(2, "a")
    assert [reason for _, _, reason in world.refusals] == ["this replica is not the primary"]
    assert world.nodes[2].leader == 1


def test_an_acknowledgement_of_an_older_view_is_not_counted() -> None:
    world = VR()
    world.propose(1, "a")
    world.change_view(2, 3)
    assert world.leaders() == [2]
    world.propose(2, "b", settle=False)
    world.lose(Prepare)
    world.settle()
    world.deliver((3, 2, PrepareOk(View(0, 0), 2)))
    assert world.values(2) == ["a"]


STALE = View(0, 1)
"""n2, with two others, is its primary, as it is of view 4."""


@pytest.mark.parametrize("leads", [False, True], ids=["joining", "leading"])
@pytest.mark.parametrize(
    "message",
    [
        PrepareOk(STALE, 2),
        CommitOk(STALE, 2, 99),
        AgreeToLeave(STALE),
        StartViewChange(STALE),
        DoViewChange(STALE, View(0, 0), 0, (Op(b"x"), Op(b"y"), Op(b"z"))),
        StartView(STALE, 0, (Op(b"x"), Op(b"y"), Op(b"z")), 3),
        Prepare(STALE, 1, (Op(b"x"), Op(b"y"), Op(b"z")), 3),
        Commit(STALE, 2, 99),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_is_of_an_older_view_changes_nothing(message: Message, leads: bool) -> None:
    world = VR()
    world.propose(1, "a")
    world.silence(2, 3)
    world.deliver((3, 2, StartViewChange(View(0, 4))))
    if leads:
        world.settle()
        assert world.leaders() == [2]
        world.propose(2, "b", settle=False)
        world.lose(Prepare)
        world.settle()
        world.silence(2)
    world.lose()
    n2, disk = world.nodes[2], world.disk[2]
    before = vars(n2).copy()
    assert (n2.view, n2.is_primary, n2.loyal) == (View(0, 4), leads, False)
    world.deliver((3, 2, message))
    assert vars(n2) == before
    assert world.disk[2] == disk
    assert world.find(src=2) == []
    assert world.values(2) == ["a"]


def test_who_changed_its_mind_about_an_older_view_has_not_agreed_to_leave_this() -> None:
    world = VR()
    world.change_view(2, 3)
    world.silence(3)
    world.deliver((1, 3, AgreeToLeave(View(0, 0))), (2, 3, AgreeToLeave(View(0, 0))))
    assert world.nodes[3].agreed == frozenset()
    assert world.find(StartViewChange, src=3) == []


# Section 4.2: view changes.


def test_a_silent_primary_is_replaced_and_nothing_committed_is_lost() -> None:
    world = VR()
    world.propose(1, "a")
    world.crash(1)
    world.change_view(2, 3)
    assert world.leaders() == [2]
    world.propose(2, "b")
    assert world.values(3) == ["a", "b"]


def test_a_view_does_not_start_while_a_quorum_hears_the_primary() -> None:
    world = VR()
    world.silence(2)
    world.fire(2, "view-change")
    assert world.leaders() == [1]
    assert world.view(2) == 0


def test_who_hears_the_primary_does_not_join_a_view_change_of_others() -> None:
    world = VR()
    world.fire(1, "commit")
    assert world.nodes[2].loyal
    change = (3, 2, StartViewChange(View(0, 1)))
    world.deliver(change)
    assert world.view(2) == 0
    world.silence(2)
    world.deliver(change)
    assert world.view(2) == 1


def test_a_replica_that_was_cut_off_comes_back_into_the_view_it_left() -> None:
    world = VR()
    world.isolate(3)
    world.silence(3)
    for _ in range(5):
        world.fire(3, "view-change")
    world.heal()
    world.propose(1, "a")
    assert world.values(3) == ["a"]
    assert world.view(1) == 0


def test_a_primary_gives_up_for_a_member_that_cannot_come_back_to_its_view() -> None:
    world = VR()
    world.deliver((3, 1, StartViewChange(View(0, 1))))
    world.settle()
    assert world.view(1) == 1


def test_who_hears_the_primary_of_a_view_that_is_over_hinders_nobody_from_leaving_a_later() -> None:
    world = VR(size=5)  # found by seed 333264: nothing was served any more
    world.isolate(1, 4)
    world.change_view(2, 3, 5)
    assert world.leaders() == [1, 2]
    world.crash(2, 5)
    world.heal()
    world.elapse(lambda: 3 in world.leaders())  # n4 hears n1 all the time
    world.propose(3, "a")
    assert world.values(1) == world.values(3) == world.values(4) == ["a"]


def test_a_replica_whose_view_has_not_started_cannot_make_others_disloyal() -> None:
    world = VR()
    world.deliver((3, 2, AskToLeave(View(0, 1), started=False)))
    assert not world.find(AgreeToLeave)
    world.deliver((3, 2, AskToLeave(View(0, 1), started=True)))
    assert world.find(AgreeToLeave)


def test_a_view_does_not_start_once_its_primary_knows_what_a_later_one_has_committed() -> None:
    world = VR()  # found by seed 416975: n2 stopped with an assertion
    world.isolate(2)
    world.propose(1, "a")
    world.heal()
    world.transfer(1, token=0, to=2, settle=False)
    world.deliver(*world.find(StartViewChange, src=1))
    world.deliver(*world.find(StartViewChange, src=2, to=1))
    to_n2 = world.lose(DoViewChange, to=2)
    world.isolate(2)
    world.fire(3, "view-change")
    world.propose(3, "b")
    world.heal()
    world.deliver(*to_n2)
    world.deliver(*world.find(DoViewChange, src=2, to=2))
    assert world.lose(GetState, src=2)
    world.deliver((1, 2, CommittedState(View(0, 2), 0, (Op(b"a"), Op(b"b")))))
    assert world.values(2) == ["a", "b"]
    assert world.nodes[2].leader is None
    world.elapse(lambda: world.view(2) == 2 and world.nodes[2].leader == 3)


def test_the_new_log_is_that_of_the_latest_normal_view_even_if_another_is_longer() -> None:
    world = VR(size=5)
    world.isolate(1)
    for value in "xyz":
        world.propose(1, value)  # three ops of view 0 that nobody else has
    world.change_view(2, 3, 4, 5)
    world.propose(2, "a")
    world.isolate(2)
    world.cut -= {(1, n) for n in (3, 4, 5)} | {(n, 1) for n in (3, 4, 5)}
    world.isolate(5)
    world.crash(1)
    world.start(1)
    world.change_view(3, 4)
    assert world.leaders() == [2, 3]  # n2 does not know yet
    assert world.values(4) == ["a"]
    assert world.nodes[1].op_number == 1


def test_of_logs_of_one_view_the_longest_is_chosen() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.deliver(*world.find(Prepare, to=3))
    world.deliver(*world.find(PrepareOk))
    assert world.values(1) == ["a"]  # by n1 and n3; n2 has never heard of it
    world.lose()
    world.crash(1)
    world.change_view(2, 3)
    assert world.leaders() == [2]
    assert world.values(2) == ["a"]


def test_a_new_primary_first_fetches_what_another_knows_to_be_committed() -> None:
    world = VR()
    world.isolate(2)
    world.propose(1, "a")
    assert world.values(3) == ["a"]
    world.heal()
    world.crash(1)
    world.silence(2, 3)
    world.fire(2, "view-change", settle=False)
    while world.flying and not world.find(GetState, src=2):
        world.deliver(world.flying[0])
    assert world.find(StartView, src=2) == []
    assert world.nodes[2].leader is None
    assert [to for _, to, _ in world.find(GetState, src=2)] == [3]
    world.settle()
    assert world.leaders() == [2]
    assert world.values(2) == ["a"]


def test_uncommitted_ops_that_a_quorum_holds_survive_and_are_committed_in_the_new_view() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.deliver(*world.find(Prepare))
    world.lose()
    world.crash(1)
    world.change_view(2, 3)
    assert world.values(2) == ["a"]
    assert world.values(3) == ["a"]


def test_do_view_change_is_sent_only_when_the_view_is_on_disk() -> None:
    world = VR()
    world.crash(1)
    world.silence(2, 3)
    node = world.nodes[3]
    message = StartViewChange(View(0, 1))
    world.step(3, lambda out: node.on_message(2, message, out), durable=False)
    assert world.find(DoViewChange, src=3) == []
    world.start(3)
    assert world.view(3) == 0


def test_a_view_change_that_does_not_end_is_followed_by_another() -> None:
    world = VR()
    world.crash(1)
    world.silence(2, 3)
    world.fire(3, "view-change", settle=False)
    while world.view(3) == 0:
        world.deliver(world.flying[0])
    world.crash(2)  # the primary of view 1
    world.start(1)
    world.settle()
    world.fire(3, "view-change")
    assert world.view(3) == 2
    assert world.leaders() == [3]


def test_what_was_proposed_in_the_turn_that_ends_a_view_is_refused_and_nowhere() -> None:
    world = VR()
    n1 = world.nodes[1]

    def turn(out: Out) -> None:
        n1.on_request(Propose(b"late"), out)
        n1.on_message(3, StartViewChange(View(0, 1)), out)

    world.step(1, turn)
    reasons = [(request, reason) for _, request, reason in world.refusals]
    assert reasons == [(Propose(b"late"), "the primary is being replaced")]
    world.settle()
    assert world.leaders() == [2]
    world.propose(2, "b")
    assert [world.values(id) for id in (1, 2, 3)] == [["b"]] * 3
    assert len(world.refusals) == 1


@pytest.mark.parametrize("carried", [False, True])
def test_what_is_in_the_log_of_a_view_that_ends_is_not_refused(carried: bool) -> None:
    world = VR()  # it may be committed yet: nobody can say that it is not
    world.propose(1, "a", settle=False)
    if carried:
        world.deliver(*world.find(Prepare, to=2))
    else:
        world.lose(Prepare)
    world.deliver((3, 1, StartViewChange(View(0, 1))))
    world.settle()
    assert world.leaders() == [2]
    assert world.refusals == []
    world.propose(2, "b")
    # n1 is one of the first to send DOVIEWCHANGE, so its log is chosen in either case.
    assert [world.values(id) for id in (1, 2, 3)] == [["a", "b"]] * 3


def test_a_primary_that_restarts_never_goes_on_in_its_view() -> None:
    world = VR()
    world.propose(1, "a")
    world.propose(1, "lost", settle=False, durable=False)  # its PREPAREs left, its disk has nothing
    assert world.find(Prepare, src=1)
    world.start(1)
    world.settle()
    assert 1 not in world.leaders()
    assert world.view(1) == 1


def test_start_view_carries_only_what_the_receiver_lacks() -> None:
    world = VR()
    for number in range(50):
        world.propose(1, str(number))
    world.crash(1)
    world.silence(2, 3)
    world.fire(2, "view-change", settle=False)
    sizes = []
    while world.flying:
        sizes += [len(m.ops) for _, _, m in world.flying if isinstance(m, StartView | DoViewChange)]
        world.deliver(world.flying[0])
    assert sizes
    assert max(sizes) <= 1


# Section 5.2: state transfer.


def test_r_vr_state_transfer_nothing_is_dropped_before_new_state_arrives() -> None:
    world = VR(size=3)
    world.propose(1, "a", settle=False)
    world.deliver(*world.find(Prepare, to=3))
    world.deliver(*world.find(PrepareOk, src=3), *world.find(PrepareOk, src=1))
    assert world.values(1) == ["a"]  # committed with the help of n3; n2 knows nothing of it
    world.lose()
    world.deliver((2, 3, Prepare(View(0, 4), 5, (), 0)))  # n3 learns that a later view exists
    assert world.nodes[3].status == "state-transfer"
    assert world.nodes[3].op_number == 1
    assert world.find(GetState, src=3)
    assert world.nodes[3].last_normal_view == View(0, 0)


def test_a_replica_in_state_transfer_acknowledges_nothing() -> None:
    world = VR()
    world.deliver((2, 3, Prepare(View(0, 1), 1, (), 0)))
    world.lose()
    world.deliver((2, 3, Prepare(View(0, 1), 1, (), 0)))
    assert world.find(PrepareOk, src=3) == []


def test_a_replica_in_state_transfer_speaks_for_its_old_log_and_only_in_a_later_view() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.deliver(*world.find(Prepare, to=3))
    world.deliver((2, 3, Prepare(View(0, 1), 2, (), 0)))
    world.silence(3)
    world.lose()
    n3 = world.nodes[3]
    assert n3.status == "state-transfer"
    for src in (1, 2):
        world.deliver((src, 3, StartViewChange(View(0, 1))))
    assert world.find(src=3) == []  # that view has its log, and it may not be this
    for src in (1, 2):
        world.deliver((src, 3, StartViewChange(View(0, 3))))
    ((_, to, message),) = world.find(DoViewChange, src=3)
    assert (to, message) == (1, DoViewChange(View(0, 3), View(0, 0), 0, (Op(b"a"),)))


def test_a_long_log_comes_in_several_messages() -> None:
    world = VR(max_message_bytes=4)
    world.isolate(3)
    for number in range(20):
        world.propose(1, f"{number:02}")
    world.heal()
    world.fire(1, "commit", settle=False)
    asked = 0
    while world.flying:
        asked += isinstance(world.flying[0][2], GetState)
        world.deliver(world.flying[0])
    assert world.values(3) == [f"{number:02}" for number in range(20)]
    assert asked >= 10


def test_a_replica_behind_the_log_is_given_a_checkpoint() -> None:
    world = VR(trailing_ops=0)
    world.isolate(3)
    for value in "abcd":
        world.propose(1, value)
    world.ask(1, Compact(3))
    world.ask(2, Compact(3))
    world.heal()
    world.fire(1, "commit", settle=False)
    seen = False
    while world.flying:
        seen = seen or isinstance(world.flying[0][2], InstallCheckpoint)
        world.deliver(world.flying[0])
    assert seen
    assert world.applied[3] == [(3, b"<snapshot>"), (4, b"d")]


def test_no_op_is_kept_behind_a_checkpoint_that_did_not_come_about_by_them() -> None:
    world = VR(trailing_ops=100)
    for value in "abcd":
        world.propose(1, value)
    world.ask(1, Compact(3, trailing=False))
    assert (world.nodes[1].log.first, world.nodes[1].snapshot_slot) == (4, 3)


def test_new_state_of_another_life_is_not_taken() -> None:
    world = VR()
    world.propose(1, "a")
    world.deliver((2, 3, NewState(View(0, 0), 7, (), 7)))
    assert world.values(3) == ["a"]
    assert world.nodes[3].op_number == 1


def test_new_state_of_a_replica_that_knows_less_to_be_committed_commits_nothing() -> None:
    """Found by the simulator, seed 2358: all but the last op were taken for committed."""
    world = VR()
    world.propose(1, "a")
    more = (Op(b"b"), Op(b"c"), Op(b"d"))
    world.deliver((1, 3, NewState(View(0, 0), 1, more, 0)))
    assert world.nodes[3].op_number == 4
    assert world.values(3) == ["a"]


def test_a_start_view_that_ends_before_what_is_committed_came_too_late() -> None:
    """Found by the simulator, seed 3461: an assertion fell."""
    world = VR()
    world.deliver((2, 3, Prepare(View(0, 1), 3, (), 0)))
    committed = (Op(b"a"), Op(b"b"))
    world.deliver((2, 3, CommittedState(View(0, 1), 0, committed)))
    world.lose()
    world.deliver((2, 3, StartView(View(0, 1), 0, committed[:1], 0)))
    assert world.values(3) == ["a", "b"]
    assert world.nodes[3].status == "state-transfer"
    assert world.nodes[3].asked


def test_a_copy_of_an_answer_asks_no_further_question() -> None:
    """Found by the simulator, seed 525: each answer to a copy's question came twice as well, and
    soon nothing else was under way."""
    world = VR()
    world.deliver((2, 3, Prepare(View(0, 1), 3, (), 0)))
    answer = (2, 3, CommittedState(View(0, 1), 0, (Op(b"a"),)))
    world.lose()
    world.deliver(answer)
    assert [to for _, to, _ in world.lose(GetState, src=3)] == [2]
    world.deliver(answer, answer)
    assert world.find(GetState, src=3) == []
    world.fire(3, "transfer", settle=False)
    assert world.find(GetState, src=3)


# Section 4.3: recovery.


def test_a_replica_without_its_log_gets_it_back_from_the_primary() -> None:
    world = VR(replica=InMemoryReplica)
    world.propose(1, "a")
    world.restart(3)
    assert world.nodes[3].status == "recovering"
    world.settle()
    assert world.nodes[3].status == "normal"
    assert world.values(3) == ["a"]


def test_a_recovering_replica_takes_no_part_in_a_view_change() -> None:
    world = VR(replica=InMemoryReplica)
    world.restart(3)
    world.lose()
    world.silence(3)  # a loyal one would not join anyhow
    n3 = world.nodes[3]
    before = vars(n3).copy()
    world.deliver(
        (2, 3, StartViewChange(View(0, 1))),
        (1, 3, DoViewChange(View(0, 2), View(0, 0), 0, ())),  # whose primary it is
        (2, 3, StartView(View(0, 1), 0, (), 0)),
        (2, 3, AskToLeave(View(0, 0), started=True)),
    )
    assert vars(n3) == before
    assert (n3.view, n3.status) == (View(0, 0), "recovering")
    assert world.find(src=3) == []


def test_recovery_needs_the_primary_of_the_latest_view_among_the_answers() -> None:
    world = VR(size=5, replica=InMemoryReplica)
    world.propose(1, "a")
    world.restart(5)
    world.lose()
    nonce = world.nodes[5].lifetime
    for src, view, op_number in ((2, 0, -1), (3, 1, -1), (1, 0, 1)):
        world.deliver((src, 5, RecoveryResponse(View(0, view), nonce, op_number)))
    assert world.find(GetState, src=5) == []  # n2 leads view 1 and answered in view 0
    world.deliver((2, 5, RecoveryResponse(View(0, 1), nonce, 1)))
    assert [to for _, to, _ in world.find(GetState, src=5)] == [2]


def test_recovery_needs_an_answer_that_the_primary_gave_in_the_latest_view() -> None:
    world = VR(size=5, replica=InMemoryReplica)
    world.propose(1, "a")
    world.restart(5)
    world.lose()
    nonce = world.nodes[5].lifetime
    for src, view, op_number in ((1, 0, 1), (2, 5, -1), (3, 0, -1)):
        world.deliver((src, 5, RecoveryResponse(View(0, view), nonce, op_number)))
    assert world.find(GetState, src=5) == []  # n1 leads view 5 as well: what it said is older


def test_recovery_needs_answers_of_f_and_one_more_replicas() -> None:
    world = VR(size=5, replica=InMemoryReplica)
    world.propose(1, "a")
    world.restart(5)
    world.lose()
    nonce = world.nodes[5].lifetime
    primary = (1, 5, RecoveryResponse(View(0, 0), nonce, 1))
    world.deliver(primary, (2, 5, RecoveryResponse(View(0, 0), nonce)), primary)
    assert world.find(GetState, src=5) == []
    world.deliver((3, 5, RecoveryResponse(View(0, 0), nonce)))
    assert [to for _, to, _ in world.find(GetState, src=5)] == [1]


def test_a_recovering_replica_takes_no_log_before_it_knows_which_is_long_enough() -> None:
    world = VR(replica=InMemoryReplica)
    world.restart(3)
    world.lose()
    world.deliver(
        (1, 3, NewState(View(0, 0), 0, (Op(b"a"),), 1)),
        (1, 3, CommittedState(View(0, 0), 0, (Op(b"a"),))),
    )
    assert (world.nodes[3].status, world.nodes[3].op_number) == ("recovering", 0)
    assert world.values(3) == [] and world.find(src=3) == []


def test_a_recovering_replica_takes_no_log_that_is_shorter_than_the_primary_s_was() -> None:
    world = VR(replica=InMemoryReplica)
    world.propose(1, "a")
    world.propose(1, "b")
    world.restart(3)
    world.lose()
    nonce = world.nodes[3].lifetime
    for src, op_number in ((1, 2), (2, -1)):
        world.deliver((src, 3, RecoveryResponse(View(0, 0), nonce, op_number)))
    world.deliver((2, 3, NewState(View(0, 0), 0, (Op(b"a"),), 1)))
    assert world.nodes[3].status == "recovering"
    assert world.find(PrepareOk, src=3) == []
    world.deliver((2, 3, NewState(View(0, 0), 1, (Op(b"b"),), 1)))
    assert world.nodes[3].status == "normal"


def test_an_answer_to_an_older_recovery_is_not_counted() -> None:
    world = VR(replica=InMemoryReplica)
    world.restart(3)
    world.lose()
    for src in (1, 2):
        world.deliver((src, 3, RecoveryResponse(View(0, 0), 1, 0)))
    assert world.find(GetState, src=3) == []


def test_a_replica_recovers_into_no_view_older_than_one_it_promised_to_enter() -> None:
    world = VR(replica=InMemoryReplica)
    world.silence(2, 3)
    world.fire(3, "view-change", settle=False)
    while not world.find(DoViewChange, src=3):
        world.deliver(world.flying[0])
    world.restart(3)  # it has promised view 1
    world.lose()
    nonce = world.nodes[3].lifetime
    for src, op_number in ((1, 0), (2, -1)):
        world.deliver((src, 3, RecoveryResponse(View(0, 0), nonce, op_number)))
    assert world.nodes[3].status == "recovering"
    assert world.find(GetState, src=3) == []


def promises_outlive_two_crashes(replica: type[ViewstampedReplica]) -> VR:
    """n2, then n3, promise to leave view 0, crash, and recover; their promises are under way.

    Then an op is committed in view 0 with the help of n3 alone.
    """
    world = VR(replica=replica)

    def leave(id: int, other: int) -> None:
        world.silence(*(n for n in (2, 3) if "silence" in world.timers[n]))
        world.fire(id, "view-change", settle=False)
        world.deliver(*world.find(AskToLeave, src=id, to=other))
        world.deliver(*world.find(AgreeToLeave, src=other, to=id))

    leave(2, 3)
    started_2 = world.lose(StartViewChange, src=2, to=3)
    world.lose()
    world.restart(2)
    world.settle()
    if world.nodes[2].status == "recovering":
        return world
    leave(3, 2)
    started_3 = world.lose(StartViewChange, src=3, to=2)
    world.deliver(*started_2)
    did_3 = world.lose(DoViewChange, src=3)
    world.lose()
    world.restart(3)
    world.settle()
    world.isolate(2)
    world.propose(1, "a")
    assert world.values(1) == ["a"]
    world.heal()
    leave(2, 3)
    world.deliver(*started_3)
    world.deliver(*world.find(DoViewChange, src=2))
    world.deliver(*did_3)
    return world


def test_diskless_recovery_as_in_the_paper_loses_what_was_committed() -> None:
    class Diskless(InMemoryReplica):
        stable = ("lifetime",)  # not even the view

    with pytest.raises(Broken, match="without op 1"):
        promises_outlive_two_crashes(Diskless)


def test_with_the_view_on_disk_the_same_crashes_lose_nothing_and_end() -> None:
    world = promises_outlive_two_crashes(InMemoryReplica)
    assert world.view(1) == world.view(3) == 1  # n1 gave view 0 up for n2, which leads view 1
    world.fire(1, "view-change")
    assert world.leaders() == [3]
    world.fire(2, "resend")
    assert world.nodes[2].status == "normal"


def test_a_log_in_memory_is_recovered_after_a_reconfiguration() -> None:
    world = VR(replica=InMemoryReplica)
    world.propose(1, "a")
    world.start(4)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    world.restart(3)
    assert world.nodes[3].status == "recovering"
    world.settle()
    assert world.nodes[3].status == "normal"
    assert world.values(3) == ["a"]
    assert world.nodes[3].groups == world.nodes[2].groups


def test_a_log_in_memory_is_recovered_from_a_checkpoint_older_than_its_group() -> None:
    world = VR(replica=InMemoryReplica, trailing_ops=0)
    world.propose(1, "a")
    world.propose(1, "b")
    world.start(4)
    world.ask(1, Reconfigure(8, frozenset({1, 2, 3, 4})))  # op 3
    world.propose(1, "c")
    for id in (1, 2, 4):
        world.ask(id, Compact(1))
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3})))  # op 5
    world.restart(3)
    world.settle()
    assert world.nodes[3].status == "normal"
    assert world.applied[3][0] == (1, b"<snapshot>")
    assert world.values(3) == ["<snapshot>", "b", "c"]
    world.ask(3, Compact(4))  # of the group in between, which was lost with the log
    assert world.nodes[3].checkpoint == Checkpoint(4, Group(1, (1, 2, 3, 4), 3))
    world.ask(3, Compact(5))
    assert world.nodes[3].checkpoint == Checkpoint(5, Group(2, (1, 2, 3), 5))


def test_a_log_in_memory_is_recovered_though_the_epoch_ended_meanwhile() -> None:
    world = VR(replica=InMemoryReplica)
    world.propose(1, "a")
    world.start(4)
    world.crash(3)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    world.flying = []  # n3 is told nothing
    world.start(3)
    world.settle()
    assert world.nodes[3].group == world.nodes[1].group
    assert world.nodes[3].status == "normal"
    assert world.values(3) == ["a"]


# Section 6.3: reads.


def test_a_lease_answers_a_read_at_once_and_ends_before_another_primary_can_exist() -> None:
    world = VR()
    world.propose(1, "a")
    world.fire(1, "commit")
    world.read(1, 7, settle=False)
    assert world.answer(7) == 1
    world.clock[1] += 270_000  # view_change_timeout_ms - clock_drift_ms
    world.isolate(1)
    world.read(1, 8)
    with pytest.raises(KeyError):
        world.answer(8)


def test_a_clock_that_jumps_back_gives_no_lease() -> None:
    world = VR()
    world.fire(1, "commit")
    world.clock[1] -= 1_000_000
    world.isolate(1)
    world.read(1, 7)
    with pytest.raises(KeyError):
        world.answer(7)


def test_a_read_is_answered_only_after_a_round_that_began_after_it() -> None:
    world = VR(reads="index")
    world.fire(1, "commit", settle=False)
    world.deliver(*world.find(Commit))
    answers = world.lose(CommitOk, to=1)  # of the round before the question
    world.read(1, 7, settle=False)
    world.lose()
    world.deliver(*answers)
    with pytest.raises(KeyError):
        world.answer(7)


def test_a_read_at_a_backup_is_answered_by_way_of_the_primary() -> None:
    world = VR()
    world.propose(1, "a")
    world.read(3, 7)
    assert world.answer(7) == 1


def test_questions_and_rounds_do_not_call_for_each_other() -> None:
    """Found by the simulator, seeds 2036 and 3147: thousands of COMMITs in one millisecond."""
    world = VR(reads="index")
    world.read(2, 7, settle=False)
    world.read(3, 8, settle=False)
    told = 0
    while world.flying:
        told += isinstance(world.flying[0][2], Commit)
        world.deliver(world.flying[0])
    assert world.answer(7) == world.answer(8) == 0
    assert told <= 4  # a round for each, to two backups


def test_no_more_than_so_many_reads_wait_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_READS", 3)
    world = VR(reads="index")
    world.isolate(2)
    for token in range(1, 6):
        world.read(2, token)
    assert len(world.nodes[2].questions) == 3
    assert world.refusal(4) == world.refusal(5) == "too many reads are waiting"
    for sequence in range(1, 6):
        world.deliver((3, 1, ReadRequest(world.nodes[1].view, 1, sequence)))
    assert len(world.nodes[1].waiting) == 3
    world.read(1, 6, settle=False)
    assert world.refusal(6) == "too many reads are waiting"


def test_a_question_that_was_lost_is_asked_again() -> None:
    world = VR()
    world.propose(1, "a")
    world.read(3, 7, settle=False)
    world.lose(ReadRequest)
    world.fire(3, "question")
    assert world.answer(7) == 1
    assert "question" in world.timers[3]
    world.fire(3, "question")  # answered: nothing more to ask
    assert "question" not in world.timers[3]


def test_a_new_primary_answers_no_read_with_less_than_its_log_at_the_start() -> None:
    world = VR()
    world.propose(1, "a", settle=False)
    world.deliver(*world.find(Prepare))
    world.deliver(*world.find(PrepareOk))
    assert world.values(1) == ["a"]  # a client may know; the backups do not yet
    world.crash(1)
    world.lose()
    world.silence(2, 3)
    world.fire(2, "view-change", settle=False)
    while 2 not in world.leaders():
        world.deliver(world.flying[0])
    world.read(2, 7, settle=False)
    world.settle()
    assert world.answer(7) == 1


# Section 7: reconfiguration; hand-over.


def test_a_newcomer_is_warmed_up_and_then_decides() -> None:
    world = VR()
    for value in "abc":
        world.propose(1, value)
    world.start(4)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    assert world.answer(9) is None
    assert world.nodes[4].group.configuration == (1, 2, 3, 4)
    assert world.values(4) == ["a", "b", "c"]


def test_every_member_may_be_replaced_at_once() -> None:
    world = VR()
    world.propose(1, "a")
    for id in (4, 5, 6):
        world.start(id)
    world.ask(1, Reconfigure(9, frozenset({4, 5, 6})))
    for id in (1, 2, 3):
        world.crash(id)
    assert world.leaders() == [4]
    world.propose(4, "b")
    assert world.values(6) == ["a", "b"]


@pytest.mark.parametrize("restarted", [False, True])
def test_who_was_replaced_tells_the_new_group_until_a_quorum_of_it_runs(restarted: bool) -> None:
    world = VR()
    world.propose(1, "a")
    for id in (4, 5, 6):
        world.start(id)
    world.ask(1, Reconfigure(9, frozenset({4, 5, 6})), settle=False)
    while world.nodes[1].group.epoch == 0:
        world.deliver(world.flying[0])
    world.crash(2, 3)
    if restarted:
        world.restart(1)
    world.flying = []  # STARTEPOCH is lost, and nobody else knows
    assert {world.nodes[id].group.epoch for id in (4, 5, 6)} == {0}
    world.fire(1, "hand-on")
    assert world.leaders() == [4]
    world.propose(4, "b")
    assert world.values(6) == ["a", "b"]
    world.fire(1, "hand-on")
    assert "hand-on" not in world.timers[1]


def test_who_speaks_for_an_epoch_that_is_over_is_told_and_not_heard() -> None:
    world = VR()
    world.propose(1, "a")
    world.start(4)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    n3 = world.nodes[3]
    before, disk = vars(n3).copy(), world.disk[3]
    world.deliver(
        (1, 3, Prepare(View(0, 0), 3, (Op(b"x"),), 3)),
        (1, 3, DoViewChange(View(0, 2), View(0, 0), 0, (Op(b"x"),))),
    )
    assert world.find(src=3) == [(3, 1, StartEpoch(n3.group))] * 2
    assert vars(n3) == before
    assert world.disk[3] == disk


def test_nothing_is_ordered_behind_a_reconfiguration_in_its_epoch() -> None:
    world = VR()
    world.start(4)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})), settle=False)
    while not world.nodes[1].ordered:
        world.deliver(world.flying[0])
    world.propose(1, "late", settle=False)
    assert [reason for _, _, reason in world.refusals] == ["a reconfiguration is under way"]


def test_a_newcomer_that_does_not_run_is_named_and_nothing_changes() -> None:
    world = VR()
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    world.fire(1, "warm-up")
    assert "n4 did not catch up" in world.refusal(9)
    world.propose(1, "a")
    assert world.values(3) == ["a"]


def test_learners_are_refused_by_name() -> None:
    world = VR()
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3}), frozenset({4})))
    assert "no learners" in world.refusal(9)


def test_a_restart_in_a_later_epoch_enters_no_epoch_twice() -> None:
    world = VR()
    world.start(4)
    world.ask(1, Reconfigure(9, frozenset({1, 2, 3, 4})))
    for id in (1, 2, 3, 4):
        world.restart(id)
    world.settle()
    assert {node.group.epoch for node in world.nodes.values()} == {1}


@pytest.mark.parametrize("to", [2, 3])
def test_the_primary_hands_over_to_whom_it_is_told(to: int) -> None:
    world = VR()
    world.propose(1, "a")
    world.ask(1, Transfer(9, to))
    assert world.answer(9) is None
    assert world.leaders() == [to]
    world.propose(to, "b")
    assert world.values(1) == ["a", "b"]


def test_a_primary_that_hears_no_quorum_is_not_shown_as_the_leader() -> None:
    """It stays the primary of its view; operators and load balancers ask whether it serves."""
    world = HandWorld(PROTOCOL, 3)
    world.settle()
    assert PROTOCOL.view(world.nodes[1]).leader == 1
    world.isolate(1)
    world.elapse(lambda: PROTOCOL.view(world.nodes[1]).leader is None)
    assert world.nodes[1].leader == 1


# What may leave before the disk.


def play(replica: type[ViewstampedReplica]) -> VR:
    """Everything that a group can live through, at least once."""
    world = VR(replica=replica, trailing_ops=0, max_message_bytes=1)
    world.propose(1, "a")
    world.propose(1, "gap", settle=False)
    world.lose(Prepare, to=3)
    world.settle()
    world.propose(1, "b")
    world.isolate(3)
    for value in "cde":
        world.propose(1, value)
    world.compact(1, 4)
    world.compact(2, 4)
    world.heal()
    world.fire(1, "commit")  # n3 is sent the checkpoint, and what follows it
    world.read(3, 1)
    world.change_view(2, 3)
    world.restart(1)
    world.settle()
    world.propose(2, "f")
    world.start(4)
    world.reconfigure(2, 2, (1, 2, 3, 4))
    world.transfer(1, 3, to=3)
    world.propose(3, "g")
    world.restart(3)  # the primary itself
    world.settle()
    world.elapse(lambda: world.leaders() == [4])
    world.propose(4, "h")
    world.elapse(lambda: all(world.values(id)[-2:] == ["g", "h"] for id in world.nodes))
    return world


def test_prepares_overtake_the_disk_of_the_primary_and_nothing_that_promises_does() -> None:
    said = set()
    for replica in (ViewstampedReplica, InMemoryReplica):
        world = play(replica)
        assert {type(message) for message in world.early} == {Prepare}
        said |= world.said
    assert said == set(MESSAGES)
