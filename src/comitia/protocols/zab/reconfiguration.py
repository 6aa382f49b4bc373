"""Reconfiguration (Shraer, Reed, Malkhi, Junqueira, USENIX ATC 2012): a change is a transaction.

As there, a change of voters is decided by a quorum of the old and one of the new configuration.
Differs: a configuration is used from when it is in the history, committed or not, and the joint one
is followed by a second transaction, in place of an activation message.  So what is in the history
alone tells whose quorums count, also after everybody restarted.

As in ZooKeeper, a change is refused when no quorum of the new voters is in touch with the leader:
who joins should be an observer first.
"""

from __future__ import annotations

from comitia.kernel import Out, Reconfigure, Slot
from comitia.protocols.zab.configuration import Configuration
from comitia.protocols.zab.messages import Commit
from comitia.protocols.zab.reads import Reads
from comitia.protocols.zab.state import LEADING
from comitia.quorums.changes import changes_in, configuration_at, may_be_needed


class Reconfiguration(Reads):
    """Who takes part."""

    @property
    def configuration_slot(self) -> Slot:
        """Where the configuration in use stands in the history."""
        return self.configurations[-1][0] if self.configurations else self.snapshot.slot

    def configuration_at(self, slot: Slot) -> Configuration:
        """Return the configuration after every transaction up to `slot`."""
        return configuration_at(slot, self.snapshot.configuration, self.configurations)

    def may_lead(self) -> bool:
        """Does this server vote in any configuration that may be the committed one?"""
        founded = self.snapshot.configuration
        return may_be_needed(self.id, self.committed, founded, self.configurations)

    def adopt_configurations(self, since: Slot) -> None:
        """Read the configurations from the history after `since`, and use the last."""
        kept = tuple(c for c in self.configurations if self.snapshot.slot < c[0] <= since)
        since = max(since, self.snapshot.slot)
        new = changes_in(self.history.slice(since + 1, self.history.last), since + 1)
        self.configurations = kept + new
        configuration = (
            self.configurations[-1][1] if self.configurations else self.snapshot.configuration
        )
        if configuration == self.configuration:
            return
        before, self.configuration = self.configuration, configuration
        if self.role == LEADING:
            # A lease was given by quorums of before; who joins cannot have been heard yet.
            self.lease_from, self.rounds = None, ()
            self.active |= {*configuration.members()} - {*before.members()}

    def on_reconfigure(self, request: Reconfigure, out: Out) -> None:
        if self.role != LEADING or not self.established:
            out.refuse(request, "this server is not the leader")
        elif self.transfer is not None:
            out.refuse(request, "leadership is being handed over")
        elif self.configuration_slot > self.committed or self.configuration.joint:
            out.refuse(request, "a change of membership is under way")
        else:
            try:
                target = self.configuration.towards(request.voters, request.learners)
            except ValueError as error:
                out.refuse(request, str(error))
                return
            in_touch = frozenset(n for n in target.voters if self.acked_by(n) >= 0)
            if target == self.configuration:
                out.answer(request, None)
            elif 2 * len(in_touch) <= len(target.voters):
                missing = ", ".join(f"n{n}" for n in target.voters if n not in in_touch)
                out.refuse(
                    request,
                    f"no quorum of the new voters follows: {missing} do not; "
                    "let them be learners first",
                )
            else:
                self.reconfigure = request
                self.append(b"", target)

    def on_committed(self, out: Out) -> None:
        """Take the next step of a change, once the last one is committed."""
        if self.configuration_slot > self.committed:
            return
        configuration = self.configuration
        if configuration.joint:
            self.append(b"", configuration.settled())
            return
        if self.reconfigure is not None:
            request, self.reconfigure = self.reconfigure, None
            out.answer(request, None)
        members = configuration.members()
        for peer, _ in self.peers():
            if peer not in members:  # told of the commit that ends its part, and then no more
                out.send(peer, Commit(self.epoch, self.committed))
                self.learners = self.learners.delete(peer)
        if self.id not in configuration.voters:
            heir = max(configuration.voters, key=lambda n: (self.acked_by(n), n))
            self.designate(heir, out)

    # Brought by handing over.

    def designate(self, heir: int, out: Out) -> None:
        raise NotImplementedError
