"""OM(m): oral messages (section 3).

The recursion of the paper, laid out by rounds: OM(m-1) with lieutenant j in command, inside the
instance that has come along `path`, is all that happens on paths that begin with path + (j,).
"""

from __future__ import annotations

from collections.abc import Iterable

from immutables import Map

from comitia.kernel import Message, NodeId, Out
from comitia.protocols.byzantine.general import General
from comitia.protocols.byzantine.messages import ATTACK, RETREAT, Oral

Path = tuple[NodeId, ...]


def majority(values: Iterable[str]) -> str:
    """More than half of the values, RETREAT when there is no such value (section 3)."""
    values = tuple(values)
    return ATTACK if 2 * values.count(ATTACK) > len(values) else RETREAT


class OralGeneral(General):
    """Needs more than 3m generals when m of them are traitors (theorem 1)."""

    said: Map[Path, str]
    """What came along which path."""

    def __init__(
        self,
        id: NodeId,
        generals: tuple[NodeId, ...],
        m: int,
        command: str = RETREAT,
        round_ms: int | None = 1_000,
    ) -> None:
        """As `General`; with `round_ms` None a round ends when all that is due in it has come,
        which a silent traitor can prevent.
        """
        super().__init__(id, generals, m, command)
        self.round_ms = round_ms
        self.said = Map()

    def give_order(self, out: Out) -> None:
        out.broadcast(self.lieutenants, Oral(self.command, (self.id,)))

    def on_message(self, src: NodeId, message: Message, out: Out) -> None:
        match message:
            case Oral(value, path) if self.believable(src, path) and path not in self.said:
                self.said = self.said.set(path, value if value == ATTACK else RETREAT)
                if self.round_ms is None and self._all_spoke():
                    self.end_round(out)

    def believable(self, src: NodeId, path: Path) -> bool:
        """Can `src` have brought this, in time?"""
        return (
            self.order is None
            # Oral messages are believed only from the last on their path (A2): otherwise a
            # traitor would speak for loyal generals.
            and path[-1:] == (src,)
            and path[0] == self.commander
            and self.id not in path
            and len(set(path)) == len(path)
            and set(path) <= set(self.generals)
            # What is late counts as silence; a faster general may be a round ahead.
            and self.round <= len(path) <= self.last_round
        )

    def _all_spoke(self) -> bool:
        """Has everything due in this round come?"""
        return all(path in self.said for path in self.due(self.round))

    def due(self, round: int) -> list[Path]:
        """The paths along which this general is told something in `round`."""
        paths: list[Path] = [(self.commander,)]
        for _ in range(round - 1):
            paths = [(*path, j) for path in paths for j in self.others(path)]
        return paths

    def others(self, path: Path) -> tuple[NodeId, ...]:
        """The lieutenants, but for this one, that are not on `path`."""
        return tuple(j for j in self.lieutenants if j != self.id and j not in path)

    def pass_on(self, out: Out) -> None:
        """Step 2 of OM(m): as commander in OM(m-1), send what came; silence is RETREAT."""
        for path in self.due(self.round):
            message = Oral(self.said.get(path, RETREAT), (*path, self.id))
            out.broadcast(self.others(path), message)

    def decide(self) -> str:
        return self.used((self.commander,))

    def used(self, path: Path) -> str:
        """The value this general uses for the last on `path`, in the instance that is commanded by
        it: step 3 of OM(m), or step 2 of OM(0) on paths of the full length.
        """
        own = self.said.get(path, RETREAT)
        if len(path) == self.last_round:
            return own
        return majority([own, *(self.used((*path, j)) for j in self.others(path))])
