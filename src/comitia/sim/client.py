"""A client of the simulated cluster: what it has open and how long it has waited."""

from __future__ import annotations

from comitia.sim.workload import Op


class Client:
    """One client: does one thing at a time, and asks again until it is answered."""

    __slots__ = ("attempt", "content", "op", "process", "refused", "seq", "tries")

    def __init__(self, process: int) -> None:
        self.process = process
        self.seq = self.attempt = self.tries = 0
        self.op: Op | None = None
        self.refused = True
        """The last attempt certainly had no effect, or there was none."""
        self.content = False
        """Served after everything healed."""
