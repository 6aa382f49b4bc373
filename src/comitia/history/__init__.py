"""Were clients served correctly?

    from comitia.history import Register, check, read
    verdict = check(read(text), Register())
    assert verdict, str(verdict)

`Operation` is what the engines judge; `Recorder` makes them around any client, `read` from text.
"""

from comitia.history.checker import check
from comitia.history.isolation import isolation
from comitia.history.model import IMPOSSIBLE, Machine, Model
from comitia.history.models import (
    MODELS,
    AppendLog,
    Counter,
    Lock,
    PriorityQueue,
    Queue,
    Register,
    Set,
    Stack,
    Store,
)
from comitia.history.online import Online
from comitia.history.operation import UNKNOWN, Event, HistoryError, Operation, operations
from comitia.history.readers import events, read, to_json_lines
from comitia.history.recorder import Recorder, appending
from comitia.history.verdict import Contradiction, Part, Verdict
from comitia.history.weaker import sequential, sessions
from comitia.history.witness import witnessed

__all__ = [
    "IMPOSSIBLE",
    "MODELS",
    "UNKNOWN",
    "AppendLog",
    "Contradiction",
    "Counter",
    "Event",
    "HistoryError",
    "Lock",
    "Machine",
    "Model",
    "Online",
    "Operation",
    "Part",
    "PriorityQueue",
    "Queue",
    "Recorder",
    "Register",
    "Set",
    "Stack",
    "Store",
    "Verdict",
    "appending",
    "check",
    "events",
    "isolation",
    "operations",
    "read",
    "sequential",
    "sessions",
    "to_json_lines",
    "witnessed",
]
