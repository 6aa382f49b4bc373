"""Leadership transfer: section 3.10."""

from __future__ import annotations

from comitia.kernel import NodeId, Out, Transfer, fired, received
from comitia.protocols.raft.messages import TimeoutNow
from comitia.protocols.raft.state import FOLLOWER, LEADER, State


class LeadershipTransfer(State):
    """How a leader hands over without a timeout."""

    def on_transfer(self, request: Transfer, out: Out) -> None:
        if self.role != LEADER:
            out.refuse(request, "not the leader")
        elif self.transfer is not None:
            out.refuse(request, "another transfer is under way")
        elif request.to == self.id:
            out.answer(request, None)
        elif request.to not in self.configuration.voters:
            out.refuse(request, f"n{request.to} is not a voter")
        else:
            # No proposals are taken meanwhile, so that the target can catch up.
            self.transfer, self.transfer_told = request, False
            out.set_timer("transfer", after=(self.options.election_timeout_ms,) * 2)
            self.on_match(request.to, out)

    def on_match(self, peer: NodeId, out: Out) -> None:
        """Tell the target to stand for election as soon as its log is complete."""
        request = self.transfer
        if request is None or request.to != peer or self.transfer_told:
            return
        progress = self.progress.get(peer)
        if progress is not None and progress.match_index == self.log.last:
            self.transfer_told = True
            # The voters will not refuse this election, now or whenever TimeoutNow arrives: this
            # leader cannot answer reads alone any more, in this term.
            self.lease_given_up = True
            out.send(peer, TimeoutNow(self.current_term))
            out.answer(request, None)

    @fired("transfer")
    def on_transfer_timeout(self, out: Out) -> None:
        """Step 3: the target did not take over within an election timeout: serve again."""
        self.end_transfer("the target did not catch up in time", out)

    def end_transfer(self, reason: str, out: Out) -> None:
        request, told = self.transfer, self.transfer_told
        self.transfer, self.transfer_told = None, False
        if request is not None:
            out.cancel_timer("transfer")
            if not told:
                out.refuse(request, reason)

    @received(TimeoutNow)
    def on_timeout_now(self, src: NodeId, message: TimeoutNow, out: Out) -> None:
        if message.term == self.current_term and self.role == FOLLOWER and self.may_stand():
            self.stand(True, out)
